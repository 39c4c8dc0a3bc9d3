"""How well a device is heard: mean strength and longest silence. Pure."""

from __future__ import annotations

from typing import Final

from gateway.model.ids import PointId
from gateway.model.reading import (
    NO_FLAGS,
    Cause,
    Deadband,
    Flag,
    Kind,
    Point,
    PointTable,
    Quality,
    Sample,
)

RSSI: Final = Point(
    PointId("rssi"), unit="dB[mW]", kind=Kind.NUMBER, low=-127, high=20, deadband=Deadband(3.0)
)
GAP: Final = Point(PointId("gap"), unit="s", kind=Kind.NUMBER, scale=0.1, deadband=Deadband(1.0))
NO_RSSI: Final = 127
"""What a controller tells that does not know the strength."""
_UNKNOWN: Final = {0: Flag(Quality.BAD, Cause.NO_VALUE)}


def signal_table() -> PointTable:
    """Return a table of the two points."""
    return PointTable(RSSI, GAP)


class Signal:
    """Counts what one device sends, and sums it up each `period_s` of the radio's clock."""

    __slots__ = ("_count", "_gap_s", "_last_s", "_period_s", "_since_s", "_sum")

    def __init__(self, period_s: float) -> None:
        """Take how often a sum is wanted, in seconds."""
        self._period_s = period_s
        self._since_s: float | None = None
        self._last_s = 0.0
        self._gap_s = 0.0
        self._sum = 0
        self._count = 0

    @property
    def last_s(self) -> float | None:
        """Return when the device was last heard, None: never."""
        return None if self._since_s is None else self._last_s

    def heard(self, rssi: int, at_s: float) -> Sample | None:
        """Take one advertisement; return strength and longest silence when it is time.

        The first one is told at once, with a silence of 0. A strength that the controller does not
        know counts for nothing; when there is no other, there is no value.
        """
        first = self._since_s is None
        if not first:
            self._gap_s = max(self._gap_s, at_s - self._last_s)
        self._last_s = at_s
        if rssi != NO_RSSI:
            self._sum += rssi
            self._count += 1
        since_s = self._since_s
        if since_s is not None and at_s - since_s < self._period_s:
            return None
        self._since_s = at_s
        mean = round(self._sum / self._count) if self._count else None
        sample = Sample((mean, round(self._gap_s, 1)), _UNKNOWN if mean is None else NO_FLAGS)
        self._sum, self._count, self._gap_s = 0, 0, 0.0
        return sample
