"""From the platform's ledger and the twins' journal to a verdict. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tests.soak.events import Events

Json = Mapping[str, Any]  # Any: JSON values


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one site, or a whole campaign, came out."""

    kills: Counter[str] = field(default_factory=Counter)
    """SIGKILLs by role."""
    link_faults: Counter[str] = field(default_factory=Counter)
    """By mode."""
    served: int = 0
    """Numbers that the twins handed out."""
    stored: int = 0
    """Of these, those that the platform holds."""
    forgiven: int = 0
    """Not stored: handed out in the second before an agent was killed."""
    readings: int = 0
    """All values that the platform holds."""
    lost: int = 0
    """Numbers not stored and not forgiven, values that no sequence brings, values left over."""
    duplicated: int = 0
    reordered: int = 0
    repeats: int = 0
    """Batches that came again and were known: no fault."""
    events: int = 0
    """Events that the agent said in its log and that the platform holds."""
    checks: int = 0
    """Times that a file was looked through after a kill."""
    findings: tuple[str, ...] = ()
    """Everything else that should not have been."""

    @property
    def killed(self) -> int:
        """Return all SIGKILLs."""
        return self.kills.total()

    @property
    def clean(self) -> bool:
        """Say whether nothing was lost, doubled, reordered or broken, and something was proved."""
        return not (self.lost or self.duplicated or self.reordered or self.findings) and bool(
            self.stored
        )

    @property
    def line(self) -> str:
        """Return the last line of a campaign."""
        return f"soak: {self.killed} kills, {self.lost} lost, {self.duplicated} duplicated"

    def as_json(self) -> dict[str, Any]:  # Any: JSON values
        """Return it as plain JSON values."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**values, "killed": self.killed, "clean": self.clean}


def judge(
    ledger: Json,
    *,
    kills: Counter[str],
    link_faults: Counter[str],
    checks: int,
    findings: Iterable[str],
    events: Events | None = None,
) -> Verdict:
    """Return the verdict on one site.

    Args:
        ledger: what `mayak platform ledger --json --truth ... --forgive ...` printed.
        kills: SIGKILLs by role.
        link_faults: by mode.
        checks: how many files were looked through.
        findings: what was wrong in them, and parts that ended by themselves.
        events: what the agent said and what the platform holds of it.
    """
    events = events or Events()
    total, truth = ledger["total"], ledger["truth"]
    # Every open question is a finding, also one about values that are counted as lost.
    objections = [f"ledger: {objection}" for objection in total["objections"]]
    if not total["balances"] and not objections:
        objections.append("ledger: produced is not stored + pending + lost")
    if total["missing_batches"]:
        objections.append(f"ledger: {total['missing_batches']} sequences are missing")
    return Verdict(
        kills=kills,
        link_faults=link_faults,
        served=truth["served"],
        stored=truth["stored"],
        forgiven=truth["forgiven"],
        readings=total["readings"],
        lost=total["lost"] + total["pending"] + len(truth["missing"]) + len(events.missing),
        duplicated=total["duplicated"] + len(truth["doubled"]) + len(events.doubled),
        reordered=total["reordered"],
        repeats=total["repeats"],
        events=events.matched,
        checks=checks,
        findings=(*findings, *objections, *events.findings),
    )


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the sum over sites."""
    every = list(verdicts)
    return Verdict(
        kills=sum((v.kills for v in every), Counter()),
        link_faults=sum((v.link_faults for v in every), Counter()),
        served=sum(v.served for v in every),
        stored=sum(v.stored for v in every),
        forgiven=sum(v.forgiven for v in every),
        readings=sum(v.readings for v in every),
        lost=sum(v.lost for v in every),
        duplicated=sum(v.duplicated for v in every),
        reordered=sum(v.reordered for v in every),
        repeats=sum(v.repeats for v in every),
        events=sum(v.events for v in every),
        checks=sum(v.checks for v in every),
        findings=tuple(finding for v in every for finding in v.findings),
    )
