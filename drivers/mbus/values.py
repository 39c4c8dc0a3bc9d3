"""The value of a record: how its bytes are coded, and what that is under its meaning. Pure.

Source: EN 13757-3:2018, 6.3.3 (data field, variable length) and Annex A (types A, B, C, H), as
cited in exmbus; "The M-Bus: A Documentation", Rev. 4.8, 8.2 and appendix.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import Enum
from typing import Final

from drivers.mbus import dates
from drivers.mbus.quantities import OPAQUE, Form, quantity_of
from drivers.mbus.reader import Reader
from drivers.mbus.vif import Meaning

RawValue = int | float | str | None
Told = tuple[Meaning, RawValue, str]
"""What it is after all, its value, and why it has none."""

_VARIABLE: Final = 0x0D
_REAL: Final = 0x05
_BINARY_SIZES: Final = {0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 6: 6, 7: 8, 8: 0}
_BCD_SIZES: Final = {9: 1, 10: 2, 11: 3, 12: 4, 14: 6}
_TEXTS: Final = range(0xC0)
_POSITIVE: Final = range(0xC0, 0xCA)
_NEGATIVE: Final = range(0xD0, 0xDA)
_NUMBERS: Final = range(0xE0, 0xF0)
_LONG: Final = {0xF0: 16, 0xF1: 20, 0xF2: 24, 0xF3: 28, 0xF4: 32, 0xF5: 48, 0xF6: 64}
_DATE_SIZES: Final = {"date": (2,), "datetime": (3, 4, 6)}


class Coding(Enum):
    """How the bytes of a value are coded."""

    NONE = 0
    BINARY = 1
    REAL = 2
    BCD = 3
    TEXT = 4
    LONG = 5
    """A number so long that nobody counts with it."""


@dataclass(frozen=True, slots=True)
class Raw:
    """The bytes of a value, as they came."""

    coding: Coding
    data: bytes = b""
    negative: bool = False


def take(reader: Reader, field: int) -> Raw:
    """Take the bytes of a value.

    Args:
        reader: stands behind the value information.
        field: the data field, 0 to 14.

    Raises:
        FrameError: they break off, or the code of their length is reserved.
    """
    if field in _BCD_SIZES:
        return Raw(Coding.BCD, reader.take(_BCD_SIZES[field]))
    if field != _VARIABLE:
        size = _BINARY_SIZES[field]
        coding = Coding.REAL if field == _REAL else Coding.BINARY
        return Raw(coding, reader.take(size)) if size else Raw(Coding.NONE)
    code = reader.byte()
    low = code & 0x0F
    if code in _TEXTS:
        return Raw(Coding.TEXT, reader.take(code))
    if code in _POSITIVE or code in _NEGATIVE:
        return Raw(Coding.BCD, reader.take(low), code in _NEGATIVE)
    if code in _NUMBERS:
        return Raw(Coding.BINARY, reader.take(low)) if low else Raw(Coding.NONE)
    if code in _LONG:
        return Raw(Coding.LONG, reader.take(_LONG[code]))
    msg = f"a value of reserved length {code:02X}h"
    raise reader.broken(msg)


def tell(raw: Raw, meaning: Meaning) -> Told:
    """Return what bytes are under a meaning; bytes that do not go with it make it opaque."""
    if raw.coding is Coding.NONE:
        return meaning, None, "no data"
    if meaning.quantity == OPAQUE:
        return meaning, _shown(raw), ""
    quantity = quantity_of(meaning.quantity)
    form = Form.NUMBER if quantity is None else quantity.form
    match form:
        case Form.DATE:
            return _date(raw, meaning)
        case Form.TEXT:
            return _text(raw, meaning)
        case Form.NUMBER | Form.BITS:
            return _number(raw, meaning)


def _number(raw: Raw, meaning: Meaning) -> Told:
    match raw.coding:
        case Coding.BCD:
            value: RawValue = bcd(raw)
        case Coding.BINARY:
            value = binary(raw.data, unsigned=meaning.unsigned)
        case Coding.REAL:
            real: float = struct.unpack("<f", raw.data)[0]
            value = real if math.isfinite(real) else None
        case _:
            return meaning.opaque("coding"), _shown(raw), ""
    if value is None:
        return meaning, None, f"no number: {raw.data[::-1].hex(' ')}"
    return meaning, value, ""


def _text(raw: Raw, meaning: Meaning) -> Told:
    match raw.coding:
        case Coding.TEXT:
            return meaning, text(raw.data), ""
        case Coding.BCD:
            digits = raw.data[::-1].hex()
            if digits.isdecimal():
                return meaning, digits, ""
            return meaning, None, f"no number: {raw.data[::-1].hex(' ')}"
        case Coding.BINARY:
            return meaning, str(int.from_bytes(raw.data, "little")), ""
        case _:
            return meaning.opaque("coding"), _shown(raw), ""


def _date(raw: Raw, meaning: Meaning) -> Told:
    sizes = _DATE_SIZES.get(meaning.quantity, tuple(dates.SIZES))
    if raw.coding is not Coding.BINARY or len(raw.data) not in sizes:
        return meaning.opaque("coding"), _shown(raw), ""
    told = dates.decode_date(raw.data)
    return meaning, told, "" if told is not None else f"no date: {raw.data[::-1].hex(' ')}"


def _shown(raw: Raw) -> str:
    """Return what people are shown of bytes that nobody understands."""
    return text(raw.data) if raw.coding is Coding.TEXT else raw.data[::-1].hex(" ")


def text(data: bytes) -> str:
    """Return a text: its last character comes first."""
    return data[::-1].decode("latin-1")


def binary(data: bytes, *, unsigned: bool) -> int | None:
    """Return a number of type C, or of type B, whose lowest number is no value."""
    value = int.from_bytes(data, "little", signed=not unsigned)
    return None if value == -(1 << (8 * len(data) - 1)) else value


def bcd(raw: Raw) -> int | None:
    """Return a number of type A: an F in the highest place is a minus; other letters are none."""
    digits = raw.data[::-1].hex()
    negative = raw.negative
    if digits.startswith("f") and len(digits) > 1:
        negative, digits = not negative, digits[1:]
    if not digits:
        return 0
    if not digits.isdecimal():
        return None
    return -int(digits) if negative else int(digits)
