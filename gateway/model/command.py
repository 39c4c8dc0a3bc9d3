"""What somebody wants done, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.model.clock import Instant
from gateway.model.ids import CommandId, DeviceId, PointId
from gateway.model.reading import Value


class Outcome(StrEnum):
    """How a command ended. Taken apart with `match` and `assert_never`."""

    DONE = "done"
    """Read back and as asked."""
    REFUSED = "refused"
    """Not allowed, not possible, or the device said no: nothing was moved."""
    FAILED = "failed"
    """Tried, and read back as something else."""
    EXPIRED = "expired"
    """Its time ran out before it was sent."""
    UNKNOWN = "unknown"
    """Sent, not confirmed. Never repeated by itself."""


@dataclass(frozen=True, slots=True)
class Command:
    """Set one point of one device."""

    id: CommandId
    device: DeviceId
    point: PointId
    value: Value


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How it ended, when, why, and what was read back."""

    id: CommandId
    outcome: Outcome
    at: Instant
    reason: str = ""
    read_back: Value | None = None
