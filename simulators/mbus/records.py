"""Records of a telegram as bytes. Pure, written from the documents; knows no tables of units.

Source: EN 13757-3; "The M-Bus: A Documentation", Rev. 4.8, 8 and appendix (types A, B, F, G).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

MORE: Final = b"\x1f"
_BCD_FIELD: Final = {2: 0x09, 4: 0x0A, 6: 0x0B, 8: 0x0C, 12: 0x0E}
_BINARY_FIELD: Final = {1: 0x01, 2: 0x02, 3: 0x03, 4: 0x04, 6: 0x06, 8: 0x07}
MAXIMUM: Final = 1
_MINUS: Final = 0xF


def information(
    field: int, *, storage: int = 0, tariff: int = 0, subunit: int = 0, function: int = 0
) -> bytes:
    """Return DIF and DIFEs."""
    parts = [field | function << 4 | (storage & 1) << 6]
    storage >>= 1
    while storage or tariff or subunit:
        parts[-1] |= 0x80
        parts.append(storage & 15 | (tariff & 3) << 4 | (subunit & 1) << 6)
        storage, tariff, subunit = storage >> 4, tariff >> 2, subunit >> 1
    return bytes(parts)


def decimal(vib: str, value: int, digits: int = 8, **where: int) -> bytes:
    """Return a record in decimal digits.

    Args:
        vib: value information in hexadecimal.
        value: below zero it has an F for its first digit.
        digits: 2, 4, 6, 8 or 12.
        where: storage, tariff, subunit, function.
    """
    text = f"{abs(value):0{digits}d}"[-digits:]
    if value < 0:
        text = "f" + text[1:]
    head = information(_BCD_FIELD[digits], **where) + bytes.fromhex(vib)
    return head + bytes.fromhex(text)[::-1]


def binary(vib: str, value: int, size: int = 4, **where: int) -> bytes:
    """Return a record as an integer of 1, 2, 3, 4, 6 or 8 bytes."""
    head = information(_BINARY_FIELD[size], **where) + bytes.fromhex(vib)
    return head + (value % (1 << 8 * size)).to_bytes(size, "little")


def date(vib: str, at: datetime, **where: int) -> bytes:
    """Return a record with a date of type G."""
    return information(2, **where) + bytes.fromhex(vib) + _day(at)


def moment(vib: str, at: datetime, **where: int) -> bytes:
    """Return a record with a date and time of type F."""
    century = (at.year - 1900) // 100
    time = bytes((at.minute, at.hour | century << 5))
    return information(4, **where) + bytes.fromhex(vib) + time + _day(at)


def text(vib: str, letters: str, **where: int) -> bytes:
    """Return a record with a text."""
    head = information(0x0D, **where) + bytes.fromhex(vib)
    return head + bytes((len(letters),)) + letters.encode("latin-1")[::-1]


def _day(at: datetime) -> bytes:
    year = at.year % 100
    return bytes((at.day | (year & 7) << 5, at.month | (year >> 3) << 4))
