"""What words of bits mean: cards of 26, 34 and 37 bits or of a layout of the site, and keys. Pure.

Source:
    26 bits, H10301: RF IDeas, "Proximity card formats"; 26 and 34 bits with their parities: Promag
    WEC200 user's manual, appendix B; 37 bits, H10304: OOAccess, "37 Bit Card Format (with facility
    code)". Keys of 8 bits: HID, Wiegand PINPad 7393760 rev. E, "Keypad Data"; of 4 bits: Rosslare
    AYC-Qx4 installation manual, 4.2.3.9.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from drivers.access.credential import Credential
from gateway.model.errors import FrameError

KEYS: Final = "0123456789*#"
KEY_BITS: Final = (4, 8)


class Field(NamedTuple):
    """Bits from the first to the last, both in it, counted from 1 as documents do."""

    first: int
    last: int

    def of(self, word: str) -> str:
        """Return these bits of a word."""
        return word[self.first - 1 : self.last]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a word of so many bits is made."""

    name: str
    bits: int
    number: Field
    facility: Field | None = None
    even: tuple[Field, ...] = ()
    """In each of these the number of ones is even, its parity bit included."""
    odd: tuple[Field, ...] = ()

    def problem(self) -> str | None:
        """Say what is wrong with it: bits that are not there, in a field."""
        facility = (self.facility,) if self.facility is not None else ()
        for field in (self.number, *facility, *self.even, *self.odd):
            if not 1 <= field.first <= field.last <= self.bits:
                return f"bits {field.first} to {field.last} are not within 1 to {self.bits}"
        return None

    def decode(self, word: str) -> Credential:
        """Return the credential of a word of this length.

        Raises:
            FrameError: the parity is wrong; it does not carry the word.
        """
        wrong = any(field.of(word).count("1") % 2 for field in self.even) or any(
            not field.of(word).count("1") % 2 for field in self.odd
        )
        if wrong:
            msg = f"a word of {self.bits} bits with wrong parity ({self.name})"
            raise FrameError(msg)
        number = int(self.number.of(word), 2)
        width = self.number.last - self.number.first + 1
        facility = 0 if self.facility is None else int(self.facility.of(word), 2)
        if self.name in STANDARD:
            return Credential.facility(self.name, self.bits, facility, number, width)
        # a layout of the site is a family of cards of its own
        canonical = b"layout-%s:%d:%d" % (self.name.encode(), facility, number)
        return Credential(self.name, self.bits, canonical)


W26: Final = Layout("w26", 26, Field(10, 25), Field(2, 9), (Field(1, 13),), (Field(14, 26),))
W34: Final = Layout("w34", 34, Field(18, 33), Field(2, 17), (Field(1, 17),), (Field(18, 34),))
W37: Final = Layout("w37", 37, Field(18, 36), Field(2, 17), (Field(1, 19),), (Field(19, 37),))
STANDARD: Final[Mapping[str, Layout]] = {layout.name: layout for layout in (W26, W34, W37)}


def decode(word: str, layouts: Sequence[Layout]) -> Credential:
    """Return the credential that a word is.

    Args:
        word: the bits as text, the first one sent first.
        layouts: what this site has, each with a length of its own.

    Raises:
        FrameError: no layout has this length, or the parity is wrong. No bit of it is told.
    """
    for layout in layouts:
        if layout.bits == len(word):
            return layout.decode(word)
    lengths = ", ".join(str(layout.bits) for layout in layouts)
    msg = f"a word of {len(word)} bits; this reader sends {lengths}"
    raise FrameError(msg)


def decode_key(word: str) -> str:
    """Return the key of a keypad: a digit, `*` or `#`.

    Args:
        word: 4 bits, or 8 of which the first four are the complement of the others.

    Raises:
        FrameError: no key has these bits, which are not told.
    """
    if len(word) not in KEY_BITS:
        msg = f"a key of {len(word)} bits"
        raise FrameError(msg)
    low = int(word[-4:], 2)
    if (len(word) == KEY_BITS[1] and int(word[:4], 2) != low ^ 0xF) or low >= len(KEYS):
        msg = f"no key has these {len(word)} bits"
        raise FrameError(msg)
    return KEYS[low]
