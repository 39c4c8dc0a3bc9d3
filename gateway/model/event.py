"""What happened: a named thing with arguments, for people and for rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from gateway.model.clock import Instant
from gateway.model.ids import OPERATIONS, Audience, DeviceId

Scalar = str | int | float | bool


class Severity(IntEnum):
    """How much it matters; the number is the wire code."""

    INFO = 0
    WARNING = 1
    ALARM = 2
    """Goes out on the stream `alarm`, ahead of everything."""


@dataclass(frozen=True, slots=True)
class Event:
    """One occurrence. `key` names the text in the message catalogue, `args` fill it."""

    key: str
    at: Instant
    severity: Severity = Severity.INFO
    device: DeviceId | None = None
    args: Mapping[str, Scalar] = field(default_factory=dict)
    audience: Audience = OPERATIONS
