"""The book-keeping of one channel: produced = stored + pending + lost. Pure.

*Produced* is what the newest hello of an incarnation says was ever sealed, and what came of later
sequences. *Stored* is counted from the batches. *Lost* is what gaps tell, and what is missing below
the oldest sequence the gateway still keeps. *Pending* is the rest, still kept at the gateway.

The numbers come from different sides, so the sum is a check and no identity: where nothing is
missing the hello must agree with the batches to the value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

GAP_REASONS: Final = {1: "no_room", 2: "damaged", 3: "refused", 4: "not_needed", 5: "not_stored"}


@dataclass(frozen=True, slots=True)
class Range:
    """Sequences `first` to `last` that stand for `count` values: a batch, or a gap with reason."""

    first: int
    last: int
    count: int
    reason: int = 0


@dataclass(frozen=True, slots=True)
class Statement:
    """What the newest hello says of the channel."""

    oldest: int
    newest: int
    produced: int
    kept: int


@dataclass(frozen=True, slots=True)
class Account:
    """One channel, or the sum of several. Values and events, not batches."""

    produced: int = 0
    stored: int = 0
    pending: int = 0
    lost: int = 0
    lost_by_reason: Mapping[str, int] = field(default_factory=dict)
    missing_batches: int = 0
    """Sequences neither stored nor told as a gap, below the highest known."""
    objections: tuple[str, ...] = ()
    """Why the numbers cannot all be right; empty when they agree."""

    @property
    def balances(self) -> bool:
        """Say whether the sides agree and the sum is right."""
        return not self.objections and self.produced == self.stored + self.pending + self.lost


def total(accounts: Iterable[Account]) -> Account:
    """Return the sum."""
    every = list(accounts)
    reasons: dict[str, int] = {}
    for account in every:
        for reason, count in account.lost_by_reason.items():
            reasons[reason] = reasons.get(reason, 0) + count
    return Account(
        sum(a.produced for a in every),
        sum(a.stored for a in every),
        sum(a.pending for a in every),
        sum(a.lost for a in every),
        reasons,
        sum(a.missing_batches for a in every),
        tuple(objection for a in every for objection in a.objections),
    )


def holes(ranges: Sequence[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """Return the parts of `first` to `last` that no range covers; `ranges` may overlap."""
    found, at = [], first
    for begin, end in sorted(ranges):
        if begin > last:
            break
        if begin > at:
            found.append((at, begin - 1))
        at = max(at, end + 1)
    if at <= last:
        found.append((at, last))
    return found


def _split(ranges: Iterable[Range], at: int) -> tuple[int, int]:
    """Return the counts up to and beyond the sequence `at`; one across it is shared by length."""
    below = above = 0
    for r in ranges:
        if r.last <= at:
            below += r.count
        elif r.first > at:
            above += r.count
        else:
            part = r.count * (at - r.first + 1) // (r.last - r.first + 1)
            below += part
            above += r.count - part
    return below, above


def _untold(gap: Range, batches: Sequence[Range]) -> Range:
    """Return the gap less what came all the same."""
    came = sum(b.count for b in batches if b.first <= gap.last and b.last >= gap.first)
    return Range(gap.first, gap.last, max(gap.count - came, 0), gap.reason)


def settle(
    name: str, batches: Sequence[Range], gaps: Sequence[Range], said: Statement | None
) -> Account:
    """Return the account of one channel.

    Args:
        name: of the channel, for objections.
        batches: what is stored; no two share a sequence.
        gaps: what was told as a gap.
        said: the newest hello, if one came.
    """
    gaps = [_untold(gap, batches) for gap in gaps]
    covered = [(r.first, r.last) for r in (*batches, *gaps)]
    stored = sum(b.count for b in batches)
    told = sum(g.count for g in gaps)
    reasons: dict[str, int] = {}
    for gap in gaps:
        reason = GAP_REASONS.get(gap.reason, f"reason_{gap.reason}")
        reasons[reason] = reasons.get(reason, 0) + gap.count
    highest = max((last for _, last in covered), default=0)
    newest = said.newest if said else 0
    missing = holes(covered, 1, max(highest, newest))
    batches_missing = sum(last - first + 1 for first, last in missing)
    if said is None:
        silent = (f"{name}: no hello, {batches_missing} missing",) if missing else ()
        return Account(stored + told, stored, 0, told, reasons, batches_missing, silent)
    stored_below, stored_above = _split(batches, newest)
    told_below, told_above = _split(gaps, newest)
    rest = said.produced - stored_below - told_below
    astride = [r for r in (*batches, *gaps) if r.first <= newest < r.last]
    if astride and not holes(covered, 1, newest):
        # Shared by length above; as nothing else is open, the hello says where the line runs.
        beyond_least = sum(r.count for r in (*batches, *gaps) if r.first > newest)
        exact = stored + told - said.produced
        if beyond_least <= exact <= beyond_least + sum(r.count for r in astride):
            stored_above, told_above, rest = exact, 0, 0
    pending, unexplained, objections = _rest(name, said, covered, rest)
    if beyond := holes(covered, newest + 1, highest):
        objections = (*objections, f"{name}: {beyond[0][0]} is missing and no hello names it yet")
    if unexplained:
        reasons["unexplained"] = unexplained
    return Account(
        produced=said.produced + stored_above + told_above,
        stored=stored,
        pending=pending,
        lost=told + unexplained,
        lost_by_reason=reasons,
        missing_batches=batches_missing,
        objections=objections,
    )


def _rest(
    name: str, said: Statement, covered: Sequence[tuple[int, int]], rest: int
) -> tuple[int, int, tuple[str, ...]]:
    """Share what the hello says was produced and is neither stored nor told: pending or lost."""
    gone = holes(covered, 1, min(said.oldest - 1, said.newest))
    coming = holes(covered, said.oldest, said.newest)
    if rest < 0:
        return 0, 0, (f"{name}: {-rest} values more than were produced",)
    if not coming:
        if rest and not gone:
            return 0, 0, (f"{name}: {rest} values produced that no sequence stands for",)
        below = (f"{name}: {gone[0][0]} is missing below the oldest",) if gone else ()
        return 0, rest, below
    # What the gateway keeps is stored here too, or pending: no more than that can be pending.
    pending = min(rest, said.kept)
    if gone:
        return pending, rest - pending, (f"{name}: {gone[0][0]} is missing below the oldest",)
    if pending < rest:
        return pending, 0, (f"{name}: {rest - pending} values pending that nobody keeps",)
    return pending, 0, ()
