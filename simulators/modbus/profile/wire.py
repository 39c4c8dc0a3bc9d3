"""How a value lies in registers, as a twin writes it. Pure; the driver reads with code of its own.

Source: MODBUS Application Protocol Specification V1.1b3, 4.2 (registers are big-endian); the byte
orders as `drivers/modbus/README.md` names them.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Final

WORDS: Final = {
    "bool": 1,
    "u16": 1,
    "i16": 1,
    "bcd16": 1,
    "u32": 2,
    "i32": 2,
    "float32": 2,
    "bcd32": 2,
    "u64": 4,
    "i64": 4,
    "float64": 4,
}
"""Registers of each type; a text says its own length."""
ORDERS: Final = ("ABCD", "CDAB", "BADC", "DCBA")
_FLOATS: Final = {"float32": ">f", "float64": ">d"}


@dataclass(frozen=True, slots=True)
class Form:
    """How a value lies in its registers."""

    kind: str
    order: str
    mask: int | None
    shift: int
    words: int
    encoding: str

    def __post_init__(self) -> None:
        """Refuse what no registers can be.

        Raises:
            ValueError: order or encoding are unknown, or the mask is not inside the registers.
        """
        if self.order not in ORDERS or self.encoding not in {"ascii", "utf-8"}:
            msg = f"order {self.order}, encoding {self.encoding}"
            raise ValueError(msg)
        if self.mask is not None and not (
            0 < self.mask < 1 << 16 * self.words and 0 <= self.shift < self.mask.bit_length()
        ):
            msg = f"mask {self.mask:#x}, shift {self.shift}"
            raise ValueError(msg)

    @property
    def width(self) -> int:
        """Return how many bits the raw value has."""
        if self.mask is None:
            return 1 if self.kind == "bool" else 16 * self.words
        return max(1, (self.mask >> self.shift).bit_length())


def bits_of(mask: int) -> range:
    """Return the bits from the lowest to behind the highest that is set in the mask."""
    return range((mask & -mask).bit_length() - 1, mask.bit_length())


def pattern_of(form: Form, number: float) -> int | None:
    """Return the raw value, unsigned, that stands for a number; None when it does not fit.

    Args:
        form: no text.
        number: without scale and offset; rounded where the registers hold whole numbers.
    """
    if form.kind in _FLOATS:
        try:
            return int.from_bytes(struct.pack(_FLOATS[form.kind], number), "big")
        except OverflowError:
            return None
    if not math.isfinite(number):
        return None
    whole = round(number)
    if form.kind.startswith("bcd"):
        fits = 0 <= whole < 10 ** (4 * form.words)
        return int(str(whole), 16) if fits else None
    size = 1 << form.width
    signed = form.kind.startswith("i")
    lowest, end = (-(size // 2), size // 2) if signed else (0, size)
    return whole % size if lowest <= whole < end else None


def number_of(form: Form, pattern: int) -> float | None:
    """Return the number that a raw value stands for; None when it is none."""
    if form.kind in _FLOATS:
        packed = pattern.to_bytes(2 * form.words, "big")
        number: float = struct.unpack(_FLOATS[form.kind], packed)[0]
        return number if math.isfinite(number) else None
    if form.kind.startswith("bcd"):
        digits = f"{pattern:x}"
        return int(digits) if digits.isdecimal() else None
    if form.kind.startswith("i") and pattern >> (form.width - 1):
        return pattern - (1 << form.width)
    return pattern


def text_of(form: Form, text: str) -> bytes:
    """Return a text as registers in the order ABCD, padded with zero bytes.

    Raises:
        ValueError: it is too long, or cannot be encoded.
    """
    packed = text.encode(form.encoding)
    if len(packed) > 2 * form.words:
        msg = f"{text!r} does not go into {form.words} registers"
        raise ValueError(msg)
    return packed.ljust(2 * form.words, b"\0")


def ordered(form: Form, straight: bytes) -> bytes:
    """Return registers as they go on the wire. Twice is as once before: it is its own inverse.

    Args:
        form: of which the order counts.
        straight: the value, its most significant byte first.
    """
    words = [straight[at : at + 2] for at in range(0, len(straight), 2)]
    if form.order in {"CDAB", "DCBA"}:
        words.reverse()
    if form.order in {"BADC", "DCBA"}:
        words = [word[::-1] for word in words]
    return b"".join(words)


def put(form: Form, before: bytes, pattern: int) -> bytes:
    """Return the registers of a cell with this raw value in them; other bits stay as they were."""
    if form.mask is None:
        return ordered(form, pattern.to_bytes(2 * form.words, "big"))
    old = int.from_bytes(ordered(form, before), "big")
    new = old & ~form.mask | (pattern << form.shift) & form.mask
    return ordered(form, new.to_bytes(2 * form.words, "big"))
