"""Rollups: of each point and quarter of an hour what stands in when raw readings had to go.

Nothing is done per value but in C loops: rows of a source are heaped up and folded by columns.
A rollup is an ordinary reading of a derived table, so it is packed and read like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from gateway.model.clock import Instant
from gateway.model.ids import PointId
from gateway.model.reading import Cells, Kind, Point, PointTable, Reading, Value
from gateway.store.catalogue import Source

QUARTER_MS: Final = 900_000
FOLD_AT: Final = 32
"""Rows of one source that are heaped up before they are folded."""
DRIFT_MOST_MS: Final = 20
"""Between two runs; more means that the wall clock was set."""
_FINER: Final = 16
"""A mean is told in steps of the point's own resolution divided by this."""

_MEASURED: Final = frozenset({Kind.NUMBER, Kind.COUNTER, Kind.FLOAT32, Kind.FLOAT64, Kind.BOOL})
"""Kinds that have a least, a greatest and a mean; of the others the last is told."""


def table_of(table: PointTable) -> PointTable:
    """Return the table of a source's rollups.

    Each point becomes `NAME.min`, `NAME.max`, `NAME.mean`, `NAME.last` and `NAME.count`; a state or
    a text only the last two.
    """
    return PointTable(*(derived for point in table for derived in _derived(point)))


def _derived(point: Point) -> list[Point]:
    def named(what: str, of: Point = point, **changes: Any) -> Point:  # Any: fields of a point
        return replace(of, name=PointId(f"{point.name}.{what}"), deadband=None, **changes)

    count = named("count", unit="{count}", kind=Kind.COUNTER, scale=1.0, offset=0.0, states={})
    if point.kind not in _MEASURED:
        return [named("last"), count]
    match point.kind:
        case Kind.NUMBER:
            mean = named("mean", scale=point.scale / _FINER)
        case Kind.FLOAT32 | Kind.BOOL:
            mean = named("mean", kind=Kind.FLOAT32, scale=1.0, offset=0.0, states={})
        case _:
            mean = named("mean", kind=Kind.FLOAT64, scale=1.0, offset=0.0)
    return [named("min"), named("max"), mean, named("last"), count]


@dataclass(slots=True)
class _Pile:
    """One source within one quarter."""

    since: Instant
    table: PointTable
    rows: list[Cells] = field(default_factory=list)
    folded: dict[int, tuple[Any, Any, Any, Any, int]] = field(default_factory=dict)
    """By place: least, greatest, sum, last, count."""  # Any: of the kind of the point

    def fold(self) -> None:
        if not self.rows:  # all was folded already
            return
        for place, (point, column) in enumerate(
            zip(self.table, zip(*self.rows, strict=True), strict=True)
        ):
            gone = column.count(None)
            if gone == len(column):
                continue
            present = [value for value in column if value is not None] if gone else column
            before = self.folded.get(place)
            try:
                self.folded[place] = _folded(point, present, before)
            except (TypeError, OverflowError):  # what no batch can carry has no mean either
                continue
        self.rows.clear()

    def cells(self) -> Cells:
        cells: list[Value | None] = []
        for place, point in enumerate(self.table):
            least, greatest, total, last, count = self.folded.get(place, (None,) * 4 + (0,))
            if point.kind not in _MEASURED:
                cells += [last, count or None]
            elif count:
                cells += [least, greatest, total / count, last, count]
            else:
                cells += [None] * 5
        return tuple(cells)


def _folded(
    point: Point,
    present: Sequence[Any],  # Any: of the kind of the point
    before: tuple[Any, Any, Any, Any, int] | None,
) -> tuple[Any, Any, Any, Any, int]:
    last, count = present[-1], len(present)
    if point.kind not in _MEASURED:
        return None, None, None, last, count + (before[4] if before else 0)
    least, greatest, total = min(present), max(present), sum(present)
    if before is None:
        return least, greatest, total, last, count
    return (
        min(least, before[0]),
        max(greatest, before[1]),
        total + before[2],
        last,
        count + before[4],
    )


@dataclass(slots=True)
class Rollups:
    """All sources within the quarter under way."""

    _piles: dict[Source, _Pile] = field(default_factory=dict)
    _tables: dict[PointTable, PointTable] = field(default_factory=dict)
    _quarter: int | None = None
    _offset_ms: int = 0

    def take(self, run: Sequence[Reading], ended: Callable[[list[Reading]], None]) -> None:
        """Take readings that were committed; hand over what a quarter came to when it has ended.

        Args:
            run: in order of time, under one setting of the wall clock.
            ended: gets one reading of each source, at the moment of its first one.
        """
        first = run[0].at
        offset_ms = first.wall_ms - first.mono_ms
        if abs(offset_ms - self._offset_ms) > DRIFT_MOST_MS:
            self._end(ended)
        self._offset_ms = offset_ms
        for reading in run:
            quarter = reading.at.wall_ms // QUARTER_MS
            if quarter != self._quarter:
                self._end(ended)
                self._quarter = quarter
            source = reading.device, reading.table
            pile = self._piles.get(source)
            if pile is None:
                pile = self._piles[source] = _Pile(reading.at, reading.table)
            pile.rows.append(reading.cells)
            if len(pile.rows) >= FOLD_AT:
                pile.fold()

    def table(self, table: PointTable) -> PointTable:
        """Return the table of rollups of a source's table, always the same one."""
        if table not in self._tables:
            self._tables[table] = table_of(table)
        return self._tables[table]

    def _end(self, ended: Callable[[list[Reading]], None]) -> None:
        rollups = []
        for (device, table), pile in self._piles.items():
            pile.fold()
            rollups.append(Reading(device, self.table(table), pile.since, pile.cells()))
        self._piles.clear()
        if rollups:
            ended(rollups)
