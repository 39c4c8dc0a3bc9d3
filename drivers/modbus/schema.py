"""What may stand in a Modbus profile (TOML) beside its points and its identification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator

from drivers.modbus.fields import LAST_ADDRESS, MAX_BITS, MAX_REGISTERS, Span, Table
from drivers.modbus.identify_schema import IdentifyModel
from drivers.modbus.plan import Limits
from drivers.modbus.point_schema import Period, PointModel
from drivers.profiles.header import Header, Strict
from gateway.model.reading import Cause, Value

Address = Annotated[int, Field(ge=0, le=LAST_ADDRESS)]


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
    identify: IdentifyModel = Field(
        default=IdentifyModel(), description="by what a device of this model is recognised"
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
