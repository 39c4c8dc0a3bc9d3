"""Dates and times of meters: types F, G, I and J. Pure.

A meter's clock tells local time without saying where it is, so what comes out is text of ISO 8601
without a zone. `None` is a time that the meter itself calls invalid, or that is no day.

Source: EN 13757-3:2018, Annex A, types F (CP32), G (CP16), I (CP48), J (CP24), as cited in exmbus;
compared with libmbus on its test frames.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Final

_INVALID: Final = 0x80
_OLD_YEARS: Final = 80
"""A year up to this one without a century is of this century (EN 13757-3, note to type F)."""
_CENTURY: Final = 100
_NO_DATE: Final = b"\xff\xff"


def decode_date(data: bytes) -> str | None:
    """Return a date of type G (2 bytes), of type F (4), of type I (6) or a time of type J (3).

    Raises:
        KeyError: there is no type of this size.
    """
    return _TYPES[len(data)](data)


def _day(low: int, high: int, century: int | None = None) -> tuple[int, int, int]:
    """Return year, month and day from the two bytes all types share.

    Raises:
        ValueError: it is a pattern (every year) and no year.
    """
    year = low >> 5 | (high & 0xF0) >> 1
    if year >= _CENTURY:  # 127: every year
        msg = f"there is no year {year} in a century"
        raise ValueError(msg)
    if not century:
        century = 1 if year <= _OLD_YEARS else 0
    return 1900 + 100 * century + year, high & 0x0F, low & 0x1F


def _type_g(data: bytes) -> str | None:
    if data == _NO_DATE:
        return None
    try:
        return date(*_day(data[0], data[1])).isoformat()
    except ValueError:  # every day, every month: a pattern and no date; or no such day
        return None


def _type_f(data: bytes) -> str | None:
    minute, hour = data[0], data[1]
    if minute & _INVALID:
        return None
    try:
        day = _day(data[2], data[3], hour >> 5 & 0x03)
        return datetime(*day, hour & 0x1F, minute & 0x3F).isoformat(timespec="minutes")  # noqa: DTZ001
    except ValueError:
        return None


def _type_i(data: bytes) -> str | None:
    second, minute, hour = data[0] & 0x3F, data[1], data[2] & 0x1F
    if minute & _INVALID:
        return None
    try:
        day = _day(data[3], data[4])
        return datetime(*day, hour, minute & 0x3F, second).isoformat()  # noqa: DTZ001
    except ValueError:
        return None


def _type_j(data: bytes) -> str | None:
    second, minute, hour = data
    try:
        return time(hour, minute, second).isoformat()
    except ValueError:
        return None


_TYPES: Final = {2: _type_g, 3: _type_j, 4: _type_f, 6: _type_i}
SIZES: Final = frozenset(_TYPES)
