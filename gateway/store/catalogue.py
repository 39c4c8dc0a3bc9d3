"""What batches carry only by number: the shapes of tables and the devices that have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

from gateway.model.ids import Audience, DeviceId
from gateway.model.reading import Cells, Kind, Point, PointTable

KIND_CODES: Final = {
    Kind.NUMBER: 0,
    Kind.COUNTER: 1,
    Kind.FLOAT32: 2,
    Kind.FLOAT64: 3,
    Kind.BOOL: 4,
    Kind.STATE: 5,
    Kind.TEXT: 6,
}

INTEGER_KINDS: Final = frozenset({Kind.NUMBER, Kind.COUNTER, Kind.BOOL, Kind.STATE})
"""Kinds whose cells are carried as integers."""

Source = tuple[DeviceId, PointTable]

References = Mapping[int, Sequence[int]]
"""By number of the source: for each point of its shape the integer that differences start from."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The points that rows of one kind have, in order."""

    number: int
    points: tuple[Point, ...]
    plain: bool
    """All cells are integers as they stand."""
    counts: bool
    """A point is a counter: never below 0."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where the readings of one source go in the batches of one audience."""

    number: int
    shape: Shape
    columns: tuple[int, ...] | None
    """Which cells of the reading belong to this audience; None means all."""
    pick: Callable[[Cells], Cells] = field(default=tuple)


@dataclass(slots=True)
class Catalogue:
    """The shapes and sources of one audience. Grows; an epoch freezes what it has sent."""

    audience: Audience
    shapes: list[Shape] = field(default_factory=list)
    sources: list[tuple[DeviceId, Shape]] = field(default_factory=list)
    _by_points: dict[tuple[object, ...], Shape] = field(default_factory=dict)
    _by_source: dict[Source, Placed | None] = field(default_factory=dict)

    def place(self, device: DeviceId, table: PointTable) -> Placed | None:
        """Return where the source stands, adding a new one; None when no point is ours."""
        key = (device, table)
        if key not in self._by_source:
            self._by_source[key] = self._add(device, table)
        return self._by_source[key]

    def packed(self, references: References) -> dict[int, Any]:  # Any: mixed CBOR values
        """Return the catalogue as the wire reference has it (§2), ready for CBOR.

        Args:
            references: where the differences of the epoch's batches start.
        """
        return {
            1: [[_point(point) for point in shape.points] for shape in self.shapes],
            2: [[device, shape.number] for device, shape in self.sources],
            3: [references.get(number) for number in range(len(self.sources))],
        }

    def _add(self, device: DeviceId, table: PointTable) -> Placed | None:
        ours = tuple(i for i, point in enumerate(table) if point.audience == self.audience)
        if not ours:
            return None
        shape = self._shape(tuple(table.points[i] for i in ours))
        number = len(self.sources)
        self.sources.append((device, shape))
        if len(ours) == len(table):
            return Placed(number, shape, None)
        return Placed(number, shape, ours, _picker(ours))

    def _shape(self, points: tuple[Point, ...]) -> Shape:
        key = tuple(_key(point) for point in points)
        if key not in self._by_points:
            plain = all(p.kind in INTEGER_KINDS and p.scale == 1 and not p.offset for p in points)
            counts = any(point.kind is Kind.COUNTER for point in points)
            self._by_points[key] = Shape(len(self.shapes), points, plain, counts)
            self.shapes.append(self._by_points[key])
        return self._by_points[key]


def audiences_of(tables: Iterable[PointTable]) -> set[Audience]:
    """Return every audience that a point of the tables belongs to."""
    return {point.audience for table in tables for point in table}


def _point(point: Point) -> list[Any]:  # Any: mixed CBOR values
    return [
        point.name,
        point.unit,
        KIND_CODES[point.kind],
        point.scale,
        point.offset,
        dict(point.states) or None,
    ]


def _key(point: Point) -> tuple[object, ...]:
    names = tuple(sorted(point.states.items()))
    return (point.name, point.unit, point.kind, point.scale, point.offset, names)


def _picker(columns: tuple[int, ...]) -> Callable[[Cells], Cells]:
    if len(columns) == 1:
        only = columns[0]
        return lambda cells: (cells[only],)
    return itemgetter(*columns)
