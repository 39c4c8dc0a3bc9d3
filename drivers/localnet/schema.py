"""What may stand in a profile of an MQTT or HTTP device (TOML)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from drivers.localnet.documents import parse_pointer
from drivers.localnet.points import Sign, Source
from drivers.profiles.header import Header, Strict, Texts
from gateway.model.ids import NAME_PATTERN, OPERATIONS, POINT_PATTERN, Audience, PointId
from gateway.model.reading import Cause, Deadband, Kind, Point, Value
from gateway.model.units import UNITS

Period = Annotated[float, Field(gt=0, le=604_800)]
GroupName = Annotated[str, Field(pattern=NAME_PATTERN)]
Pointer = Annotated[str, Field(max_length=256)]
Template = Annotated[str, Field(min_length=1, max_length=512)]

KINDS: Final = {
    "number": Kind.FLOAT64,
    "bool": Kind.BOOL,
    "state": Kind.STATE,
    "text": Kind.TEXT,
}


def _is_pointer(pointer: str | None) -> str | None:
    if pointer is not None:
        parse_pointer(pointer)
    return pointer


class PointModel(Strict):
    """One point."""

    name: str = Field(pattern=POINT_PATTERN, description="name of the point")
    group: GroupName | None = Field(default=None, description="its group; left out: the first one")
    pointer: Pointer = Field(
        default="", description="where it stands, a JSON pointer; of a plain text nothing"
    )
    type: Literal["number", "bool", "state", "text"] = Field(
        default="number", description="what it is"
    )
    scale: float = Field(default=1.0, description="value = raw * scale + offset")
    offset: float = Field(default=0.0, description="value = raw * scale + offset")
    unit: str = Field(default="1", description="UCUM code")
    sentinel: tuple[float, ...] = Field(default=(), description="numbers that mean no value")
    no_value: tuple[str, ...] = Field(default=(), description="texts that mean no value")
    states: Mapping[str, str] = Field(
        default_factory=dict, description='names of the states, for example {0 = "off", 1 = "on"}'
    )
    codes: Mapping[str, int] = Field(
        default_factory=dict,
        description="texts that stand for states or for true and false: {ON = 1, OFF = 0}",
    )
    low: float | None = Field(default=None, description="lowest value that can be")
    high: float | None = Field(default=None, description="highest value that can be")
    deadband: float | None = Field(
        default=None, ge=0, description="smallest change that is told, in the unit of the point"
    )
    audience: str = Field(default=OPERATIONS, pattern=NAME_PATTERN, description="who may see it")
    caveat: Texts | None = Field(default=None, description="what a person should know about it")

    _pointer = field_validator("pointer")(_is_pointer)

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
        number = self.type == "number"
        measured = (
            self.scale != 1
            or self.offset != 0
            or self.low is not None
            or self.high is not None
            or bool(self.sentinel)
            or self.unit != "1"
        )
        checks = {
            "scale must not be 0": self.scale == 0,
            "unit, scale, offset, sentinel and limits go with numbers": measured and not number,
            "states go with type state, which needs them": (self.type == "state")
            is not bool(self.states),
            "codes go with type state or bool": bool(self.codes)
            and self.type not in {"state", "bool"},
            "a code of a bool is 0 or 1": self.type == "bool"
            and any(code not in {0, 1} for code in self.codes.values()),
            "a code is none of the states": self.type == "state"
            and any(str(code) not in self.states for code in self.codes.values()),
            "low is above high": self.low is not None
            and self.high is not None
            and self.low > self.high,
        }
        return (message for message, wrong in checks.items() if wrong)

    def build(self, audience: Audience, *, writable: bool) -> tuple[Point, Source]:
        """Return the point and where it stands."""
        point = Point(
            PointId(self.name),
            unit=self.unit,
            kind=KINDS[self.type],
            states={int(number): name for number, name in self.states.items()},
            audience=audience,
            writable=writable,
            deadband=None if self.deadband is None else Deadband(self.deadband),
            low=self.low,
            high=self.high,
        )
        source = Source(
            steps=parse_pointer(self.pointer),
            scale=self.scale,
            offset=self.offset,
            sentinels=frozenset(self.sentinel),
            no_value=frozenset(self.no_value),
            codes=dict(self.codes),
        )
        return point, source


class SignModel(Strict):
    """What must stand in a document for it to be one of this group."""

    pointer: Pointer = Field(description="where, a JSON pointer")
    text: str = Field(description="what, as text: a word, a number, true, false, null")

    _pointer = field_validator("pointer")(_is_pointer)

    def build(self) -> Sign:
        """Return it as plain data."""
        return Sign(parse_pointer(self.pointer), self.text)


class GroupModel(Strict):
    """Points that come in one document."""

    name: GroupName = Field(description="name of the group")
    partial: bool = Field(
        default=False, description="what is missing in a document stays as it was"
    )
    match: tuple[SignModel, ...] = Field(
        default=(), description="what tells its documents from others of the same place"
    )
    identity: Pointer | None = Field(
        default=None, description="where the device says its id, which must be that of the site"
    )

    _pointer = field_validator("identity")(_is_pointer)


class MqttGroupModel(GroupModel):
    """Points that come in the messages of some topics."""

    topics: tuple[Template, ...] = Field(
        min_length=1, description="where they come, with {id} and parameters; no wildcards"
    )
    longest_silence_s: Period = Field(description="silence after which the points are BAD")
    format: Literal["json", "plain"] = Field(
        default="json", description="plain: the whole message is the value"
    )


class HttpGroupModel(GroupModel):
    """Points that are asked for in one request, or come by web hook."""

    path: Template | None = Field(
        default=None, description="what is asked, with {id} and parameters; none: by web hook"
    )
    period_s: Period = Field(
        description="how often it is asked; by web hook: silence after which the points are BAD"
    )


class AvailabilityModel(Strict):
    """Where the broker says whether the device is there."""

    topic: Template = Field(description="topic of its birth message and its will")
    online: tuple[str, ...] = Field(default=("online",), description="texts that say it is")
    offline: tuple[str, ...] = Field(default=("offline",), description="texts that say it is not")
    pointer: Pointer | None = Field(
        default=None, description="where it stands in a message of JSON; plain text is taken too"
    )

    _pointer = field_validator("pointer")(_is_pointer)


class MqttWriteModel(Strict):
    """How a point is set; its group is the proof."""

    point: str = Field(description="which one")
    topic: Template = Field(description="where it is told, with {id} and parameters")
    payload: Template = Field(
        default="{value}", description="what is told; {value}: JSON, or the text of a code"
    )
    format: Literal["json", "plain"] = Field(
        default="json", description="plain: texts come without quotes"
    )
    ask_topic: Template | None = Field(
        default=None, description="what makes the device tell its state, where it does not itself"
    )
    ask_payload: str = Field(default="", max_length=512, description="and what is told there")


class HttpWriteModel(Strict):
    """How a point is set; its group is asked for proof."""

    point: str = Field(description="which one")
    method: Literal["GET", "POST", "PUT"] = Field(default="POST", description="of the request")
    path: Template = Field(description="what is asked, with {id}, {value} and parameters")
    payload: str = Field(default="", max_length=512, description="JSON, with {value}")


class VectorModel(Strict):
    """A document and what the points must then be, or a value and what is told then."""

    group: str | None = Field(default=None, description="the group it is about")
    document: str | None = Field(default=None, description="as it comes")
    retained: bool = Field(default=False, description="the broker had kept it")
    id: str = Field(default="device", min_length=1, description="of the device")
    values: Mapping[str, Value] = Field(default_factory=dict, description="values of points")
    flags: Mapping[str, str] = Field(
        default_factory=dict,
        description='points without a good value, with the cause, for example "no_value"',
    )
    untold: tuple[str, ...] = Field(default=(), description="points that do not stand in it")
    write: str | None = Field(default=None, description="or the point that is set")
    value: Value | None = Field(default=None, description="to what it is set")
    sent: str | None = Field(
        default=None, description="where it is told: a topic, or a method and a path"
    )
    payload: str = Field(default="", description="what is told")
    origin: str = Field(
        default="", description="where it stands in the source; left out: made from its rules"
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
        asked = (self.group is not None, self.document is not None)
        told = (self.write is not None, self.value is not None, self.sent is not None)
        if not ((all(asked) and not any(told)) or (all(told) and not any(asked))):
            msg = "give either group and document, or write, value and sent"
            raise ValueError(msg)
        return self


class LocalProfileModel(Header):
    """What both protocols share."""

    parameters: Mapping[Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,31}$")], str] = Field(
        default_factory=dict, description="further placeholders, with what they are by default"
    )
    point: tuple[PointModel, ...] = Field(min_length=1, description="the points")
    vector: tuple[VectorModel, ...] = Field(default=(), description="test vectors")


class MqttProfileModel(LocalProfileModel):
    """A device that speaks MQTT."""

    protocol: Literal["mqtt"] = "mqtt"
    availability: AvailabilityModel | None = Field(
        default=None, description="where the broker says whether it is there"
    )
    group: tuple[MqttGroupModel, ...] = Field(min_length=1, description="what comes together")
    write: tuple[MqttWriteModel, ...] = Field(default=(), description="what can be set")


class HttpProfileModel(LocalProfileModel):
    """A device that speaks HTTP."""

    protocol: Literal["http"] = "http"
    group: tuple[HttpGroupModel, ...] = Field(min_length=1, description="what comes together")
    write: tuple[HttpWriteModel, ...] = Field(default=(), description="what can be set")
