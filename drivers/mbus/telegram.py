"""What one answer of a meter tells, decoded: header and records. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from drivers.mbus.address import manufacturer_letters
from drivers.mbus.values import RawValue
from drivers.mbus.vif import Meaning


class Function(StrEnum):
    """What a value is among those of its quantity (EN 13757-3, function field)."""

    INSTANT = "instant"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    ERROR = "error"
    """As it was during an error state."""


@dataclass(frozen=True, slots=True)
class Header:
    """Who tells, and how it is."""

    address: bytes
    """The eight bytes of the secondary address."""
    access_number: int
    status: int
    errors: bool = True
    """The status byte says which errors there are (`drivers.mbus.status`)."""

    @property
    def ident(self) -> str:
        """Return the eight digits of the identification."""
        return self.address[3::-1].hex().upper()

    @property
    def manufacturer(self) -> str:
        """Return its three letters."""
        return manufacturer_letters(int.from_bytes(self.address[4:6], "little") & 0x7FFF)

    @property
    def version(self) -> int:
        """Return the version of the device."""
        return self.address[6]

    @property
    def device_type(self) -> int:
        """Return what it measures."""
        return self.address[7]


@dataclass(frozen=True, slots=True)
class Record:
    """One value of a telegram."""

    function: Function
    storage: int
    tariff: int
    subunit: int
    meaning: Meaning
    value: RawValue
    """A number times the factor of its meaning, a text, or None with a fault."""
    fault: str = ""
    """Why there is no value."""
    head: bytes = b""
    """The bytes before the value, as they came."""


@dataclass(frozen=True, slots=True)
class Telegram:
    """What one answer tells."""

    header: Header
    records: tuple[Record, ...]
    more: bool
    """More records follow in the next telegram."""
    maker_data: bytes = b""
    """What only its manufacturer can read."""


def joined(telegrams: Sequence[Telegram]) -> Telegram:
    """Return the telegrams of one readout as one, with the header of the last: it is the newest."""
    records = tuple(record for telegram in telegrams for record in telegram.records)
    maker = b"".join(telegram.maker_data for telegram in telegrams)
    return replace(telegrams[-1], records=records, more=False, maker_data=maker)
