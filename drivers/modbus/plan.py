"""Which registers to read together. Pure.

Points that stand close together are read with one request. A device may refuse such a read because
of a hole in it; then it is split, and what was learned is kept as *seams*: pairs of registers that
may not stand in one read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

from drivers.modbus.fields import MAX_BITS, MAX_REGISTERS, Span, Table

GAP_BITS: Final = 16
"""Where `max_gap` registers may be read for nothing, so many times as many bits may."""


class Seam(NamedTuple):
    """The device refuses every read that contains both of these registers."""

    table: Table
    left: int
    right: int

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{self.table} {self.left} | {self.right}"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one read may be."""

    max_registers: int = MAX_REGISTERS
    max_bits: int = MAX_BITS
    max_gap: int = 8
    """Registers that nobody wants, read along to save a request."""
    never: frozenset[Span] = frozenset()
    """Not to be touched, because the device does something when they are read, or falls silent."""


class Read(NamedTuple):
    """One request: what to read, and which wanted spans lie in it, in rising order."""

    span: Span
    parts: tuple[Span, ...]


@dataclass(slots=True)
class Lore:
    """What was learned about one device by asking it."""

    seams: set[Seam] = field(default_factory=set)
    refused: dict[Span, int] = field(default_factory=dict)
    """Spans that the device refuses even alone, with its code."""

    def dump(self) -> dict[str, list[list[str | int]]]:
        """Return the seams as plain JSON values. Refusals are not kept: a restart asks again."""
        return {"seams": [[str(seam.table), seam.left, seam.right] for seam in sorted(self.seams)]}

    def load(self, memory: object, spans: Collection[Span]) -> None:
        """Take what `dump` gave, but for what has another form or lies at no edge of `spans`."""
        kept = memory.get("seams") if isinstance(memory, Mapping) else None
        lasts = {(str(span.table), span.end - 1) for span in spans}
        firsts = {(str(span.table), span.address) for span in spans}
        for item in kept if isinstance(kept, list) else ():
            match item:
                case [str(table), int(left), int(right)] if (table, left) in lasts and (
                    table,
                    right,
                ) in firsts:
                    self.seams.add(Seam(Table(table), left, right))
                case _:
                    continue


def plan(wanted: Iterable[Span], limits: Limits, lore: Lore) -> tuple[Read, ...]:
    """Return the reads, in rising order, that bring all wanted spans: as few as the rules allow.

    Args:
        wanted: spans of which no two overlap, unless they are the same.
        limits: what one read may be. A single span is read even where it is longer than that.
        lore: spans known to be refused are left out, and no read goes over them or over a seam.
    """
    spans = sorted({span for span in wanted if span not in lore.refused})
    closed = [*limits.never, *lore.refused]
    reads: list[Read] = []
    for _, in_table in groupby(spans, key=attrgetter("table")):
        parts: list[Span] = []
        for span in in_table:
            if parts and not _may_stand_together((*parts, span), limits, lore.seams, closed):
                reads.append(read_of(*parts))
                parts = []
            parts.append(span)
        reads.append(read_of(*parts))
    return tuple(reads)


def _may_stand_together(
    parts: tuple[Span, ...], limits: Limits, seams: Iterable[Seam], closed: Iterable[Span]
) -> bool:
    """Say whether these parts may be one read, given that all but the last may."""
    whole = read_of(*parts).span
    gap = parts[-1].address - parts[-2].end
    longest, widest = (
        (limits.max_bits, limits.max_gap * GAP_BITS)
        if whole.table.bits
        else (limits.max_registers, limits.max_gap)
    )
    return (
        whole.length <= longest
        and gap <= widest
        and not any(
            whole.table is table and whole.address <= left < right < whole.end
            for table, left, right in seams
        )
        and not any(overlap(whole, span) for span in closed)
    )


def overlap(one: Span, other: Span) -> bool:
    """Say whether two spans share a register."""
    return one.table is other.table and one.address < other.end and other.address < one.end


def read_of(*parts: Span) -> Read:
    """Return the read that brings these spans of one table, given in rising order."""
    first, last = parts[0], parts[-1]
    return Read(Span(first.table, first.address, last.end - first.address), parts)


def split(read: Read) -> tuple[Read, Read] | None:
    """Return a refused read in two, or None when it brings one span only.

    The cut goes through a gap when there is one (the middle one of several), since what lies in a
    gap is what devices mostly refuse; else through the middle.
    """
    parts = read.parts
    cuts = range(1, len(parts))
    candidates = [cut for cut in cuts if parts[cut].address > parts[cut - 1].end] or list(cuts)
    if not candidates:
        return None
    cut = candidates[len(candidates) // 2]
    return read_of(*parts[:cut]), read_of(*parts[cut:])


def seam_between(left: Read, right: Read) -> Seam:
    """Return what is learned when a read was refused whole and accepted in these two halves."""
    return Seam(left.span.table, left.span.end - 1, right.span.address)
