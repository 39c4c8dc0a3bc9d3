"""What one model of device says and understands: a checked profile as plain data that pickles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from drivers.telegrams.checksums import Checksum
from drivers.telegrams.pattern import compiled
from drivers.telegrams.shape import Shape
from drivers.telegrams.template import Template
from drivers.telegrams.values import Source
from gateway.model.ids import PointId
from gateway.model.reading import Point


class Proof(StrEnum):
    """How it is known that something was set."""

    POLL = "poll"
    """The group of the point is asked for."""
    ANSWER = "answer"
    """The answer to the command says what the point is now."""
    NONE = "none"
    """Nothing says it: the outcome of a command is unknown."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an answer looks like."""

    shape: Shape
    pattern: str = ""
    """Of its body, where it is a text; `{address}` stands for the address."""
    begins: Template | None = None
    """How it begins, where it is bytes."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """How the device says no."""

    shape: Shape
    pattern: str = ""
    """Of its body; a group `code` is the code of the refusal."""
    begins: bytes = b""
    code_at: int | None = None


@dataclass(frozen=True, slots=True)
class Topic:
    """A poll group: what is asked and what comes."""

    name: str
    period_s: float
    reply: Reply
    request: Template | None = None
    """None: the device tells it by itself."""


@dataclass(frozen=True, slots=True)
class Order:
    """How a point is set."""

    request: Template
    reply: Reply | None
    """None: the device says nothing to it."""
    proof: Proof


@dataclass(frozen=True, slots=True)
class Addressing:
    """What an address of this model is."""

    kind: str = "none"
    """none, number, text"""
    default: int | str = ""
    low: int = 0
    high: int = 255
    pattern: str = ""

    def check(self, address: int | str) -> int | str:
        """Return the address as the driver uses it.

        Raises:
            ValueError: the model has no such address; the sentence says which it has.
        """
        if self.kind == "none":
            if address != "":
                msg = "this model has no address"
                raise ValueError(msg)
            return ""
        if self.kind == "number":
            if not isinstance(address, int) or not self.low <= address <= self.high:
                msg = f"{address!r} is no address of this model: {self.low} to {self.high}"
                raise ValueError(msg)
            return address
        text = str(address)
        if not compiled(self.pattern).fullmatch(text):
            msg = f"{text!r} is no address of this model: {self.pattern}"
            raise ValueError(msg)
        return text


@dataclass(frozen=True, slots=True)
class Language:
    """All that a driver needs of a profile."""

    name: str
    topics: Mapping[str, Topic]
    points: Mapping[PointId, tuple[Point, Source]]
    topic_of: Mapping[PointId, str]
    """The group of each point; a point that is only written has none."""
    orders: Mapping[PointId, Order] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    checksum: Checksum | None = None
    """Of requests."""
    address: Addressing = field(default_factory=Addressing)
    gap_s: float = 0.0
    echo: bool = False
