"""Where a point lies in a Modbus device, and how its registers are to be read. Pure.

Source: MODBUS Application Protocol Specification V1.1b3, 4.3 (data model) and 6.1 to 6.16
(functions).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from drivers.telegrams.modbus_tables import (
    LAST_ADDRESS,
    MAX_BITS,
    MAX_REGISTERS,
    MAX_WRITTEN_REGISTERS,
    READ_FUNCTION,
    Span,
    Table,
)
from gateway.model.reading import Point

__all__ = [
    "CODE",
    "LAST_ADDRESS",
    "MAX_BITS",
    "MAX_REGISTERS",
    "MAX_WRITTEN_REGISTERS",
    "READ_FUNCTION",
    "REGISTERS",
    "Field",
    "MappedPoint",
    "Order",
    "Span",
    "Table",
    "Type",
]


class Type(StrEnum):
    """What stands in the registers of a point."""

    BOOL = "bool"
    U16 = "u16"
    I16 = "i16"
    U32 = "u32"
    I32 = "i32"
    U64 = "u64"
    I64 = "i64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BCD16 = "bcd16"
    """Four decimal digits, one in four bits."""
    BCD32 = "bcd32"
    STRING = "string"
    """Two characters in a register."""


REGISTERS: Final = {
    Type.BOOL: 1,
    Type.U16: 1,
    Type.I16: 1,
    Type.BCD16: 1,
    Type.U32: 2,
    Type.I32: 2,
    Type.FLOAT32: 2,
    Type.BCD32: 2,
    Type.U64: 4,
    Type.I64: 4,
    Type.FLOAT64: 4,
}
"""How many registers a type takes; a string says it itself."""

CODE: Final = {
    Type.BOOL: "H",
    Type.U16: "H",
    Type.I16: "h",
    Type.BCD16: "H",
    Type.U32: "I",
    Type.I32: "i",
    Type.BCD32: "I",
    Type.FLOAT32: "f",
    Type.U64: "Q",
    Type.I64: "q",
    Type.FLOAT64: "d",
}
"""The letter of the type in `struct`."""


class Order(StrEnum):
    """In which order the bytes of a value come over the wire; A is the most significant one.

    Values of four registers follow the same rule: CDAB is the least significant register first.
    """

    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"

    @property
    def swapped(self) -> bool:
        """Say whether the bytes of each register are exchanged first, before `endian`."""
        return self in {Order.BADC, Order.CDAB}

    @property
    def endian(self) -> Literal["<", ">"]:
        """Return the byte order that is left after `swapped`."""
        return ">" if self in {Order.ABCD, Order.BADC} else "<"


@dataclass(frozen=True, slots=True)
class Field:
    """Where a point lies and what its raw value is."""

    span: Span
    type: Type
    order: Order = Order.ABCD
    mask: int | None = None
    """Bits that belong to the point; None: all."""
    shift: int = 0
    scale: float = 1.0
    offset: float = 0.0
    sentinels: frozenset[int] = frozenset()
    """Raw patterns, unsigned, that mean "no value"."""
    encoding: Literal["ascii", "utf-8"] = "ascii"
    write_multiple: bool = False
    """Write with function 15 or 16 even where 5 or 6 would do."""
    read_modify_write: bool = False
    """A bit field may be written by reading its register, changing the bits and writing it back."""

    @property
    def scaled(self) -> bool:
        """Say whether the value is another number than the raw one."""
        return self.scale != 1 or self.offset != 0


class MappedPoint(NamedTuple):
    """A point and where it lies."""

    point: Point
    field: Field
