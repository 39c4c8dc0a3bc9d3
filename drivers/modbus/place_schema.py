"""What may stand in a profile of the registers that something lies in, and of their type."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from drivers.modbus.fields import LAST_ADDRESS, MAX_REGISTERS, REGISTERS, Order, Span, Table, Type
from drivers.modbus.fields import Field as PlaceField
from drivers.profiles.header import Strict

MASKABLE: Final = {Type.BOOL: 16, Type.U16: 16, Type.U32: 32}
"""Types that a mask goes with, and how wide they are."""
_REFERENCES: Final = {"0": Table.COIL, "1": Table.DISCRETE, "3": Table.INPUT, "4": Table.HOLDING}


class PlaceModel(Strict):
    """Registers or bits, and what is in them."""

    table: Table | None = Field(default=None, description="holding, input, coil or discrete")
    address: int | None = Field(
        default=None, ge=0, le=LAST_ADDRESS, description="address on the wire, from 0"
    )
    reference: str | None = Field(
        default=None,
        pattern=r"^[0134]([0-9]{4}|[0-9]{5})$",
        description='instead of table and address: as in some manuals, from 1, as text ("40001")',
    )
    type: Type | None = Field(
        default=None, description="what stands there; bool for coils and discrete inputs"
    )
    order: Order = Field(
        default=Order.ABCD,
        description="byte order on the wire, A the most significant: ABCD CDAB BADC DCBA",
    )
    length: int | None = Field(
        default=None,
        ge=1,
        le=2 * MAX_REGISTERS,
        description="characters of a string, an even number",
    )
    encoding: Literal["ascii", "utf-8"] = Field(default="ascii", description="of a string")
    mask: int | None = Field(
        default=None,
        ge=1,
        le=0xFFFF_FFFF,
        description="bits of the register that belong to the point",
    )
    shift: int | None = Field(
        default=None,
        ge=0,
        le=31,
        description="right shift after the mask; left out: to its lowest bit",
    )

    @property
    def place(self) -> tuple[Table, int]:
        """Return table and address, however they were given."""
        if self.reference is not None:
            return _REFERENCES[self.reference[0]], int(self.reference[1:]) - 1
        return self.table or Table.HOLDING, self.address or 0

    @property
    def kind_of_raw(self) -> Type:
        """Return the type; a bit is a bool without saying."""
        return self.type or Type.BOOL

    @property
    def span(self) -> Span:
        """Return the registers or bits."""
        table, address = self.place
        count = (self.length or 2) // 2 if self.type is Type.STRING else REGISTERS[self.kind_of_raw]
        return Span(table, address, 1 if table.bits else count)

    def build_field(self) -> PlaceField:
        """Return it as the codec takes it: the raw value, without scale."""
        shift = 0
        if self.mask is not None:
            shift = (self.mask & -self.mask).bit_length() - 1 if self.shift is None else self.shift
        return PlaceField(
            self.span,
            self.kind_of_raw,
            order=self.order,
            mask=self.mask,
            shift=shift,
            encoding=self.encoding,
        )

    def place_problems(self) -> list[str]:
        """Return a sentence for each thing that does not go together here."""
        if self.reference is not None:
            if self.table is not None or self.address is not None:
                return ["give either reference, or table and address"]
            if not 1 <= int(self.reference[1:]) <= LAST_ADDRESS + 1:
                return [f"reference {self.reference} is beyond the table; they count from 1"]
        elif self.table is None or self.address is None:
            return ["table and address are needed (or reference)"]
        problems = []
        if self.place[0].bits:
            if self.kind_of_raw is not Type.BOOL or self.mask is not None:
                problems.append("coils and discrete inputs are bool, without a mask")
        elif self.type is None:
            problems.append("type is needed")
        if self.type is Type.STRING and (self.length is None or self.length % 2):
            problems.append("a string needs an even length")
        if not problems and self.span.end > LAST_ADDRESS + 1:
            problems.append(f"it ends at address {self.span.end - 1}, beyond {LAST_ADDRESS}")
        return [*problems, *self._type_problems()]

    def _type_problems(self) -> list[str]:
        kind = self.kind_of_raw
        checks = {
            "only a string has a length": self.length is not None and kind is not Type.STRING,
            "a string is read in the order ABCD or BADC": kind is Type.STRING
            and self.order not in {Order.ABCD, Order.BADC},
            f"mask goes with {', '.join(MASKABLE)} only": self.mask is not None
            and kind not in MASKABLE,
            "the mask is wider than the type": self.mask is not None
            and self.mask.bit_length() > MASKABLE.get(kind, 32),
            "a bool in a register needs a mask": kind is Type.BOOL
            and not self.place[0].bits
            and self.mask is None,
            "a bool has one bit in its mask": kind is Type.BOOL
            and (self.mask or 1).bit_count() != 1,
            "shift goes with a mask only": self.shift is not None and self.mask is None,
            "shift is beyond the mask": self.shift is not None
            and self.mask is not None
            and bool(self.mask & ((1 << self.shift) - 1)),
        }
        return [message for message, wrong in checks.items() if wrong]
