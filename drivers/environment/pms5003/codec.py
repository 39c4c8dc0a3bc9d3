"""Frames of the PMS5003. Pure.

To the sensor, 7 bytes: 42 4D, command, two bytes of data, sum. From it: 42 4D, length of what
follows, words, sum; 32 bytes for a measurement, 8 for the answer to an order. The sum is that of
all bytes before it, 16 bits: two flipped bits of one weight that cancel are not found.

Source: Plantower, PMS5003 series data manual V2.3 (2016-06-01), appendix I (transport protocol,
active mode: 9600 8N1, data 1 to 13) and II (passive mode: E2, E1, E4).
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple

from gateway.model.errors import FrameError

HEAD: Final = b"\x42\x4d"
MEASUREMENT_LENGTH: Final = 28
"""2 x 13 words and the sum (appendix I)."""
REPLY_LENGTH: Final = 4
MEASUREMENT: Final = 4 + MEASUREMENT_LENGTH
REPLY: Final = 4 + REPLY_LENGTH
VALUES: Final = 12
_PREFIX: Final = 4
_SUM: Final = 2
_WORDS: Final = struct.Struct(f">{VALUES}H")


class Order(IntEnum):
    """What the sensor can be told (appendix II)."""

    MODE = 0xE1
    """Data 0: passive, 1: active."""
    READ = 0xE2
    WORK = 0xE4
    """Data 0: sleep, 1: wake up."""


class Reply(NamedTuple):
    """The answer to an order."""

    order: int
    data: int


def command(order: Order, data: int = 0) -> bytes:
    """Return the frame of an order.

    Args:
        order: what.
        data: 0 or 1.
    """
    body = HEAD + bytes((order, 0, data))
    return body + sum(body).to_bytes(_SUM, "big")


def size(buffer: bytes | bytearray) -> int:
    """Return the length of the frame that begins here; 0: too early to tell.

    Raises:
        FrameError: none begins here.
    """
    if not HEAD.startswith(bytes(buffer[:2])):
        msg = "no frame of a PMS5003"
        raise FrameError(msg, answer=bytes(buffer[:MEASUREMENT]))
    if len(buffer) < _PREFIX:
        return 0
    length = int.from_bytes(buffer[2:4], "big")
    if length not in {MEASUREMENT_LENGTH, REPLY_LENGTH}:
        msg = f"PMS5003: a frame of length {length}"
        raise FrameError(msg, answer=bytes(buffer[:MEASUREMENT]))
    return _PREFIX + length


def check(frame: bytes | bytearray) -> None:
    """Look whether a frame is whole and sound.

    Raises:
        FrameError: it is not.
    """
    if len(frame) < _PREFIX or len(frame) != size(frame):
        msg = "PMS5003: a frame of another length"
        raise FrameError(msg, answer=bytes(frame))
    if sum(frame[:-_SUM]) & 0xFFFF != int.from_bytes(frame[-_SUM:], "big"):
        msg = "PMS5003: wrong sum"
        raise FrameError(msg, answer=bytes(frame))


def find(buffer: bytearray) -> int:
    """Find a frame at the head of what a talking sensor told; see `drivers.media.stream.Find`."""
    start = buffer.find(HEAD[:1])
    if start:
        return -(start if start > 0 else len(buffer))
    try:
        length = size(buffer)
        if not length or len(buffer) < length:
            return 0
        check(buffer[:length])
    except FrameError:
        return -1
    return length


def values(frame: bytes | bytearray) -> tuple[int, ...]:
    """Return data 1 to 12 of a measurement.

    Returns:
        PM1.0, PM2.5, PM10 in ug/m3 for CF=1, the same for the atmosphere, then how many particles
        in 0.1 L are larger than 0.3, 0.5, 1.0, 2.5, 5.0, 10 um.

    Raises:
        FrameError: it is no measurement, or damaged.
    """
    check(frame)
    if len(frame) != MEASUREMENT:
        msg = "PMS5003: no measurement"
        raise FrameError(msg, answer=bytes(frame))
    return _WORDS.unpack_from(frame, _PREFIX)


def reply(frame: bytes | bytearray) -> Reply:
    """Return the answer to an order.

    Raises:
        FrameError: it is none, or damaged.
    """
    check(frame)
    if len(frame) != REPLY:
        msg = "PMS5003: no answer to an order"
        raise FrameError(msg, answer=bytes(frame))
    return Reply(frame[4], frame[5])
