"""Frames of the MH-Z19B and MH-Z19C. Pure.

To the sensor: FF 01, command, five bytes, checksum. From it: FF, command, six bytes, checksum. The
checksum is 100 - (the sum of all bytes but the first and itself), its low byte: two flipped bits of
one weight that cancel are not found.

Source: Winsen, MH-Z19B user's manual, chapter "Software setting" with its examples.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from gateway.model.errors import FrameError

START: Final = 0xFF
SENSOR: Final = 0x01
FRAME: Final = 9
SELF_CALIBRATION_ON: Final = 0xA0


class Command(IntEnum):
    """What the sensor can be told; only READ has a documented answer."""

    SELF_CALIBRATION = 0x79
    READ = 0x86
    ZERO = 0x87


def checksum(body: bytes | bytearray) -> int:
    """Return the checksum of the seven bytes after the first."""
    return -sum(body) & 0xFF


def command(number: Command, value: int = 0) -> bytes:
    """Return the frame of a command.

    Args:
        number: what.
        value: byte 3; A0 switches the self-calibration on, 0 off.
    """
    body = bytes((SENSOR, number, value, 0, 0, 0, 0))
    return bytes((START,)) + body + bytes((checksum(body),))


def unwrap(frame: bytes | bytearray) -> tuple[int, bytes]:
    """Return the command that a frame answers, and its six bytes.

    Raises:
        FrameError: length, start or checksum are not those of an answer.
    """
    if len(frame) != FRAME or frame[0] != START:
        msg = "no frame of an MH-Z19"
        raise FrameError(msg, answer=bytes(frame))
    if checksum(frame[1:8]) != frame[8]:
        msg = "MH-Z19: wrong checksum"
        raise FrameError(msg, answer=bytes(frame))
    return frame[1], bytes(frame[2:8])


def concentration(data: bytes) -> int:
    """Return the carbon dioxide in ppm from the answer to READ: high byte, low byte."""
    return int.from_bytes(data[:2], "big")
