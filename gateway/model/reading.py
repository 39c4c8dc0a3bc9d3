"""What was measured: points, their table, and the readings of one device at one instant.

Names, units and types stand once in the point table and never beside a value: a reading is one
object for one poll,
however many values it carries. That is what lets one core carry 100,000 values a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway.model.clock import Instant
from gateway.model.ids import OPERATIONS, Audience, DeviceId, PointId
from gateway.model.units import is_unit

Value = float | int | bool | str


class Quality(IntEnum):
    """How far a value is to be believed; the number is the wire code."""

    GOOD = 0
    UNCERTAIN = 1
    """There is a value, with a doubt that the cause names."""
    BAD = 2
    """There is no value. Zero is a measurement, BAD is not."""


class Cause(IntEnum):
    """Why a value is not GOOD; the number is the wire code and is never given to another cause."""

    NONE = 0
    NO_RESPONSE = 1
    """The device said nothing in its time, retries used up."""
    FRAME = 2
    """What came was no answer: wrong checksum, wrong unit, short, noise."""
    REJECTED = 3
    """A valid refusal: the device does not offer this point."""
    DEVICE_FAULT = 4
    """The device says that it is broken."""
    LINE_DOWN = 5
    """The port or connection is gone: all devices of the line."""
    NO_VALUE = 6
    """The device answered with its sentinel for "no value"."""
    OUT_OF_RANGE = 7
    """Outside what the point can be: not a number, infinite, beyond its limits."""
    STALE = 8
    """Not asked in time (the line is too busy, the device backs off)."""
    UNKNOWN_STATE = 9
    """A state number that the profile does not name."""
    ESTIMATED = 10
    """The device itself is not sure: it warms up, settles, or reckons without measuring."""
    IMPLAUSIBLE = 11
    """It contradicts what was known before: a jump faster than anything can go."""


class Flag(NamedTuple):
    """The quality of one value that is not simply GOOD."""

    quality: Quality
    cause: Cause


class Kind(StrEnum):
    """What a value is, hence how a batch carries it."""

    NUMBER = "number"
    """`n * scale + offset` for an integer n of 64 bits; -2**63 <= n < 2**63."""
    COUNTER = "counter"
    """As NUMBER for 0 <= n < 2**64: an unsigned 64-bit quantity."""
    FLOAT32 = "float32"
    """An IEEE 754 binary32 as it came."""
    FLOAT64 = "float64"
    BOOL = "bool"
    STATE = "state"
    """A small integer with names; the value is the integer."""
    TEXT = "text"


class Deadband(NamedTuple):
    """How far a value must move before it is told again."""

    absolute: float = 0.0
    """In the unit of the point."""
    percent: float = 0.0
    """Of the last value told."""


@dataclass(frozen=True, slots=True)
class Point:
    """One thing a device can tell.

    `deadband` None tells every value; Deadband() tells each change.
    """

    name: PointId
    unit: str = "1"
    kind: Kind = Kind.FLOAT64
    scale: float = 1.0
    offset: float = 0.0
    states: Mapping[int, str] = field(default_factory=dict)
    audience: Audience = OPERATIONS
    writable: bool = False
    deadband: Deadband | None = None
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no batch could carry.

        Raises:
            ValueError: the unit is unknown or the scale is zero.
        """
        if not is_unit(self.unit):
            msg = f"point {self.name}: {self.unit!r} is not a UCUM code in use here"
            raise ValueError(msg)
        if not self.scale:
            msg = f"point {self.name}: scale is 0"
            raise ValueError(msg)


class PointTable:
    """The points of one poll, in the order of their values. Compares and hashes by identity."""

    __slots__ = ("_index", "points")

    def __init__(self, *points: Point) -> None:
        """Take the points in order.

        Raises:
            ValueError: a name stands twice.
        """
        self.points: Final = points
        self._index: Final = {point.name: place for place, point in enumerate(points)}
        if len(self._index) != len(points):
            names = [point.name for point in points]
            twice = sorted({name for name in names if names.count(name) > 1})
            msg = f"points named twice: {', '.join(twice)}"
            raise ValueError(msg)

    def __len__(self) -> int:
        """Return how many points there are."""
        return len(self.points)

    def __iter__(self) -> Iterator[Point]:
        """Iterate the points in order."""
        return iter(self.points)

    def __contains__(self, name: object) -> bool:
        """Say whether a point of that name is here."""
        return name in self._index

    def index(self, name: PointId) -> int:
        """Return the place of the point, raising KeyError when there is none."""
        return self._index[name]


NO_FLAGS: Final[Mapping[int, Flag]] = MappingProxyType({})

Cells = tuple[Value | None, ...]
"""One cell per point of a table. None is "not told this time", or with a BAD flag "no value"."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a driver hands over from one poll: cells in the order of the table, flags for some.

    A cell that is None must have a BAD flag here; a doubtful one another. Leaving values out is the
    reporter's business, not the driver's.
    """

    cells: Cells
    flags: Mapping[int, Flag] = field(default_factory=lambda: NO_FLAGS)


@dataclass(frozen=True, slots=True)
class Reading:
    """The values of one device at one instant."""

    device: DeviceId
    table: PointTable
    at: Instant
    cells: Cells
    flags: Mapping[int, Flag] = field(default_factory=lambda: NO_FLAGS)

    @property
    def count(self) -> int:
        """Return how many values are told: each cell that has a value or a flag."""
        told = len(self.cells) - self.cells.count(None)
        return told + sum(1 for place in self.flags if self.cells[place] is None)


def all_bad(table: PointTable, cause: Cause) -> Sample:
    """Return a sample in which every point of `table` is BAD for one cause."""
    flag = Flag(Quality.BAD, cause)
    return Sample((None,) * len(table), dict.fromkeys(range(len(table)), flag))
