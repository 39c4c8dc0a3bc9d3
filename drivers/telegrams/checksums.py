"""Checksums of serial protocols: over which bytes, how computed, how written. Pure.

Source: the parametrised model of CRC algorithms (width, polynomial, initial value, reflection,
final exclusive or), with its check value of the text "123456789" in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache, reduce
from operator import xor
from typing import Final, NamedTuple

from gateway.model.errors import FrameError


class Form(StrEnum):
    """How a checksum stands in a telegram."""

    BIG = "big"
    """Binary, most significant byte first."""
    LITTLE = "little"
    HEX = "hex"
    """Digits 0 to 9 and A to F; of what comes small letters are taken as well."""
    HEX_LOW = "hex-low"
    """Digits 0 to 9 and a to f."""
    SIX_BITS = "six-bits"
    """Six bits a character above 0x40, three characters for 16 bits (Vaisala, SDI-12)."""


class Crc(NamedTuple):
    """The parameters of a CRC."""

    width: int
    polynomial: int
    initial: int
    reflected: bool
    final: int


CRCS: Final = {
    "crc8": Crc(8, 0x07, 0x00, reflected=False, final=0x00),
    "crc8-maxim": Crc(8, 0x31, 0x00, reflected=True, final=0x00),
    "crc16-modbus": Crc(16, 0x8005, 0xFFFF, reflected=True, final=0x0000),
    "crc16-arc": Crc(16, 0x8005, 0x0000, reflected=True, final=0x0000),
    "crc16-ccitt": Crc(16, 0x1021, 0xFFFF, reflected=False, final=0x0000),
    "crc16-xmodem": Crc(16, 0x1021, 0x0000, reflected=False, final=0x0000),
    "crc16-x25": Crc(16, 0x1021, 0xFFFF, reflected=True, final=0xFFFF),
    "crc32": Crc(32, 0x04C11DB7, 0xFFFFFFFF, reflected=True, final=0xFFFFFFFF),
}
"""CRCs that have a name; `crc8` may have parameters of its own."""

_SUMS: Final[dict[str, tuple[int, Callable[[bytes], int]]]] = {
    "sum8": (8, lambda part: sum(part) & 0xFF),
    "sum8-inverted": (8, lambda part: ~sum(part) & 0xFF),
    "sum8-negated": (8, lambda part: -sum(part) & 0xFF),
    "xor8": (8, lambda part: reduce(xor, part, 0)),
    "sum16": (16, lambda part: sum(part) & 0xFFFF),
}
KINDS: Final = (*_SUMS, *CRCS)


@dataclass(frozen=True, slots=True)
class Checksum:
    """The checksum of a telegram."""

    kind: str
    form: Form = Form.BIG
    skip: int = 0
    """Bytes at the beginning that it does not cover."""
    mark: bytes = b""
    """What stands between what it covers and itself, as the `*` of NMEA 0183."""
    after: int = 0
    """Bytes behind it: the end of the telegram."""
    crc: Crc | None = None
    """Parameters of its own."""

    @property
    def width(self) -> int:
        """Return its bits."""
        if self.kind in _SUMS:
            return _SUMS[self.kind][0]
        return (self.crc or CRCS[self.kind]).width

    @property
    def size(self) -> int:
        """Return how many bytes it takes in a telegram."""
        match self.form:
            case Form.BIG | Form.LITTLE:
                return self.width // 8
            case Form.HEX | Form.HEX_LOW:
                return self.width // 4
            case Form.SIX_BITS:
                return -(-self.width // 6)

    def over(self, covered: bytes) -> bytes:
        """Return the checksum of these bytes as it is written."""
        if self.kind in _SUMS:
            number = _SUMS[self.kind][1](covered)
        else:
            number = crc(covered, self.crc or CRCS[self.kind])
        match self.form:
            case Form.BIG:
                return number.to_bytes(self.size, "big")
            case Form.LITTLE:
                return number.to_bytes(self.size, "little")
            case Form.HEX:
                return f"{number:0{self.size}X}".encode()
            case Form.HEX_LOW:
                return f"{number:0{self.size}x}".encode()
            case Form.SIX_BITS:
                places = range(6 * (self.size - 1), -1, -6)
                return bytes(0x40 | number >> place & 0x3F for place in places)

    def of_request(self, before: bytes) -> bytes:
        """Return the checksum that stands right behind `before`, the beginning of a request."""
        return self.over(before[self.skip : len(before) - len(self.mark)])

    def body_end(self, size: int) -> int:
        """Return where in a telegram of that size the bytes end that are neither it nor behind it.

        Raises:
            FrameError: it is too short to have a checksum.
        """
        end = size - self.after - self.size - len(self.mark)
        if end < self.skip:
            msg = "too short for its checksum"
            raise FrameError(msg)
        return end

    def check(self, telegram: bytes) -> None:
        """Look whether it is right.

        Raises:
            FrameError: it is wrong, or the telegram is too short.
        """
        end = self.body_end(len(telegram))
        start = end + len(self.mark)
        if telegram[end:start] != self.mark:
            msg = f"{self.mark.hex(' ')} does not stand before its checksum"
            raise FrameError(msg, answer=telegram)
        found = telegram[start : start + self.size]
        wanted = self.over(telegram[self.skip : end])
        if (found.upper() if self.form in {Form.HEX, Form.HEX_LOW} else found) != (
            wanted.upper() if self.form in {Form.HEX, Form.HEX_LOW} else wanted
        ):
            msg = f"wrong checksum: {found.hex(' ')} where {wanted.hex(' ')} is right"
            raise FrameError(msg, answer=telegram)


def crc(part: bytes, parameters: Crc) -> int:
    """Return the CRC of some bytes."""
    table = _table(parameters)
    width = parameters.width
    mask = (1 << width) - 1
    number = parameters.initial
    if parameters.reflected:
        number = _mirrored(number, width)
        for byte in part:
            number = number >> 8 ^ table[(number ^ byte) & 0xFF]
    else:
        for byte in part:
            number = (number << 8 & mask) ^ table[(number >> width - 8 ^ byte) & 0xFF]
    return number ^ parameters.final


@lru_cache(maxsize=32)
def _table(parameters: Crc) -> tuple[int, ...]:
    width, polynomial = parameters.width, parameters.polynomial
    top, mask = 1 << width - 1, (1 << width) - 1
    rows = []
    for byte in range(256):
        if parameters.reflected:
            number = byte
            for _ in range(8):
                number = number >> 1 ^ (_mirrored(polynomial, width) if number & 1 else 0)
        else:
            number = byte << width - 8
            for _ in range(8):
                number = (number << 1 ^ (polynomial if number & top else 0)) & mask
        rows.append(number)
    return tuple(rows)


def _mirrored(number: int, width: int) -> int:
    return int(f"{number:0{width}b}"[::-1], 2)
