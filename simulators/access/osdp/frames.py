"""OSDP frames as a reader sees them. Pure; shares nothing with any driver.

Source: libosdp documentation, "Packet Structure"; kztech.io/Osdp/FormatAlt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

START: Final = 0x53
USES_CRC: Final = 4
HAS_BLOCK: Final = 8
BROADCAST: Final = 0x7F
LONGEST: Final = 512


@dataclass(frozen=True, slots=True)
class Command:
    """What the panel said."""

    address: int
    sequence: int
    crc: bool
    block: bytes
    """The security block without its length byte: its type, and data; empty: none."""
    code: int
    body: bytes
    """After the code; with a MAC it is followed by four bytes of it, taken off into `mac`."""
    mac: bytes
    signed: bytes
    """What the MAC is about: from START to the end of the body."""
    wire: bytes


def checksum(data: bytes) -> int:
    """Return the byte that makes the sum zero."""
    return -sum(data) & 0xFF


def _table() -> tuple[int, ...]:
    rows = []
    for index in range(256):
        value = index << 8
        for _ in range(8):
            value = value << 1
            if value & 0x10000:
                value ^= 0x11021
        rows.append(value)
    return tuple(rows)


_CRC: Final = _table()


def crc(data: bytes) -> int:
    """Return the CRC over a frame, by table."""
    value = 0x1D0F
    for byte in data:
        value = (value << 8 & 0xFFFF) ^ _CRC[value >> 8 ^ byte]
    return value


def sealed(frame: bytes, *, with_crc: bool) -> bytes:
    """Return a frame with its check at the end."""
    if with_crc:
        return frame + crc(frame).to_bytes(2, "little")
    return frame + bytes((checksum(frame),))


def next_command(heard: bytearray) -> Command | None:
    """Take the next sound command, to whomever, out of what was heard; None: there is none yet."""
    while len(heard) >= 5:  # noqa: PLR2004 - the header
        size = heard[2] | heard[3] << 8
        if heard[0] != START or not 7 <= size <= LONGEST:  # noqa: PLR2004 - the shortest frame
            del heard[0]
            continue
        if len(heard) < size:
            return None
        command = read(bytes(heard[:size]))
        if command is None:
            del heard[0]
            continue
        del heard[:size]
        if not command.address & 0x80:
            return command
    return None


def read(frame: bytes) -> Command | None:
    """Return what stands in a frame, or None when its check or its lengths are wrong."""
    control = frame[4]
    with_crc = bool(control & USES_CRC)
    body = frame[: -2 if with_crc else -1]
    if sealed(body, with_crc=with_crc) != frame:
        return None
    at = 5
    block = b""
    if control & HAS_BLOCK:
        length = body[at] if len(body) > at else 0
        block = body[at + 1 : at + length]
        at += length
        if not block:
            return None
    mac = b""
    if block and block[0] >= 0x15:  # noqa: PLR2004 - SCS_15 and up carry a MAC
        body, mac = body[:-4], body[-4:]
    if len(body) <= at:
        return None
    return Command(
        body[1], control & 3, with_crc, block, body[at], body[at + 1 :], mac, body, frame
    )
