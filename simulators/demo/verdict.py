"""The four numbers at the end: lost, duplicated, reordered, late. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from simulators.demo.wordings import Lang, say

ROWS = (
    "produced",
    "stored",
    "pending",
    "lost",
    "duplicated",
    "reordered",
    "late",
    "forgiven",
    "served",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the run ended."""

    readings: int
    """Values that the platform has committed, without events."""
    produced: int
    stored: int
    pending: int
    lost: int
    """By sequence (the gateway's count) and by the twins' own count of their answers."""
    duplicated: int
    reordered: int
    late: int
    forgiven: int
    served: int
    balances: bool
    bytes_per_reading: float
    kills: int
    outage_s: float
    mute: tuple[str, ...] = ()
    """Devices of which no point had a value at the end."""

    @property
    def clean(self) -> bool:
        """Say whether nothing was lost or doubled, nothing is left over, and it all balances."""
        return self.balances and not (self.lost or self.duplicated or self.pending)

    def as_json(self) -> dict[str, Any]:  # Any: JSON values
        """Return the object that `--json` prints."""
        return {**asdict(self), "clean": self.clean}


def judge(
    ledger: Mapping[str, Any],  # Any: JSON values
    bytes_per_reading: float,
    kills: int,
    outage_s: float,
    mute: tuple[str, ...] = (),
) -> Verdict:
    """Return the verdict from the platform's ledger.

    Args:
        ledger: what `mayak platform ledger --json --truth ...` printed.
        bytes_per_reading: sealed bytes at the gateway over values.
        kills: how often the agent was killed.
        outage_s: how long the link was cut.
        mute: devices of which no point had a value at the end.
    """
    total, truth = ledger["total"], ledger["truth"]
    return Verdict(
        readings=total["readings"],
        produced=total["produced"],
        stored=total["stored"],
        pending=total["pending"],
        lost=total["lost"] + len(truth["missing"]),
        duplicated=total["duplicated"] + len(truth["doubled"]),
        reordered=total["reordered"],
        late=total["late"],
        forgiven=truth["forgiven"],
        served=truth["served"],
        balances=bool(total["balances"]),
        bytes_per_reading=round(bytes_per_reading, 3),
        kills=kills,
        outage_s=outage_s,
        mute=mute,
    )


def as_table(verdict: Verdict, lang: Lang) -> Table:
    """Return the table a person reads."""
    table = Table(show_header=False)
    values = verdict.as_json()
    for key in ROWS:
        table.add_row(say(lang, key), str(values[key]))
    if verdict.mute:
        table.add_row(say(lang, "mute"), ", ".join(verdict.mute))
    figure = f"{verdict.bytes_per_reading:.2f}"
    table.add_row(say(lang, "bytes"), figure.replace(".", ",") if lang == "ru" else figure)
    return table
