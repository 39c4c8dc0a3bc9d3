"""What may stand in the profile of a device that speaks telegrams."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from drivers.profiles.header import Header, Strict, Texts
from drivers.telegrams.frame_schema import (
    AddressModel,
    ChecksumModel,
    FrameModel,
    LineModel,
    RefusalModel,
    hex_or_text,
)
from drivers.telegrams.language import Proof
from drivers.telegrams.pattern import compiled
from drivers.telegrams.template import Template, TemplateError, hex_template, text_template
from drivers.telegrams.values import Source, bytes_of
from gateway.model.ids import NAME_PATTERN, OPERATIONS, POINT_PATTERN, Audience, PointId
from gateway.model.reading import Cause, Deadband, Kind, Point, Value
from gateway.model.units import UNITS

Period = Annotated[float, Field(gt=0, le=86_400)]
TEXT_FORMS: Final = ("number", "integer", "hex", "text")


class PointModel(Strict):
    """One point."""

    name: str = Field(pattern=POINT_PATTERN, description="name of the point")
    group: str | None = Field(
        default=None, description="group whose answer has it; left out: the first one"
    )
    field: str = Field(
        default="", description="named group of the pattern; left out: the name of the point"
    )
    at: int | None = Field(
        default=None, ge=0, le=1023, description="offset in the telegram, where it is bytes"
    )
    form: str = Field(
        default="number",
        description="text: number, integer, hex, text; bytes: u8, i16le, u32be, float32le, bcd, "
        "ascii",
    )
    size: int | None = Field(default=None, ge=1, le=256, description="bytes of bcd and ascii")
    mask: int | None = Field(default=None, ge=1, lt=1 << 32, description="bits of it that count")
    kind: Literal["number", "bool", "text"] | None = Field(
        default=None, description="what it is; left out: as the form says, with states a state"
    )
    scale: float = Field(default=1.0, description="value = raw * scale + offset")
    offset: float = Field(default=0.0, description="value = raw * scale + offset")
    resolution: float | None = Field(
        default=None, gt=0, description="smallest step of a number in a text, in the point's unit"
    )
    unit: str = Field(default="1", description="UCUM code")
    unit_field: str = Field(default="", description="named group of the pattern that says the unit")
    units: Mapping[str, tuple[float, float]] = Field(
        default_factory=dict,
        description="by its text: scale and offset into the unit; another text means no value",
    )
    sentinel: tuple[float, ...] = Field(default=(), description="raw numbers that mean no value")
    no_value: tuple[str, ...] = Field(default=(), description="texts that mean no value")
    states: Mapping[str, str] = Field(
        default_factory=dict, description='names of the states, for example {0 = "off", 1 = "on"}'
    )
    codes: Mapping[str, int] = Field(
        default_factory=dict,
        description='numbers of the states by their text, for example {"OK" = 0}',
    )
    low: float | None = Field(default=None, description="lowest value that can be")
    high: float | None = Field(default=None, description="highest value that can be")
    deadband: float | None = Field(
        default=None, ge=0, description="smallest change that is told, in the unit of the point"
    )
    deadband_percent: float | None = Field(
        default=None, ge=0, le=100, description="smallest change that is told, in % of the last"
    )
    audience: str = Field(default=OPERATIONS, pattern=NAME_PATTERN, description="who may see it")
    title: Texts | None = Field(default=None, description="what a person calls it")
    caveat: Texts | None = Field(default=None, description="what a person should know about it")

    @field_validator("unit")
    @classmethod
    def _known_unit(cls, unit: str) -> str:
        if unit not in UNITS:
            msg = f"is no UCUM code in use here; there are: {', '.join(UNITS)}"
            raise ValueError(msg)
        return unit

    @field_validator("scale", "offset", "low", "high")
    @classmethod
    def _finite(cls, number: float | None) -> float | None:
        if number is not None and not math.isfinite(number):
            msg = "a finite number is needed"
            raise ValueError(msg)
        return number

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        plain = self.scale == 1 and self.offset == 0 and self.low is None and self.high is None
        numbers = [int(number) for number in self.states if number.lstrip("-").isdecimal()]
        checks = {
            "scale must not be 0": self.scale == 0,
            f"form is one of {', '.join(TEXT_FORMS)}, or give at": self.at is None
            and self.form not in TEXT_FORMS,
            "field and at exclude each other": bool(self.field) and self.at is not None,
            "states are numbers with names, each once": len(set(numbers)) != len(self.states)
            or len(set(self.states.values())) != len(self.states),
            "codes lead to states, or to 0 and 1 of a bool": not set(self.codes.values())
            <= (set(numbers) or ({0, 1} if self.kind == "bool" else set())),
            "codes and no_value go with a text": self.at is not None
            and bool(self.codes or (self.no_value and self.form != "ascii")),
            "states, texts and bools have no scale and no limits": not plain
            and self.kind_of in {Kind.STATE, Kind.TEXT, Kind.BOOL},
            "units and unit_field go together": bool(self.units) != bool(self.unit_field),
            "low is above high": self.low is not None
            and self.high is not None
            and self.low > self.high,
            "mask goes with whole numbers": self.mask is not None
            and self.form[:1] not in {"u", "i", "h"},
        }
        problems = [message for message, wrong in checks.items() if wrong]
        if self.at is not None:
            bytes_of(self.form, self.size)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def kind_of(self) -> Kind:
        """Return what the value is."""
        if self.states:
            return Kind.STATE
        if self.kind in {"bool", "text"}:
            return Kind(self.kind or "")
        if self.form in {"text", "ascii"}:
            return Kind.TEXT
        if self.units or (self.form == "number" and self.resolution is None):
            return Kind.FLOAT64
        if self.form.startswith("float"):
            return Kind.FLOAT32 if self.scale == 1 and self.offset == 0 else Kind.FLOAT64
        return Kind.NUMBER

    def build(self, *, writable: bool, audience: Audience) -> tuple[Point, Source]:
        """Return the point and where its value stands."""
        kind = self.kind_of
        deadband = None
        if self.deadband is not None or self.deadband_percent is not None:
            deadband = Deadband(self.deadband or 0.0, self.deadband_percent or 0.0)
        grid = kind is Kind.NUMBER
        point = Point(
            PointId(self.name),
            unit=self.unit,
            kind=kind,
            scale=(self.resolution or self.scale) if grid else 1.0,
            offset=self.offset if grid else 0.0,
            states={int(number): name for number, name in self.states.items()},
            audience=audience,
            writable=writable,
            deadband=deadband,
            low=self.low,
            high=self.high,
        )
        source = Source(
            self.form,
            group="" if self.at is not None else self.field or self.name,
            at=self.at or 0,
            size=0 if self.at is None else bytes_of(self.form, self.size),
            mask=self.mask,
            scale=self.scale,
            offset=self.offset,
            sentinels=frozenset(self.sentinel),
            no_value=frozenset(self.no_value),
            codes=dict(self.codes),
            unit_group=self.unit_field,
            units=dict(self.units),
        )
        return point, source


class MessageModel(Strict):
    """A request and its answer."""

    request: str = Field(default="", description="what is asked, as text with escapes and {places}")
    request_hex: str = Field(default="", description="the same in hex")
    answer: str = Field(
        default="", description="pattern of the body of the answer; {address} is the address"
    )
    begins_hex: str = Field(
        default="", description="what an answer in bytes begins with, in hex, with {address}"
    )
    frame: FrameModel | None = Field(
        default=None, description="how the answer begins and ends, if unlike other telegrams"
    )
    checksum: bool = Field(default=True, description="the answer has the checksum of the others")

    @field_validator("answer")
    @classmethod
    def _safe(cls, pattern: str) -> str:
        compiled(pattern)
        return pattern

    @model_validator(mode="after")
    def _readable(self) -> Self:
        self.template()
        if self.answer and self.begins_hex:
            msg = "the answer is a text (answer) or bytes (begins_hex)"
            raise ValueError(msg)
        if self.begins() and self.begins_hex and self.begins_places() - {"address"}:
            msg = "begins_hex has no place but {address}"
            raise ValueError(msg)
        return self

    def template(self) -> Template | None:
        """Return the request, or None when there is none.

        Raises:
            ValueError: it cannot be read.
        """
        if self.request and self.request_hex:
            msg = "give request or request_hex, not both"
            raise ValueError(msg)
        if self.request_hex:
            return hex_template(self.request_hex)
        return text_template(self.request) if self.request else None

    def begins(self) -> Template | None:
        """Return how an answer in bytes begins.

        Raises:
            TemplateError: it cannot be read.
        """
        return hex_template(self.begins_hex) if self.begins_hex else None

    def begins_places(self) -> frozenset[str]:
        """Return what goes into the beginning of an answer."""
        made = self.begins()
        return made.places if made else frozenset()


class GroupModel(MessageModel):
    """A poll group: what is asked together."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", description="name of the group")
    period_s: Period = Field(
        default=10.0, description="how often it is asked; of told ones: the longest silence"
    )
    told: bool = Field(default=False, description="the device tells it by itself")

    @model_validator(mode="after")
    def _asked_or_told(self) -> Self:
        template = self.template()
        if (template is None) != self.told:
            msg = "a group has a request, or told = true"
            raise ValueError(msg)
        if template and template.places - {"address", "checksum"}:
            msg = "a request of a group has no place but {address} and {checksum}"
            raise ValueError(msg)
        return self


class WriteModel(MessageModel):
    """How a point is set."""

    point: str = Field(description="the point")
    proof: Proof = Field(
        default=Proof.POLL,
        description="poll: its group is asked; answer: the answer says it; none: nothing does",
    )
    silent: bool = Field(default=False, description="the device says nothing to it")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        template = self.template()
        if template is None or template.places - {"address", "checksum", "value"}:
            msg = "a request is needed, with {value}, {address}, {checksum} in it"
            raise ValueError(msg)
        if self.silent and (self.answer or self.begins_hex or self.proof is Proof.ANSWER):
            msg = "a device that says nothing has no answer"
            raise ValueError(msg)
        return self


class VectorModel(Strict):
    """A request, its answer, and what the points must then be; tried by the tests."""

    group: str = Field(default="", description="the group it is about; told ones as well")
    write: str = Field(default="", description="or the point that is set")
    value: Value | None = Field(default=None, description="to what it is set")
    address: int | str | None = Field(
        default=None, description="of the device; left out: the default one"
    )
    request: str = Field(default="", description="as it goes out, as text with escapes")
    request_hex: str = Field(default="", description="the same in hex")
    answer: str = Field(default="", description="as it comes, as text with escapes")
    answer_hex: str = Field(default="", description="the same in hex")
    values: Mapping[str, Value] = Field(
        default_factory=dict, description="values of points of the group"
    )
    flags: Mapping[str, str] = Field(
        default_factory=dict,
        description='points without a good value, with the cause, for example "no_value"',
    )
    refused: int | None = Field(
        default=None, description="the answer is a refusal with this code; -1: it has none"
    )
    origin: str = Field(
        default="", description="where it stands in the source; left out: made from its rules"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.group) == bool(self.write):
            msg = "a vector is about a group or a write"
            raise ValueError(msg)
        self.bytes_out()
        self.bytes_in()
        return self

    @field_validator("flags")
    @classmethod
    def _causes(cls, flags: Mapping[str, str]) -> Mapping[str, str]:
        for cause in flags.values():
            if cause.upper() not in Cause.__members__:
                allowed = ", ".join(name.lower() for name in Cause.__members__)
                msg = f"{cause!r} is not one of {allowed}"
                raise ValueError(msg)
        return flags

    def bytes_out(self) -> bytes:
        """Return the request."""
        return hex_or_text(self.request, self.request_hex)

    def bytes_in(self) -> bytes:
        """Return the answer."""
        return hex_or_text(self.answer, self.answer_hex)


class SerialModel(Header):
    """A device that speaks telegrams over a serial line."""

    protocol: Literal["serial"] = Field(description="serial")
    line: LineModel = Field(
        default=LineModel(), description="how the device is set when it is delivered"
    )
    frame: FrameModel = Field(description="how telegrams begin and end")
    checksum: ChecksumModel | None = Field(default=None, description="their checksum")
    address: AddressModel | None = Field(
        default=None, description="what tells devices on one line apart"
    )
    gap_ms: float = Field(
        default=0, ge=0, le=2000, description="rest between an answer and the next request"
    )
    echo: bool = Field(default=False, description="the device repeats the request first")
    refusal: tuple[RefusalModel, ...] = Field(default=(), description="how the device says no")
    group: tuple[GroupModel, ...] = Field(min_length=1, description="poll groups")
    point: tuple[PointModel, ...] = Field(min_length=1, description="the points")
    write: tuple[WriteModel, ...] = Field(default=(), description="how points are set")
    vector: tuple[VectorModel, ...] = Field(default=(), description="test vectors")


__all__ = [
    "GroupModel",
    "MessageModel",
    "PointModel",
    "SerialModel",
    "TemplateError",
    "VectorModel",
    "WriteModel",
]
