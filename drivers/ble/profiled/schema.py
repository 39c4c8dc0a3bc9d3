"""What may stand in a profile of a Bluetooth device (TOML)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from drivers.ble.advert import uuid_of
from drivers.ble.profiled import fields
from drivers.ble.profiled.fields import SIZES, Type
from drivers.profiles.header import Header, Strict, Texts
from gateway.model.ids import NAME_PATTERN, OPERATIONS, POINT_PATTERN, Audience, PointId
from gateway.model.reading import Cause, Deadband, Kind, Point, Value
from gateway.model.units import UNITS

Period = Annotated[float, Field(gt=0, le=86_400)]
Hex = Annotated[str, Field(pattern="^([0-9a-fA-F]{2} ?)*$")]
_SHORT: Final = re.compile("[0-9a-fA-F]{4}")
LONGEST: Final = 512
"""Bytes of an attribute (Core Specification, Vol 3 Part F, 3.2.9)."""


def long_uuid(uuid: str) -> str:
    """Return a UUID of 128 bits in lower case, of a short one too."""
    return uuid_of(int(uuid, 16)) if _SHORT.fullmatch(uuid) else uuid.lower()


Uuid = Annotated[
    str,
    Field(pattern="^([0-9a-fA-F]{4}|[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12})$"),
]


class PointModel(Strict):
    """One point."""

    name: str = Field(pattern=POINT_PATTERN, description="name of the point")
    characteristic: str | None = Field(
        default=None, description="name of its characteristic; only of a device one connects to"
    )
    at: int = Field(ge=0, lt=LONGEST, description="its first byte, counted from 0")
    type: Type = Field(description="what stands there")
    order: Literal["little", "big"] = Field(default="little", description="byte order")
    length: int | None = Field(default=None, ge=1, le=LONGEST, description="of a string, in bytes")
    mask: int | None = Field(
        default=None, ge=1, le=0xFFFF_FFFF, description="bits that belong to the point"
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
    deadband: float | None = Field(
        default=None, ge=0, description="smallest change that is told, in the unit of the point"
    )
    audience: str = Field(default=OPERATIONS, pattern=NAME_PATTERN, description="who may see it")
    writable: bool = Field(default=False, description="may be written, and is read back")
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
        if any(not number.isdecimal() for number in states):
            msg = "each state needs a whole number before its name"
            raise ValueError(msg)
        return states

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        problems = list(self._problems())
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        text = self.type is Type.STRING
        plain = self.scale == 1 and self.offset == 0
        bits = 8 * SIZES.get(self.type, 0)
        floating = self.type is Type.FLOAT32
        checks = {
            "scale must not be 0": self.scale == 0,
            "a string needs a length, nothing else has one": text != (self.length is not None),
            "a string or a bool has no scale, sentinel or limits": (text or self.type is Type.BOOL)
            and not (plain and not self.sentinel and self.low is None and self.high is None),
            "mask goes with whole numbers and bool": self.mask is not None and (text or floating),
            "the mask is wider than the type": self.mask is not None
            and self.mask.bit_length() > bits > 0,
            "a sentinel is a raw pattern of the type": any(
                not 0 <= raw < 1 << bits for raw in self.sentinel
            ),
            "sentinel goes with whole numbers": bool(self.sentinel) and floating,
            "states go with whole numbers without scale or limits": bool(self.states)
            and (text or floating or self.type is Type.BOOL or not plain),
            "low is above high": self.low is not None
            and self.high is not None
            and self.low > self.high,
            "a string or a float32 cannot be written": self.writable and (text or floating),
            "writable goes with a characteristic": self.writable and self.characteristic is None,
        }
        return (message for message, wrong in checks.items() if wrong)

    def build(self, audience: Audience) -> fields.Placed:
        """Return the point and its place."""
        kind = Kind.NUMBER
        if self.states:
            kind = Kind.STATE
        elif self.type is Type.BOOL:
            kind = Kind.BOOL
        elif self.type is Type.STRING:
            kind = Kind.TEXT
        elif self.type is Type.FLOAT32:
            kind = Kind.FLOAT32 if self.scale == 1 and self.offset == 0 else Kind.FLOAT64
        grid = kind is Kind.NUMBER
        point = Point(
            PointId(self.name),
            unit=self.unit,
            kind=kind,
            scale=self.scale if grid else 1.0,
            offset=self.offset if grid else 0.0,
            states={int(number): name for number, name in self.states.items()},
            audience=audience,
            writable=self.writable,
            deadband=None if self.deadband is None else Deadband(self.deadband),
            low=self.low,
            high=self.high,
        )
        return fields.Placed(
            point,
            fields.Field(
                at=self.at,
                type=self.type,
                order=self.order,
                length=self.length or 0,
                mask=self.mask,
                scale=self.scale,
                offset=self.offset,
                sentinels=frozenset(self.sentinel),
            ),
        )


class SignModel(Strict):
    """What must stand in a frame for it to be one of this device."""

    at: int = Field(ge=0, lt=LONGEST, description="first byte, counted from 0")
    bytes: Hex = Field(min_length=2, description="what stands there, in hex")


class FrameModel(Strict):
    """The frame that a device advertises."""

    company: int | None = Field(
        default=None, ge=0, le=0xFFFF, description="company identifier of its manufacturer data"
    )
    service: Uuid | None = Field(default=None, description="or the UUID of its service data")
    length: int | None = Field(
        default=None, ge=1, le=LONGEST, description="of the data, without company or UUID"
    )
    match: tuple[SignModel, ...] = Field(
        default=(), description="what tells its frames from others of the same company"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.company is None) == (self.service is None):
            msg = "give either company or service"
            raise ValueError(msg)
        return self


class CharacteristicModel(Strict):
    """A characteristic of a device one connects to."""

    name: str = Field(pattern=POINT_PATTERN, description="what the points call it")
    uuid: Uuid = Field(description="its UUID, of 16 bits (2A6E) or of 128")
    group: str | None = Field(default=None, description="poll group; left out: the first one")
    how: Literal["read", "notify"] = Field(
        default="read", description="notify: subscribe, and take the first value that is told"
    )


class VectorModel(Strict):
    """A frame or a value, and what the points must then be; checked by `make test`."""

    frame: Hex | None = Field(default=None, description="data without company or UUID, in hex")
    characteristic: str | None = Field(default=None, description="or the one that is read")
    value: Hex | None = Field(default=None, description="and what it holds, in hex")
    values: Mapping[str, Value] = Field(default_factory=dict, description="values of points")
    flags: Mapping[str, str] = Field(
        default_factory=dict,
        description='points without a good value, with the cause, for example "no_value"',
    )

    @field_validator("flags")
    @classmethod
    def _causes(cls, flags: Mapping[str, str]) -> Mapping[str, str]:
        for cause in flags.values():
            if cause.upper() not in Cause.__members__:
                allowed = ", ".join(name.lower() for name in Cause.__members__)
                msg = f"{cause!r} is not one of {allowed}"
                raise ValueError(msg)
        return flags

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.frame is None) == (self.characteristic is None) or (
            (self.characteristic is None) != (self.value is None)
        ):
            msg = "give either frame, or characteristic and value"
            raise ValueError(msg)
        return self


class BleProfileModel(Header):
    """A Bluetooth device: a frame that it advertises, or characteristics one connects to."""

    protocol: Literal["ble"] = "ble"
    frame: FrameModel | None = Field(default=None, description="what it advertises")
    groups: Mapping[str, Period] = Field(
        default_factory=dict, description="poll groups of characteristics, with their seconds"
    )
    characteristic: tuple[CharacteristicModel, ...] = Field(
        default=(), description="what can be read from it"
    )
    point: tuple[PointModel, ...] = Field(min_length=1, description="the points")
    vector: tuple[VectorModel, ...] = Field(default=(), description="test vectors")

    @model_validator(mode="after")
    def _frame_or_characteristics(self) -> Self:
        if (self.frame is None) == (not self.characteristic):
            msg = "give either a frame, or characteristics"
            raise ValueError(msg)
        if bool(self.characteristic) != bool(self.groups):
            msg = "groups go with characteristics"
            raise ValueError(msg)
        return self
