"""Who a meter is: primary and secondary addresses, manufacturers. Pure.

Source: EN 13757-3 (dedicated application layer), fixed header and secondary addressing; the same
fields in "The M-Bus: A Documentation", Rev. 4.8, 6.3 and 7.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

FIRST_PRIMARY: Final = 0
LAST_PRIMARY: Final = 250
"""1 to 250 are configured meters, 0 is one that was not configured yet."""
SELECTED: Final = 253
"""Reaches the meter that was selected by its secondary address."""
ANY_ANSWERS: Final = 254
"""Reaches every meter, and every meter answers: for a single one on a line."""
BROADCAST: Final = 255
"""Reaches every meter, and none answers."""

WILDCARD: Final = "F"
_IDENT: Final = re.compile(r"[0-9F]{8}")
_LETTERS: Final = re.compile(r"[A-Z]{3}")
_A: Final = ord("A") - 1
_ANY_MANUFACTURER: Final = 0xFFFF
_ANY_BYTE: Final = 0xFF
_HARD: Final = 0x8000
"""The top bit of a manufacturer says how unique the address is, not who made the meter."""

SIZE: Final = 8


def manufacturer_code(letters: str) -> int:
    """Return the number of three letters: five bits each, A is 1.

    Raises:
        ValueError: these are not three capital letters.
    """
    if not _LETTERS.fullmatch(letters):
        msg = f"{letters!r} is no manufacturer: three capital letters, as KAM"
        raise ValueError(msg)
    first, second, third = (ord(letter) - _A for letter in letters)
    return first << 10 | second << 5 | third


def manufacturer_letters(code: int) -> str:
    """Return the three letters of a number; what is no letter is shown as the hexadecimal number.

    Args:
        code: 16 bits.
    """
    places = [code >> shift & 0x1F for shift in (10, 5, 0)]
    if all(1 <= place <= 26 for place in places):  # noqa: PLR2004  letters of the alphabet
        return "".join(chr(_A + place) for place in places)
    return f"{code:04X}"


@dataclass(frozen=True, slots=True)
class SecondaryAddress:
    """Who a meter is, whatever its primary address; with wildcards: which meters are meant.

    Args:
        ident: eight digits; F stands for any digit.
        manufacturer: its number; None: any.
        version: 0 to 254; None: any.
        device_type: what it measures (EN 13757-3: 4 heat, 7 water, ...); None: any.
    """

    ident: str = WILDCARD * 8
    manufacturer: int | None = None
    version: int | None = None
    device_type: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no meter can be asked.

        Raises:
            ValueError: with the reason.
        """
        if not _IDENT.fullmatch(self.ident):
            msg = f"{self.ident!r} is no identification: eight digits, F for any"
            raise ValueError(msg)

    @property
    def wildcards(self) -> bool:
        """Say whether more than one meter may be meant."""
        parts = (self.manufacturer, self.version, self.device_type)
        return WILDCARD in self.ident or None in parts

    def encode(self) -> bytes:
        """Return the eight bytes of a selection: identification, manufacturer, version, type."""
        manufacturer = _ANY_MANUFACTURER if self.manufacturer is None else self.manufacturer
        rest = (_ANY_BYTE if part is None else part for part in (self.version, self.device_type))
        return bytes.fromhex(self.ident)[::-1] + manufacturer.to_bytes(2, "little") + bytes(rest)

    def means(self, address: bytes) -> bool:
        """Say whether a meter that calls itself by these eight bytes is meant."""
        ident = address[3::-1].hex().upper()
        if any(mine not in (WILDCARD, its) for mine, its in zip(self.ident, ident, strict=True)):
            return False
        manufacturer = int.from_bytes(address[4:6], "little")
        if self.manufacturer is not None and (self.manufacturer ^ manufacturer) & ~_HARD:
            return False
        return self.version in (None, address[6]) and self.device_type in (None, address[7])

    def __str__(self) -> str:
        """Return it as people write it: `12345678 KAM v27 type 4`, leaving out what is any."""
        words = [self.ident]
        if self.manufacturer is not None:
            words.append(manufacturer_letters(self.manufacturer & ~_HARD))
        if self.version is not None:
            words.append(f"v{self.version}")
        if self.device_type is not None:
            words.append(f"type {self.device_type}")
        return " ".join(words)
