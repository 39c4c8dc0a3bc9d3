"""Modbus RTU frames: address, PDU, CRC; told apart by silence.

Source: MODBUS over Serial Line Specification and Implementation Guide V1.02, 2.5.1 (RTU mode),
6.2.2 (CRC generation), 2.2 (addressing: 0 is broadcast, 1 to 247 are devices).
"""

from __future__ import annotations

from typing import Final, NamedTuple

MAX_FRAME: Final = 256
MIN_FRAME: Final = 4
"""Address, function code, CRC."""
BROADCAST: Final = 0
SILENT_CHARS: Final = 3.5
FAST_BAUD: Final = 19200
"""Above it the silence is a fixed time (V1.02, 2.5.1.1)."""
FAST_SILENCE_S: Final = 0.00175
CRC_LEN: Final = 2


def _table() -> tuple[int, ...]:
    rows = []
    for value in range(256):
        rest = value
        for _bit in range(8):
            rest = rest >> 1 ^ 0xA001 if rest & 1 else rest >> 1
        rows.append(rest)
    return tuple(rows)


_CRC: Final = _table()


class Frame(NamedTuple):
    """What a frame says to whom."""

    unit: int
    pdu: bytes


def crc16(data: bytes) -> int:
    """Return the CRC-16 of `data`: polynomial A001 (reflected 8005), start FFFF (V1.02, 6.2.2)."""
    rest = 0xFFFF
    for value in data:
        rest = rest >> 8 ^ _CRC[(rest ^ value) & 0xFF]
    return rest


def wrap(unit: int, pdu: bytes) -> bytes:
    """Return the frame: the low byte of the CRC goes first."""
    body = bytes((unit,)) + pdu
    return body + crc16(body).to_bytes(CRC_LEN, "little")


def unwrap(frame: bytes) -> Frame | None:
    """Return what a frame says, or None when it is none: too short, too long, wrong CRC."""
    if not MIN_FRAME <= len(frame) <= MAX_FRAME:
        return None
    body, crc = frame[:-CRC_LEN], frame[-CRC_LEN:]
    if crc16(body) != int.from_bytes(crc, "little"):
        return None
    return Frame(body[0], body[1:])


def silence_s(baud_rate: int, byte_s: float) -> float:
    """Return how long a line must be quiet for a frame to be over, in seconds (V1.02, 2.5.1.1)."""
    return FAST_SILENCE_S if baud_rate > FAST_BAUD else SILENT_CHARS * byte_s
