"""Keeps a task alive without touching its siblings. The only place that catches every Exception."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from gateway.model.clock import Clock
from gateway.model.errors import ConfigError

log = logging.getLogger(__name__)

Factory = Callable[[], Awaitable[None]]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Failure:
    """One end of a task that was not meant to end so."""

    task: str
    error: Exception
    in_a_row: int
    """Counts from 1; begins anew after the task ran well for a while."""
    restart_in_s: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait before a task is started again."""

    first_s: float = 1.0
    longest_s: float = 60.0
    well_after_s: float = 60.0
    """A run of this length clears the record."""

    def restart_in_s(self, in_a_row: int, random: Random) -> float:
        """Return a delay in seconds with full jitter: anything up to a bound that doubles."""
        bound = min(self.longest_s, self.first_s * (1 << min(in_a_row - 1, 20)))
        return random.uniform(0.0, bound)


PACE: Final = Pace()


async def contain(work: Awaitable[None]) -> Exception | None:
    """Await `work` and return what broke in it, or None. Cancellation travels on."""
    try:
        await work
    except Exception as error:  # noqa: BLE001 - the one place, see the module
        return error
    return None


async def supervise(
    name: str,
    factory: Factory,
    *,
    clock: Clock,
    on_failure: Callable[[Failure], None] | None = None,
    random: Random | None = None,
    sleep: Sleep = asyncio.sleep,
    pace: Pace = PACE,
) -> None:
    """Run what `factory` makes, and again, later each time, whenever it fails.

    Returns when a run ends by itself. The first failure in a row goes to the log, each goes to
    `on_failure`. Cancellation travels on.

    Args:
        name: of the task, as in the log: `poller:rs485-1`.
        factory: makes the work anew for each run.
        clock: tells how long a run lasted.
        on_failure: told of each failure, before the wait.
        random: gives the jitter.
        sleep: waits so many seconds.
        pace: how long to wait.

    Raises:
        ConfigError: no restart mends a configuration.
    """
    random = random or Random()  # noqa: S311 - jitter is no secret
    in_a_row = 0
    while True:
        begun_s = clock.monotonic_s()
        error = await contain(factory())
        if error is None:
            return
        if isinstance(error, ConfigError):
            raise error
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # It broke while it was being ended: told, and ended all the same.
            log.error("task-failed", exc_info=error, extra={"task": name})
            raise asyncio.CancelledError
        lasted_s = clock.monotonic_s() - begun_s
        in_a_row = 1 if lasted_s >= pace.well_after_s else in_a_row + 1
        failure = Failure(name, error, in_a_row, pace.restart_in_s(in_a_row, random))
        if in_a_row == 1:
            log.error("task-failed", exc_info=error, extra={"task": name, "lasted_s": lasted_s})
        if on_failure is not None:
            on_failure(failure)
        await sleep(failure.restart_in_s)


def start(
    group: asyncio.TaskGroup,
    name: str,
    factory: Factory,
    *,
    clock: Clock,
    on_failure: Callable[[Failure], None] | None = None,
    random: Random | None = None,
) -> asyncio.Task[None]:
    """Start a supervised, named task in `group` and return it."""
    work = supervise(name, factory, clock=clock, on_failure=on_failure, random=random)
    return group.create_task(work, name=name)


async def finish(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel tasks of a group, the last one first, and wait until each has ended.

    What a task breaks with while it ends is left to its group. Each has ended before the one
    started before it is cancelled, so that what fills a queue stops before what empties it, when
    they were started the other way round.
    """
    for task in reversed(tasks):
        task.cancel()
        await asyncio.wait([task])
