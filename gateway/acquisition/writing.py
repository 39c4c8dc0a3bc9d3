"""One command to one device: sent once, ahead of polls, and judged by what was read back."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import Final

from gateway.acquisition.qualify import error_text
from gateway.model.clock import Clock
from gateway.model.command import Command, CommandResult, Outcome
from gateway.model.driver import CommandableDriver, Driver, Medium
from gateway.model.errors import (
    BusUnavailableError,
    CommandRefusedError,
    DeviceError,
    DeviceFaultError,
    DeviceRejectedError,
)
from gateway.model.reading import Kind, Point, Value

_FLOAT32_REL: Final = 2.0**-23
_FLOAT64_REL: Final = 1e-12


def is_as_asked(point: Point | None, asked: Value, read_back: Value) -> bool:
    """Say whether a value read back is the one that was asked for, as far as the point can tell.

    Args:
        point: what was written; None when no table names it: then both must be equal.
        asked: the value of the command.
        read_back: what the device says now.
    """
    if asked == read_back:
        return True
    if point is None or isinstance(asked, str) or isinstance(read_back, str):
        return False
    match point.kind:
        case Kind.NUMBER | Kind.COUNTER:
            return abs(asked - read_back) <= abs(point.scale) / 2 * (1 + 1e-9)
        case Kind.FLOAT32:
            return math.isclose(asked, read_back, rel_tol=_FLOAT32_REL)
        case Kind.FLOAT64:
            return math.isclose(asked, read_back, rel_tol=_FLOAT64_REL)
        case _:
            return False


@dataclass(frozen=True, slots=True)
class Order:
    """A command at the device it is for."""

    command: Command
    line: Medium
    driver: Driver
    point: Point | None
    """As a group of the driver has it; None when it can only be written."""
    private: bool = False
    """A point of the line is not for everybody: no answer is told in bytes."""


async def carry_out(order: Order, clock: Clock, deadline_s: float = math.inf) -> CommandResult:
    """Write once, read back, and say how that ended. Never repeats.

    Args:
        order: what to write where.
        clock: gives the time of the result.
        deadline_s: monotonic seconds; past it nothing is sent. Once it was handed to the line the
            deadline ends only the wait: the outcome is then UNKNOWN.
    """
    read_back: Value | None = None
    outcome, reason = await _make_ready(order, deadline_s - clock.monotonic_s())
    driver = order.driver
    if outcome is None and isinstance(driver, CommandableDriver):
        command = order.command
        try:
            async with asyncio.timeout(_seconds(deadline_s - clock.monotonic_s())):
                read_back = await driver.write(command.point, command.value)
        except (CommandRefusedError, DeviceError, TimeoutError) as error:
            outcome = _outcome_of(error)
            reason = error_text(error, private=order.private)
            reason = reason or "its time ran out while the device was being asked"
        else:
            done = is_as_asked(order.point, command.value, read_back)
            outcome = Outcome.DONE if done else Outcome.FAILED
            reason = "" if done else "read back as another value"
    if outcome is None:
        outcome, reason = Outcome.REFUSED, f"device {order.command.device} takes no commands"
    return CommandResult(order.command.id, outcome, clock.now(), reason, read_back)


async def _make_ready(order: Order, left_s: float) -> tuple[Outcome | None, str]:
    """Open the line if it is not, so that what fails from here on may have been sent."""
    if left_s <= 0:
        return Outcome.EXPIRED, "its time had run out before it was sent"
    try:
        async with asyncio.timeout(_seconds(left_s)):
            await order.line.open()
    except BusUnavailableError as error:
        return Outcome.REFUSED, str(error)
    except TimeoutError:
        return Outcome.EXPIRED, "its time ran out while the line was being opened"
    return None, ""


def _outcome_of(error: Exception) -> Outcome:
    match error:
        case CommandRefusedError() | DeviceRejectedError():
            return Outcome.REFUSED
        case DeviceFaultError():
            return Outcome.FAILED
        case _:
            return Outcome.UNKNOWN


def _seconds(left_s: float) -> float | None:
    return left_s if left_s < math.inf else None
