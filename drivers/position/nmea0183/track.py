"""Which positions of a track are worth telling, and which cannot be. Pure.

Thinning keeps the shape: every position that came lies within the corridor of the line through
those that were told. From the last one told a sector is kept that hits all circles about the
positions since; when a new one falls out of it (or turns back), the one before it is told.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

EARTH_M: Final = 6_371_008.8
SLACK_M: Final = 100.0
"""So far a position may wander without moving."""

T = TypeVar("T")


def offset_m(origin: tuple[float, float], place: tuple[float, float]) -> tuple[float, float]:
    """Return how far east and north `place` lies of `origin`, metres; both latitude, longitude.

    On a plane that touches the earth between them: good to a per mille up to some 100 km.
    """
    middle = math.radians((origin[0] + place[0]) / 2)
    turn = (place[1] - origin[1] + 180) % 360 - 180
    return (
        math.radians(turn) * math.cos(middle) * EARTH_M,
        math.radians(place[0] - origin[0]) * EARTH_M,
    )


def distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return how far two places lie apart, metres, on a sphere."""
    north = math.radians(other[0] - one[0])
    east = math.radians(other[1] - one[1])
    half = (
        math.sin(north / 2) ** 2
        + math.cos(math.radians(one[0]))
        * math.cos(math.radians(other[0]))
        * math.sin(east / 2) ** 2
    )
    return 2 * EARTH_M * math.asin(min(1.0, math.sqrt(half)))


@dataclass(frozen=True, slots=True)
class Passed(Generic[T]):
    """A position, and what is told with it."""

    place: tuple[float, float]
    """Latitude and longitude, degrees."""
    load: T


class Thinning(Generic[T]):
    """The track since the last position that was told."""

    def __init__(self, corridor_m: float) -> None:
        """Take how far the track may leave the line through what is told, metres; 0: not at all."""
        self._corridor_m: Final = corridor_m
        # Sideways and beyond the end count together, so each gets its share.
        self._radius_m: Final = corridor_m / math.sqrt(2)
        self._anchor: Passed[T] | None = None
        self._last: Passed[T]
        self._forget_sector()

    def _forget_sector(self) -> None:
        self._middle: float | None = None
        self._low = self._high = 0.0
        self._farthest_m = 0.0

    def take(self, passed: Passed[T]) -> Passed[T] | None:
        """Take the next position; return the one to tell, if any: this one, or the one before."""
        if self._anchor is None or not self._corridor_m:
            self.told(passed)
            return passed
        if self._fits(self._anchor, passed):
            self._last = passed
            return None
        corner = self._last
        self.told(corner)
        self._fits(corner, passed)
        self._last = passed
        return corner

    def told(self, passed: Passed[T]) -> None:
        """Begin anew at a position that was told."""
        self._anchor = self._last = passed
        self._forget_sector()

    def lost(self) -> None:
        """Forget the track: the position is not known any more."""
        self._anchor = None
        self._forget_sector()

    def _fits(self, anchor: Passed[T], passed: Passed[T]) -> bool:
        """Say whether the line from the anchor to it stays close to all in between.

        The first one after an anchor always does.
        """
        east, north = offset_m(anchor.place, passed.place)
        away_m = math.hypot(east, north)
        if away_m <= self._radius_m:
            fits = self._farthest_m <= self._corridor_m
            self._farthest_m = max(self._farthest_m, away_m)
            return fits
        if away_m < self._farthest_m - self._radius_m:
            return False
        bearing = math.atan2(east, north)
        half = math.asin(self._radius_m / away_m)
        if self._middle is None:
            self._middle, self._low, self._high = bearing, -half, half
        else:
            turn = (bearing - self._middle + math.pi) % (2 * math.pi) - math.pi
            if not self._low <= turn <= self._high:
                return False
            self._low, self._high = max(self._low, turn - half), min(self._high, turn + half)
        self._farthest_m = max(self._farthest_m, away_m)
        return True


class Plausibility:
    """Whether a position can be reached from the last one that was believed."""

    def __init__(self, speed_m_s: float) -> None:
        """Take the speed that nothing here exceeds."""
        self._speed_m_s: Final = speed_m_s
        self._believed: tuple[float, float] | None = None
        self._at_s = 0.0

    def jump_m(self, place: tuple[float, float], now_s: float) -> float:
        """Return by how much a position is out of reach, metres; 0: it is believed.

        Args:
            place: latitude, longitude.
            now_s: monotonic; the time that the receiver tells may be falsified with its place.
        """
        if self._believed is not None:
            reach_m = SLACK_M + self._speed_m_s * (now_s - self._at_s)
            gone_m = distance_m(self._believed, place)
            if gone_m > reach_m:
                return gone_m
        self._believed, self._at_s = place, now_s
        return 0.0
