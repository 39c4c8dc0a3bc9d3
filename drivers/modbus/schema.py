"""What may stand in a profile (TOML), and how it becomes points and fields."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from drivers.modbus.fields import (
    LAST_ADDRESS,
    MAX_BITS,
    MAX_REGISTERS,
    MAX_WRITTEN_REGISTERS,
    REGISTERS,
    MappedPoint,
    Order,
    Span,
    Table,
    Type,
)
from drivers.modbus.fields import Field as PointField
from drivers.modbus.plan import Limits
from drivers.profiles.header import Header, Strict, Texts
from gateway.model.ids import NAME_PATTERN, OPERATIONS, POINT_PATTERN, Audience, PointId
from gateway.model.reading import Cause, Deadband, Kind, Point, Value
from gateway.model.units import UNITS

Period = Annotated[float, Field(gt=0, le=86_400)]
Address = Annotated[int, Field(ge=0, le=LAST_ADDRESS)]

_REFERENCES: Final = {"0": Table.COIL, "1": Table.DISCRETE, "3": Table.INPUT, "4": Table.HOLDING}
_NUMBERS: Final = frozenset(Type) - {Type.BOOL, Type.STRING}
_FLOATS: Final = {Type.FLOAT32: Kind.FLOAT32, Type.FLOAT64: Kind.FLOAT64}
_MASKABLE: Final = {Type.BOOL: 16, Type.U16: 16, Type.U32: 32}


class NeverModel(Strict):
    """Addresses that must not be touched: `[first, last]` for each range."""

    coil: tuple[tuple[Address, Address], ...] = ()
    discrete: tuple[tuple[Address, Address], ...] = ()
    input: tuple[tuple[Address, Address], ...] = ()
    holding: tuple[tuple[Address, Address], ...] = ()

    @field_validator("*")
    @classmethod
    def _rising(cls, ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        for first, last in ranges:
            if last < first:
                msg = f"[{first}, {last}] ends before it begins"
                raise ValueError(msg)
        return ranges


class LimitsModel(Strict):
    """What the device takes in one read."""

    max_registers: int = Field(
        default=MAX_REGISTERS, ge=1, le=MAX_REGISTERS, description="registers in one read"
    )
    max_bits: int = Field(
        default=MAX_BITS, ge=1, le=MAX_BITS, description="coils or discrete inputs in one read"
    )
    max_gap: int = Field(
        default=8,
        ge=0,
        le=MAX_REGISTERS,
        description="unwanted registers read along to save a request",
    )
    never: NeverModel = Field(
        default=NeverModel(), description="addresses that must not be touched"
    )

    def never_spans(self) -> tuple[Span, ...]:
        """Return the ranges as spans."""
        named = (
            (Table.COIL, self.never.coil),
            (Table.DISCRETE, self.never.discrete),
            (Table.INPUT, self.never.input),
            (Table.HOLDING, self.never.holding),
        )
        return tuple(
            Span(table, first, last - first + 1)
            for table, ranges in named
            for first, last in ranges
        )

    def build(self) -> Limits:
        """Return them as the plan takes them."""
        return Limits(
            self.max_registers, self.max_bits, self.max_gap, frozenset(self.never_spans())
        )


class PointModel(Strict):
    """One point."""

    name: str = Field(pattern=POINT_PATTERN, description="name of the point")
    table: Table | None = Field(default=None, description="holding, input, coil or discrete")
    address: int | None = Field(
        default=None, ge=0, le=LAST_ADDRESS, description="address on the wire, from 0"
    )
    reference: str | None = Field(
        default=None,
        pattern=r"^[0134](\d{4}|\d{5})$",
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
    scale: float = Field(default=1.0, description="value = raw * scale + offset")
    offset: float = Field(default=0.0, description="value = raw * scale + offset")
    unit: str = Field(default="1", description="UCUM code")
    sentinel: tuple[int, ...] = Field(
        default=(), description="raw patterns that mean no value, for example [0xFFFF]"
    )
    states: Mapping[str, str] = Field(
        default_factory=dict, description='names of the states, for example {0 = "off", 1 = "on"}'
    )
    low: float | None = Field(default=None, description="lowest value that can be")
    high: float | None = Field(default=None, description="highest value that can be")
    group: str | None = Field(default=None, description="poll group; left out: the first one")
    period_s: Period | None = Field(
        default=None, description="poll period of this point alone, in seconds"
    )
    deadband: float | None = Field(
        default=None, ge=0, description="smallest change that is told, in the unit of the point"
    )
    deadband_percent: float | None = Field(
        default=None, ge=0, le=100, description="smallest change that is told, in % of the last"
    )
    audience: str = Field(default=OPERATIONS, pattern=NAME_PATTERN, description="who may see it")
    writable: bool = Field(default=False, description="may be written")
    write_function: Literal["single", "multiple"] = Field(
        default="single",
        description="multiple: write with function 15 or 16 even where 5 or 6 would do",
    )
    read_modify_write: bool = Field(
        default=False,
        description="a bit field is written by reading its register and writing it back changed",
    )
    caveat: Texts | None = Field(default=None, description="what a person should know about it")

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, unit: str) -> str:
        if unit not in UNITS:
            msg = f"is no UCUM code in use here; there are: {', '.join(UNITS)}"
            raise ValueError(msg)
        return unit

    @field_validator("scale", "offset", "low", "high", "deadband")
    @classmethod
    def _finite(cls, number: float | None) -> float | None:
        if number is not None and not math.isfinite(number):
            msg = "a finite number is needed"
            raise ValueError(msg)
        return number

    @field_validator("states")
    @classmethod
    def _numbered(cls, states: Mapping[str, str]) -> Mapping[str, str]:
        if any(not number.lstrip("-").isdecimal() for number in states):
            msg = "each state needs a whole number before its name"
            raise ValueError(msg)
        if len(set(states.values())) != len(states) or len(
            {int(number) for number in states}
        ) != len(states):
            msg = "two states have the same name or number"
            raise ValueError(msg)
        return states

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        problems = [*self._place_problems(), *self._value_problems(), *self._write_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _place_problems(self) -> list[str]:
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
        return problems

    def _value_problems(self) -> list[str]:
        kind = self.kind_of_raw
        whole = self.scale == 1 and self.offset == 0
        width = 16 * REGISTERS.get(kind, 1)
        checks = {
            "scale must not be 0": self.scale == 0,
            "only a string has a length": self.length is not None and kind is not Type.STRING,
            "a string has no scale, sentinel, limits or deadband": kind is Type.STRING
            and not self._is_plain,
            "a string is read in the order ABCD or BADC": kind is Type.STRING
            and self.order not in {Order.ABCD, Order.BADC},
            "a bool has no scale, sentinel, limits or deadband": kind is Type.BOOL
            and not self._is_plain,
            "a bool in a register needs a mask": kind is Type.BOOL
            and not self.place[0].bits
            and self.mask is None,
            f"mask goes with {', '.join(_MASKABLE)} only": self.mask is not None
            and kind not in _MASKABLE,
            "the mask is wider than the type": self.mask is not None
            and self.mask.bit_length() > _MASKABLE.get(kind, 32),
            "a bool has one bit in its mask": kind is Type.BOOL
            and (self.mask or 1).bit_count() != 1,
            "shift goes with a mask only": self.shift is not None and self.mask is None,
            "shift is beyond the mask": self.shift is not None
            and self.mask is not None
            and bool(self.mask & ((1 << self.shift) - 1)),
            "states go with whole numbers without scale, limits or deadband": bool(self.states)
            and (kind not in _NUMBERS - set(_FLOATS) or not whole or self._has_limits),
            f"a sentinel is a raw pattern of {width} bits, 0 to {2**width - 1:#x}": any(
                not 0 <= raw < 2**width for raw in self.sentinel
            ),
            "low is above high": self.low is not None
            and self.high is not None
            and self.low > self.high,
            "group and period_s exclude each other": self.group is not None
            and self.period_s is not None,
        }
        return [message for message, wrong in checks.items() if wrong]

    def _write_problems(self) -> list[str]:
        table, _ = self.place
        field_of_register = self.mask is not None
        checks = {
            f"the table {table} cannot be written": self.writable and not table.writable,
            "write_function and read_modify_write go with writable only": not self.writable
            and (self.write_function != "single" or self.read_modify_write),
            "read_modify_write goes with a mask only": self.read_modify_write
            and not field_of_register,
            "a writable bit field needs read_modify_write = true": self.writable
            and field_of_register
            and not self.read_modify_write,
            f"at most {MAX_WRITTEN_REGISTERS} registers can be written at once": self.writable
            and self.span.length > MAX_WRITTEN_REGISTERS,
        }
        return [message for message, wrong in checks.items() if wrong]

    @property
    def _has_limits(self) -> bool:
        bounds = (self.low, self.high, self.deadband, self.deadband_percent)
        return any(bound is not None for bound in bounds)

    @property
    def _is_plain(self) -> bool:
        return self.scale == 1 and self.offset == 0 and not self.sentinel and not self._has_limits

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
        """Return the registers or bits of the point."""
        table, address = self.place
        count = (self.length or 2) // 2 if self.type is Type.STRING else REGISTERS[self.kind_of_raw]
        return Span(table, address, 1 if table.bits else count)

    def build(self) -> MappedPoint:
        """Return the point and its field."""
        raw = self.kind_of_raw
        kind = self._kind()
        grid = kind in {Kind.NUMBER, Kind.COUNTER}
        deadband = None
        if self.deadband is not None or self.deadband_percent is not None:
            deadband = Deadband(self.deadband or 0.0, self.deadband_percent or 0.0)
        point = Point(
            PointId(self.name),
            unit=self.unit,
            kind=kind,
            scale=self.scale if grid else 1.0,
            offset=self.offset if grid else 0.0,
            states={int(number): name for number, name in self.states.items()},
            audience=Audience(self.audience),
            writable=self.writable,
            deadband=deadband,
            low=self.low,
            high=self.high,
        )
        shift = 0
        if self.mask is not None:
            shift = (self.mask & -self.mask).bit_length() - 1 if self.shift is None else self.shift
        field = PointField(
            self.span,
            raw,
            order=self.order,
            mask=self.mask,
            shift=shift,
            scale=self.scale,
            offset=self.offset,
            sentinels=frozenset(self.sentinel),
            encoding=self.encoding,
            write_multiple=self.write_function == "multiple",
            read_modify_write=self.read_modify_write,
        )
        return MappedPoint(point, field)

    def _kind(self) -> Kind:
        raw = self.kind_of_raw
        if self.states:
            return Kind.STATE
        if raw is Type.BOOL:
            return Kind.BOOL
        if raw is Type.STRING:
            return Kind.TEXT
        if raw in _FLOATS:
            # A scaled binary32 is no binary32 any more.
            return _FLOATS[raw] if self.scale == 1 and self.offset == 0 else Kind.FLOAT64
        return Kind.COUNTER if raw is Type.U64 else Kind.NUMBER


class VectorModel(Strict):
    """A request, its answer, and what the points must then be; checked by `make test`."""

    request: str = Field(
        description="function, address and count in hex, without unit and checksum"
    )
    answer: str = Field(
        description="function, byte count and data in hex, without unit and checksum"
    )
    values: Mapping[str, Value] = Field(
        default_factory=dict, description="values of points that lie in the answer"
    )
    flags: Mapping[str, str] = Field(
        default_factory=dict,
        description='points without a good value, with the cause, for example "no_value"',
    )

    @field_validator("request", "answer")
    @classmethod
    def _hex(cls, text: str) -> str:
        bytes.fromhex(text)
        return text

    @field_validator("flags")
    @classmethod
    def _causes(cls, flags: Mapping[str, str]) -> Mapping[str, str]:
        for cause in flags.values():
            if cause.upper() not in Cause.__members__:
                allowed = ", ".join(name.lower() for name in Cause.__members__)
                msg = f"{cause!r} is not one of {allowed}"
                raise ValueError(msg)
        return flags


class ProfileModel(Header):
    """The register map of one model of device."""

    protocol: Literal["modbus"] = Field(
        default="modbus", description=Header.model_fields["protocol"].description
    )
    limits: LimitsModel = Field(
        default=LimitsModel(), description="what the device takes in one read"
    )
    groups: Mapping[str, Period] = Field(
        default_factory=lambda: {"default": 10.0},
        min_length=1,
        description="poll groups and their periods in seconds",
    )
    point: tuple[PointModel, ...] = Field(min_length=1, description="the points")
    vector: tuple[VectorModel, ...] = Field(default=(), description="test vectors")

    @field_validator("groups")
    @classmethod
    def _group_names(cls, groups: Mapping[str, float]) -> Mapping[str, float]:
        for name in groups:
            if not name.replace("_", "").isalnum() or name.startswith("every_"):
                msg = f"{name!r} cannot name a group"
                raise ValueError(msg)
        return groups
