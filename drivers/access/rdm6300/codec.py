"""Frames of an RDM6300: STX, ten hex digits of the number, two of the checksum, ETX. Pure.

Source: Seeed Studio, 125Khz RFID module - UART (RDM6300), "TTL Interface RS232 Data Format": 9600
bit/s, 8N1; the checksum is the exclusive or of the five bytes of the number.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

STX: Final = 0x02
ETX: Final = 0x03
NUMBER_BYTES: Final = 5
_DIGITS: Final = 2 * NUMBER_BYTES + 2
_HEX: Final = frozenset(b"0123456789ABCDEF")
"""Capitals only: a flipped bit between `a` and `A` would go through the checksum unseen."""


class Torn(StrEnum):
    """What came that is no frame: said without a byte of it, since it may be most of a number."""

    STRAY = "characters outside of a frame"
    BROKEN_OFF = "a frame broke off"
    NO_DIGIT = "a character that is no hex digit inside a frame"
    NO_END = "a frame does not end where it should"
    CHECKSUM = "a frame with a wrong checksum"


class Frames:
    """Takes bytes in pieces of any size and gives what they mean.

    A run of characters outside of frames is told once.
    """

    def __init__(self) -> None:
        """Begin outside of a frame."""
        self._digits: Final = bytearray()
        self._inside = False
        self._stray = False

    def feed(self, data: bytes) -> list[bytes | Torn]:
        """Return the numbers (five bytes, as told) and what was torn, in their order."""
        found: list[bytes | Torn] = []
        for byte in data:
            if self._inside:
                self._take(byte, found)
            elif byte == STX:
                self._begin()
            elif not self._stray:
                self._stray = True
                found.append(Torn.STRAY)
        return found

    def reset(self) -> None:
        """Forget a frame that has begun."""
        self._digits.clear()
        self._inside = False
        self._stray = False

    def _begin(self) -> None:
        self._digits.clear()
        self._inside = True
        self._stray = False

    def _take(self, byte: int, found: list[bytes | Torn]) -> None:
        digits = self._digits
        if byte == STX:
            found.append(Torn.BROKEN_OFF)
            self._begin()
        elif len(digits) < _DIGITS:
            if byte in _HEX:
                digits.append(byte)
            else:
                self._refuse(Torn.BROKEN_OFF if byte == ETX else Torn.NO_DIGIT, byte, found)
        elif byte == ETX:
            found.append(_checked(bytes(digits)))
            self.reset()
        else:
            self._refuse(Torn.NO_END, byte, found)

    def _refuse(self, torn: Torn, byte: int, found: list[bytes | Torn]) -> None:
        found.append(torn)
        self.reset()
        self._stray = byte != ETX  # what follows belongs to the same mishap


def _checked(digits: bytes) -> bytes | Torn:
    content = bytes.fromhex(digits.decode("ascii"))
    number, checksum = content[:NUMBER_BYTES], content[NUMBER_BYTES]
    for byte in number:
        checksum ^= byte
    return number if checksum == 0 else Torn.CHECKSUM


def encode(number: bytes) -> bytes:
    """Return the frame of a number of five bytes.

    Raises:
        ValueError: it has another length.
    """
    if len(number) != NUMBER_BYTES:
        msg = f"an EM4100 number has {NUMBER_BYTES} bytes"
        raise ValueError(msg)
    checksum = 0
    for byte in number:
        checksum ^= byte
    return bytes((STX, *(number + bytes((checksum,))).hex().upper().encode("ascii"), ETX))
