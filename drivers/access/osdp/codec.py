"""Frames of OSDP in a stream of bytes. Pure.

libosdp speaks the protocol. This stands before its ear: a line with noise, foreign replies or
somebody who talks without end gives it whole frames of the reader that was asked, or silence, so
that it repeats a question instead of giving up a reader. It sees no content of a secure frame.

Source: libosdp documentation, "Packet Structure" (header, control byte, validation); OSDP packet
format as told by Z-bit, kztech.io/Osdp/FormatAlt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

START: Final = 0x53
MARK: Final = 0xFF
REPLY: Final = 0x80
"""Bit of the address byte in what a reader says."""
BROADCAST: Final = 0x7F
CRC: Final = 0x04
"""Bit of the control byte: two bytes of CRC at the end, else one of checksum."""
SECURED: Final = 0x08
"""Bit of the control byte: a security block follows."""
HEADER: Final = 5
SHORTEST: Final = HEADER + 2
LONGEST: Final = 1440
"""What the standard allows; libosdp takes 256."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole frame that was checked."""

    wire: bytes
    """As it came, without a mark before it."""

    @property
    def address(self) -> int:
        """Return whose it is, 0 to 127."""
        return self.wire[1] & ~REPLY

    @property
    def is_reply(self) -> bool:
        """Say whether a reader said it."""
        return bool(self.wire[1] & REPLY)


def crc16(data: bytes) -> int:
    """Return the CRC-16 of OSDP: polynomial 0x1021, begun with 0x1D0F."""
    crc = 0x1D0F
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def is_sound(wire: bytes) -> bool:
    """Say whether a frame of the right length has the right CRC or checksum at its end."""
    if wire[4] & CRC:
        return int.from_bytes(wire[-2:], "little") == crc16(wire[:-2])
    return sum(wire) & 0xFF == 0


class Frames:
    """Takes bytes in pieces of any size and gives the frames in them."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._buffer: Final = bytearray()
        self.dropped = 0
        """Bytes that were no frame."""

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are whole now; what cannot be one is passed over."""
        buffer = self._buffer
        buffer += data
        found: list[Frame] = []
        while True:
            start = buffer.find(START)
            if start < 0:
                self._drop(len(buffer))
                return found
            self._drop(start)
            size = self._size()
            if size == 0 or len(buffer) < size:
                return found
            wire = bytes(buffer[:size])
            if size > 0 and is_sound(wire):
                found.append(Frame(wire))
                del buffer[:size]
            else:
                self._drop(1)  # the next frame may begin inside of what looked like one

    def reset(self) -> None:
        """Forget a frame that has begun: its time is over."""
        self._drop(len(self._buffer))

    def _size(self) -> int:
        """Return the length of the frame that begins here; 0: more is needed; -1: it is none."""
        buffer = self._buffer
        if len(buffer) < HEADER:
            return 0
        size = int.from_bytes(buffer[2:4], "little")
        return size if SHORTEST <= size <= LONGEST else -1

    def _drop(self, count: int) -> None:
        self.dropped += count - self._buffer[:count].count(MARK)
        del self._buffer[:count]
