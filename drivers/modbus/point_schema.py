"""What may stand of one point in a Modbus profile, and how it becomes a point and its field."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Final, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from drivers.modbus.fields import MAX_WRITTEN_REGISTERS, REGISTERS, MappedPoint, Type
from drivers.modbus.place_schema import PlaceModel
from drivers.profiles.header import Strict, Texts
from gateway.model.ids import NAME_PATTERN, OPERATIONS, POINT_PATTERN, Audience, PointId
from gateway.model.reading import Deadband, Kind, Point, Value
from gateway.model.units import UNITS

Period = Annotated[float, Field(gt=0, le=86_400)]

_NUMBERS: Final = frozenset(Type) - {Type.BOOL, Type.STRING}
_FLOATS: Final = {Type.FLOAT32: Kind.FLOAT32, Type.FLOAT64: Kind.FLOAT64}


class StateModel(Strict):
    """One state of a point, with its name for people."""

    name: str = Field(min_length=1, description="its name in rules and in the platform")
    ru: str = Field(min_length=1, description="what a person calls it, in Russian")
    en: str = Field(min_length=1, description="what a person calls it, in English")


class PointModel(PlaceModel):
    """One point."""

    name: str = Field(pattern=POINT_PATTERN, description="name of the point")
    scale: float = Field(default=1.0, description="value = raw * scale + offset")
    offset: float = Field(default=0.0, description="value = raw * scale + offset")
    unit: str = Field(default="1", description="UCUM code")
    sentinel: tuple[int, ...] = Field(
        default=(), description="raw patterns that mean no value, for example [0xFFFF]"
    )
    states: Mapping[str, str | StateModel] = Field(
        default_factory=dict,
        description='names of the states, for example {0 = "off", 1 = "on"}, or tables of '
        "`name`, `ru` and `en`",
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
    safe: Value | None = Field(
        default=None, description="what an actuator is set to when nobody is in charge of it"
    )
    title: Texts | None = Field(default=None, description="what a person calls it")
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
    def _numbered(cls, states: Mapping[str, str | StateModel]) -> Mapping[str, str | StateModel]:
        if any(re.fullmatch(r"-?[0-9]{1,20}", number) is None for number in states):
            msg = "each state needs a whole number before its name"
            raise ValueError(msg)
        names = {name_of(state) for state in states.values()}
        if len(names) != len(states) or len({int(number) for number in states}) != len(states):
            msg = "two states have the same name or number"
            raise ValueError(msg)
        return states

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        problems = [*self.place_problems(), *self._value_problems(), *self._write_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _value_problems(self) -> list[str]:
        kind = self.kind_of_raw
        whole = self.scale == 1 and self.offset == 0
        width = 16 * REGISTERS.get(kind, 1)
        checks = {
            "scale must not be 0": self.scale == 0,
            "a string has no scale, sentinel, limits or deadband": kind is Type.STRING
            and not self._is_plain,
            "a bool has no scale, sentinel, limits or deadband": kind is Type.BOOL
            and not self._is_plain,
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
            "safe goes with writable only": self.safe is not None and not self.writable,
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

    def build(self) -> MappedPoint:
        """Return the point and its field."""
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
            states={int(number): name_of(state) for number, state in self.states.items()},
            audience=Audience(self.audience),
            writable=self.writable,
            deadband=deadband,
            low=self.low,
            high=self.high,
        )
        field = replace(
            self.build_field(),
            scale=self.scale,
            offset=self.offset,
            sentinels=frozenset(self.sentinel),
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


def name_of(state: str | StateModel) -> str:
    """Return the name of a state in rules and in the platform."""
    return state if isinstance(state, str) else state.name


def point_of(options: Mapping[str, object]) -> PointModel:
    """Return the point with these options.

    Raises:
        ValueError: a profile cannot have it; the message says why in one line.
    """
    try:
        return PointModel.model_validate(options)
    except ValidationError as error:
        says = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}".lstrip(": ")
            for problem in error.errors(include_url=False)
        )
        raise ValueError(says.replace("Value error, ", "")) from error
