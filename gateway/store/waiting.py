"""Readings that wait in memory for the card, within a bound, and what had to go. Pure.

The oldest go first; the newest word of each point stays whatever its age.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.model.ids import Audience
from gateway.model.reading import PointTable, Reading
from gateway.store.catalogue import Source, audiences_of

READINGS_MOST: Final = 20_000
"""Readings that may wait while the card takes nothing."""
VALUES_MOST: Final = 200_000
"""Values that may: some 10 MB, three minutes of 1,000 a second. Looked at once a second."""
KEPT: Final = 0.75
"""The part of either that is left when room is made: not at each reading anew."""


@dataclass(frozen=True, slots=True)
class Missed:
    """Values of one audience that no batch will ever carry."""

    audience: Audience
    first_ms: int
    """Wall clock."""
    last_ms: int
    count: int

    def joined(self, other: Missed) -> Missed:
        """Return both as one."""
        return Missed(
            self.audience,
            min(self.first_ms, other.first_ms),
            max(self.last_ms, other.last_ms),
            self.count + other.count,
        )


@dataclass(slots=True)
class Losses:
    """What had to go and was not told yet, one entry an audience."""

    _by_audience: dict[Audience, Missed] = field(default_factory=dict)

    def add(self, readings: Iterable[Reading]) -> int:
        """Take note of readings that go; return how many values that is."""
        audiences: dict[PointTable, set[Audience]] = {}
        times: dict[Audience, list[int]] = {}
        counts: Counter[Audience] = Counter()
        for reading in readings:
            table = reading.table
            if table not in audiences:
                audiences[table] = audiences_of([table])
            if len(audiences[table]) == 1:
                told: Mapping[Audience, int] = dict.fromkeys(audiences[table], reading.count)
            else:
                told = counts_of(reading)
            for audience, count in told.items():
                counts[audience] += count
                times.setdefault(audience, []).append(reading.at.wall_ms)
        self.put_back(Missed(a, min(t), max(t), counts[a]) for a, t in times.items())
        return counts.total()

    def take(self) -> list[Missed]:
        """Return all there is, to be told; it is forgotten here."""
        missed = list(self._by_audience.values())
        self._by_audience.clear()
        return missed

    def put_back(self, missed: Iterable[Missed]) -> None:
        """Keep what could not be told."""
        for each in missed:
            before = self._by_audience.get(each.audience)
            self._by_audience[each.audience] = each if before is None else before.joined(each)


def counts_of(reading: Reading) -> Mapping[Audience, int]:
    """Return how many values of a reading each audience would have got."""
    return Counter(
        point.audience
        for place, point in enumerate(reading.table)
        if reading.cells[place] is not None or place in reading.flags
    )


def too_many(readings: Sequence[Reading]) -> bool:
    """Say whether more wait than may."""
    return (
        len(readings) > READINGS_MOST
        or sum(len(reading.cells) for reading in readings) > VALUES_MOST
    )


def thinned(readings: Sequence[Reading]) -> tuple[list[Reading], list[Reading]]:
    """Return what stays and what goes, both in order, so that there is room for more.

    Points that have not moved are left out of a reading, so the newest one does not say all: of the
    old ones those stay that tell the newest of some point.

    Args:
        readings: in order of time.
    """
    told: dict[Source, set[int]] = {}
    kept: list[Reading] = []
    gone: list[Reading] = []
    values = 0
    for reading in reversed(readings):
        source = reading.device, reading.table
        known = told.setdefault(source, set())
        values += len(reading.cells)
        young = len(kept) < KEPT * READINGS_MOST and values <= KEPT * VALUES_MOST
        if _tells_more(reading, known) or young:
            kept.append(reading)
        else:
            gone.append(reading)
    return kept[::-1], gone[::-1]


def _tells_more(reading: Reading, known: set[int]) -> bool:
    """Say whether a reading tells a point that none after it does, and take note of that."""
    if len(known) == len(reading.table):
        return False
    says = {place for place, cell in enumerate(reading.cells) if cell is not None}
    says.update(reading.flags)
    more = not says <= known
    known |= says
    return more
