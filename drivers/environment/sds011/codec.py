"""Frames of the SDS011. Pure.

To the sensor: AA B4, 15 bytes of data of which the last two name the sensor, checksum, AB. From
it: AA, C0 (a measurement) or C5 (anything else), 6 bytes of data of which the last two are its own
name, checksum, AB. The checksum is the low byte of the sum of the data: two flipped bits of one
weight that cancel are not found.

Source: Nova Fitness, Laser Dust Sensor Control Protocol V1.3 (2015-07-20), 1, 3.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple

from gateway.model.errors import FrameError

HEAD: Final = 0xAA
TAIL: Final = 0xAB
COMMAND: Final = 0xB4
MEASUREMENT: Final = 0xC0
REPLY: Final = 0xC5
ANY_SENSOR: Final = 0xFFFF
FRAME: Final = 10
"""Bytes of a frame from the sensor."""
_COMMAND_DATA: Final = 12
_ASKS: Final = 0
_SETS: Final = 1


class Number(IntEnum):
    """What a command is about (V1.3, 3: data byte 1)."""

    REPORTING = 2
    QUERY = 4
    WORK = 6
    FIRMWARE = 7
    PERIOD = 8


class Frame(NamedTuple):
    """What a sensor said."""

    kind: int
    """MEASUREMENT or REPLY."""
    data: bytes
    """Four bytes."""
    sensor: int
    """Who says it: the two bytes of its id in the order of the line."""


def command(number: Number, sensor: int = ANY_SENSOR, value: int | None = None) -> bytes:
    """Return the frame that asks about a number, or sets it to `value`.

    Args:
        number: what it is about.
        sensor: id, 0 to FFFF; FFFF: whichever hears it.
        value: 0 to 255; None: it is only asked.

    Source:
        V1.3, 3, tables "PC sends" of commands 1) to 6).
    """
    says = (number, _ASKS, 0) if value is None else (number, _SETS, value)
    data = bytes(says).ljust(_COMMAND_DATA + 1, b"\0") + sensor.to_bytes(2, "big")
    return bytes((HEAD, COMMAND)) + data + bytes((sum(data) & 0xFF, TAIL))


def unwrap(frame: bytes | bytearray) -> Frame:
    """Return what a frame from a sensor says.

    Raises:
        FrameError: length, head, kind, checksum or tail are not those of such a frame.
    """
    if len(frame) != FRAME or frame[0] != HEAD or frame[1] not in {MEASUREMENT, REPLY}:
        msg = "no frame of an SDS011"
        raise FrameError(msg, answer=bytes(frame))
    if frame[-1] != TAIL or sum(frame[2:8]) & 0xFF != frame[8]:
        msg = "SDS011: wrong checksum"
        raise FrameError(msg, answer=bytes(frame))
    return Frame(frame[1], bytes(frame[2:6]), int.from_bytes(frame[6:8], "big"))


def find(buffer: bytearray) -> int:
    """Find a frame at the head of what a talking sensor told; see `drivers.media.stream.Find`."""
    start = buffer.find(HEAD)
    if start:
        return -(start if start > 0 else len(buffer))
    if len(buffer) > 1 and buffer[1] not in {MEASUREMENT, REPLY}:
        return -1
    if len(buffer) < FRAME:
        return 0
    try:
        unwrap(buffer[:FRAME])
    except FrameError:
        return -1
    return FRAME


def concentrations(data: bytes) -> tuple[float, float]:
    """Return PM2.5 and PM10 in ug/m3, of a resolution of 0.1, from the data of a MEASUREMENT.

    Source:
        V1.3, 3, 2) Query data command: low byte first, tenths.
    """
    return int.from_bytes(data[:2], "little") / 10, int.from_bytes(data[2:4], "little") / 10


def firmware(data: bytes) -> str:
    """Return the date of the firmware, year-month-day, from the reply to FIRMWARE.

    Source:
        V1.3, 3, 6) Check firmware version: three bytes, year, month, day.
    """
    year, month, day = data[1:4]
    return f"{year:02}-{month:02}-{day:02}"
