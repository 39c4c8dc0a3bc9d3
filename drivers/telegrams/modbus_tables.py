"""The tables of a Modbus device, and places in them. Pure.

Source: MODBUS Application Protocol Specification V1.1b3, 4.3 (data model) and 6.1 to 6.16
(functions).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

LAST_ADDRESS: Final = 0xFFFF
MAX_REGISTERS: Final = 125
"""Registers in one read (6.3, 6.4: quantity 0x0001 to 0x007D)."""
MAX_BITS: Final = 2000
"""Coils or discrete inputs in one read (6.1, 6.2: quantity 0x0001 to 0x07D0)."""
MAX_WRITTEN_REGISTERS: Final = 123
"""Registers in one write (6.12: quantity 0x0001 to 0x007B)."""


class Table(StrEnum):
    """The four tables of a Modbus device."""

    COIL = "coil"
    DISCRETE = "discrete"
    HOLDING = "holding"
    INPUT = "input"

    @property
    def bits(self) -> bool:
        """Say whether the table holds single bits, not registers."""
        return self in {Table.COIL, Table.DISCRETE}

    @property
    def writable(self) -> bool:
        """Say whether the protocol can write to it at all."""
        return self in {Table.COIL, Table.HOLDING}


READ_FUNCTION: Final = {Table.COIL: 1, Table.DISCRETE: 2, Table.HOLDING: 3, Table.INPUT: 4}


class Span(NamedTuple):
    """Some registers (or bits) in a row."""

    table: Table
    address: int
    length: int

    @property
    def end(self) -> int:
        """Return the address behind the last one."""
        return self.address + self.length

    def __str__(self) -> str:
        """Return it as people write it: `input 4..7`."""
        return f"{self.table} {self.address}" + (f"..{self.end - 1}" if self.length > 1 else "")
