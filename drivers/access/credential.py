"""A credential, whatever the reader: what it is made of, and the keyed digest that leaves. Pure.

The number of a card, a bracelet or a fob is personal: it lives in memory for as long as it takes to
make its digest, and stands in no event, no log, no error and no file.

Two readings are of one credential when their `canonical` bytes are equal:

- facility and number of 26 and 34 bits: `facility:number` with a number of 16 bits, so that the
  number 12 of facility 3 is one credential whether a reader tells it in 26 or in 34 bits;
- facility and number of 37 bits (H10304), where numbers have 19 bits: another family of cards, so
  another credential even for equal figures;
- a whole chip: its bytes, of EM4100 (five) or of a UID, unless the site says in which Wiegand form
  its other readers tell the same chips (`Form`);
- a word of a format that only the site knows: its name, facility and number;
- other words of bits: how many, and which.

Source: the formats are those of `drivers/access/README.md`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

DIGEST_BYTES: Final = 16
"""Of HMAC-SHA-256: nobody finds two credentials with one digest by chance."""
_PURPOSE: Final = b"mayak credential 1\0"
_SHORT_NUMBER: Final = 16


class Form(StrEnum):
    """What of a chip's number the digest is made of."""

    WHOLE = "whole"
    """All of it."""
    W26 = "w26"
    """Its lowest 24 bits, as a reader with a Wiegand output of 26 bits tells it."""
    W34 = "w34"
    """Its lowest 32 bits, as a reader with a Wiegand output of 34 bits tells it."""


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """What was shown. Its `repr` says nothing of the number."""

    format: str
    """How the reader told it: w26, w34, w37, em4100, uid, raw, pin, or a name of the site."""
    bits: int
    """How many bits it told; 0 of a PIN, whose length is nobody's business."""
    canonical: bytes

    def __repr__(self) -> str:
        """Return its kind only."""
        return f"Credential({self.format!r}, {self.bits})"

    @classmethod
    def facility(cls, name: str, bits: int, facility: int, number: int, number_bits: int) -> Self:
        """Return a credential of a facility (site) code and a number.

        Args:
            name: of the format.
            bits: of the whole word.
            facility: 0 and up.
            number: 0 and up.
            number_bits: how wide the number is in its format.
        """
        return cls(name, bits, b"facility-%d:%d:%d" % (number_bits, facility, number))

    @classmethod
    def chip(cls, name: str, number: bytes, form: Form = Form.WHOLE) -> Self:
        """Return the credential of a chip.

        Args:
            name: kind of number, em4100 or uid.
            number: its bytes, the most significant first.
            form: what of it counts.
        """
        bits = 8 * len(number)
        low = int.from_bytes(number[-4:], "big")
        if form is Form.W26:
            low &= 0xFFFFFF
        if form is Form.WHOLE:
            return cls(name, bits, name.encode() + b":" + number)
        return cls.facility(name, bits, low >> _SHORT_NUMBER, low & 0xFFFF, _SHORT_NUMBER)

    @classmethod
    def raw(cls, name: str, bits: int, value: int) -> Self:
        """Return the credential of a word that nobody has explained."""
        return cls(name, bits, b"%s-%d:%x" % (name.encode(), bits, value))

    @classmethod
    def pin(cls, digits: str) -> Self:
        """Return the credential of a PIN that was typed."""
        return cls("pin", 0, b"pin:" + digits.encode())


@dataclass(frozen=True, slots=True, repr=False)
class CredentialKey:
    """The key of the site. Its `repr` says nothing."""

    secret: bytes

    def digest(self, credential: Credential) -> str:
        """Return what stands for a credential outside: 32 characters of lower-case hex.

        Without the key nobody can try out numbers, of which a PIN or 26 bits have few.
        """
        made = hmac.new(self.secret, _PURPOSE + credential.canonical, hashlib.sha256).digest()
        return made[:DIGEST_BYTES].hex()
