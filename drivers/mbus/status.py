"""The status byte of a meter: what it says of itself. Pure.

Source: EN 13757-7:2018, 7.5.6 (formerly EN 13757-3), as cited in exmbus; "The M-Bus: A
Documentation", Rev. 4.8, 6.3.2.
"""

from __future__ import annotations

from typing import Final

from drivers.mbus.telegram import Header
from gateway.model.ids import PointId
from gateway.model.reading import Cause, Deadband, Flag, Kind, Point, Quality, Value

_POWER_LOW: Final = 0x04
_PERMANENT: Final = 0x08
_TEMPORARY: Final = 0x10
_MAKER_SHIFT: Final = 5
_APPLICATION: Final = 0x03
_APPLICATION_ERROR: Final = 2
APPLICATION_STATES: Final = {0: "none", 1: "busy", 2: "error", 3: "alarm"}

_EACH_CHANGE: Final = Deadband()
POINTS: Final = (
    Point(PointId("power_low"), kind=Kind.BOOL, deadband=_EACH_CHANGE),
    Point(PointId("permanent_error"), kind=Kind.BOOL, deadband=_EACH_CHANGE),
    Point(PointId("temporary_error"), kind=Kind.BOOL, deadband=_EACH_CHANGE),
    Point(
        PointId("application"), kind=Kind.STATE, states=APPLICATION_STATES, deadband=_EACH_CHANGE
    ),
    Point(PointId("maker_status"), kind=Kind.NUMBER, low=0, high=7, deadband=_EACH_CHANGE),
)
"""What every meter tells beside its records."""

DOUBTED: Final = Flag(Quality.UNCERTAIN, Cause.DEVICE_FAULT)


def cells(header: Header) -> tuple[Value | None, ...]:
    """Return the values of POINTS; none where the structure of the telegram names no errors."""
    if not header.errors:
        return (None,) * len(POINTS)
    status = header.status
    return (
        bool(status & _POWER_LOW),
        bool(status & _PERMANENT),
        bool(status & _TEMPORARY),
        status & _APPLICATION,
        status >> _MAKER_SHIFT,
    )


def in_doubt(header: Header) -> bool:
    """Say whether the meter calls itself broken, now or for good: its values are not to be billed.

    A low battery doubts nothing that was counted, nor does an alarm (a leak, a broken seal).
    """
    if not header.errors:
        return False
    broken = header.status & (_PERMANENT | _TEMPORARY)
    return bool(broken) or header.status & _APPLICATION == _APPLICATION_ERROR
