"""What may stand of identification in a Modbus profile: by what a device is recognised."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from drivers.modbus.fields import MappedPoint, Type
from drivers.modbus.identify import OBJECTS, Identification, Plausible, Signature
from drivers.modbus.place_schema import PlaceModel
from drivers.profiles.header import Strict
from gateway.model.ids import POINT_PATTERN, PointId
from gateway.model.reading import Kind, Point, Value

Unit = Annotated[int, Field(ge=1, le=247)]
BaudRate = Annotated[int, Field(ge=300, le=1_000_000)]
_LAST_OBJECT: Final = 0xFF
_FLOATS: Final = frozenset({Type.FLOAT32, Type.FLOAT64})


def _regular(pattern: str | None) -> str | None:
    if pattern is not None:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            msg = f"this is no regular expression: {error}"
            raise ValueError(msg) from error
    return pattern


def _needs_match(pattern: str, example: str | None) -> None:
    if example is not None and re.match(pattern, example) is None:
        msg = f"the example {example!r} does not match the pattern {pattern!r}"
        raise ValueError(msg)


class ObjectModel(Strict):
    """An object of the device identification (function 0x2B/0x0E)."""

    id: str | int = Field(description=f"number, or name: {', '.join(OBJECTS)}")
    pattern: str = Field(
        min_length=1, description="regular expression that its text matches from the beginning"
    )
    example: str | None = Field(default=None, description="a text that a device really gave")

    @field_validator("id")
    @classmethod
    def _known(cls, found: str | int) -> str | int:
        if isinstance(found, str):
            if found not in OBJECTS:
                msg = f"is no object; there are: {', '.join(OBJECTS)}, or a number"
                raise ValueError(msg)
        elif not 0 <= found <= _LAST_OBJECT:
            msg = "an object has a number from 0 to 255"
            raise ValueError(msg)
        return found

    @field_validator("pattern")
    @classmethod
    def _expression(cls, pattern: str) -> str:
        _regular(pattern)
        return pattern

    @model_validator(mode="after")
    def _matches(self) -> Self:
        _needs_match(self.pattern, self.example)
        return self

    @property
    def number(self) -> int:
        """Return the number of the object."""
        return OBJECTS[self.id] if isinstance(self.id, str) else self.id


class SignatureModel(PlaceModel):
    """Registers that hold something only this model has there."""

    equals: tuple[Value, ...] = Field(default=(), description="raw values it may have, or texts")
    low: float | None = Field(default=None, description="lowest raw value it may have")
    high: float | None = Field(default=None, description="highest raw value it may have")
    pattern: str | None = Field(
        default=None, description="regular expression that a string matches from the beginning"
    )
    example: str | None = Field(default=None, description="a text that a device really gave")

    @field_validator("pattern")
    @classmethod
    def _expression(cls, pattern: str | None) -> str | None:
        return _regular(pattern)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        problems = self.place_problems()
        text = self.kind_of_raw is Type.STRING
        checks = {
            "equals, low, high or pattern is needed": not self.equals
            and self.low is None
            and self.high is None
            and self.pattern is None,
            "pattern goes with a string only": self.pattern is not None and not text,
            "low and high go with numbers only": (self.low is not None or self.high is not None)
            and (text or self.kind_of_raw is Type.BOOL),
            "low is above high": self.low is not None
            and self.high is not None
            and self.low > self.high,
            "equals has a value of another type than the registers": not all(
                self._goes(value) for value in self.equals
            ),
        }
        problems += [message for message, wrong in checks.items() if wrong]
        if problems:
            raise ValueError("; ".join(problems))
        _needs_match(self.pattern or "", self.example)
        return self

    def _goes(self, value: Value) -> bool:
        match self.kind_of_raw:
            case Type.STRING:
                return isinstance(value, str)
            case Type.BOOL:
                return isinstance(value, bool)
            case kind if kind in _FLOATS:
                return isinstance(value, (int, float)) and not isinstance(value, bool)
            case _:
                return isinstance(value, int) and not isinstance(value, bool)

    def build(self) -> Signature:
        """Return it as plain data."""
        kind = {Type.STRING: Kind.TEXT, Type.BOOL: Kind.BOOL}.get(self.kind_of_raw, Kind.FLOAT64)
        point = Point(PointId("signature"), kind=kind, low=self.low, high=self.high)
        return Signature(
            MappedPoint(point, self.build_field()), frozenset(self.equals), self.pattern
        )


class PlausibleModel(Strict):
    """What a point of a healthy, installed device lies between."""

    point: str = Field(pattern=POINT_PATTERN, description="name of the point")
    low: float = Field(description="lowest value of a healthy device, in the unit of the point")
    high: float = Field(description="highest value of a healthy device, in the unit of the point")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if not self.low <= self.high:
            msg = "low is above high"
            raise ValueError(msg)
        return self


class IdentifyModel(Strict):
    """By what a device of this model is found and recognised."""

    units: tuple[Unit, ...] = Field(
        default=(), description="unit identifiers as it leaves the factory"
    )
    baud_rates: tuple[BaudRate, ...] = Field(
        default=(), description="speeds in bits per second, that of the factory first"
    )
    parity: Literal["none", "even", "odd"] | None = Field(
        default=None, description="parity as it leaves the factory"
    )
    stop_bits: Literal[1, 2] | None = Field(
        default=None, description="stop bits as it leaves the factory"
    )
    object: tuple[ObjectModel, ...] = Field(
        default=(), description="objects of the device identification"
    )
    signature: tuple[SignatureModel, ...] = Field(
        default=(), description="registers that tell this model from others"
    )
    plausible: tuple[PlausibleModel, ...] = Field(
        default=(), description="what points of a healthy device lie between"
    )

    @field_validator("object")
    @classmethod
    def _once(cls, objects: tuple[ObjectModel, ...]) -> tuple[ObjectModel, ...]:
        if len({each.number for each in objects}) != len(objects):
            msg = "two entries for the same object"
            raise ValueError(msg)
        return objects

    def build(self) -> Identification:
        """Return it as plain data."""
        return Identification(
            units=self.units,
            baud_rates=self.baud_rates,
            parity=self.parity,
            stop_bits=self.stop_bits,
            objects={each.number: each.pattern for each in self.object},
            signatures=tuple(each.build() for each in self.signature),
            plausible=tuple(
                Plausible(PointId(each.point), each.low, each.high) for each in self.plausible
            ),
        )
