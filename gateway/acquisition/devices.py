"""The devices of a line as the poller sees them: what it is told of each, and what it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.acquisition.outage import Outage
from gateway.acquisition.reporting import Reporter
from gateway.acquisition.schedule import Job
from gateway.model.driver import PolledDriver, PollGroup, RememberingDriver
from gateway.model.ids import DeviceId
from gateway.model.reading import Cause

Memory = Mapping[str, Any]  # Any: plain JSON values, the driver's own


@dataclass(frozen=True, slots=True)
class PolledDevice:
    """What a poller is told of a device.

    Args:
        id: its name in the site file.
        driver: what speaks with it.
        retries: how often a poll is repeated before the device counts as lost.
        heartbeat_s: after so long everything is told, moved or not; None: never.
        period_s: overrides the period of each group that `periods` does not name.
        periods: override the period of single groups, by name.
        memory: what the driver learned in an earlier life.
    """

    id: DeviceId
    driver: PolledDriver
    retries: int = 2
    heartbeat_s: float | None = None
    period_s: float | None = None
    periods: Mapping[str, float] = field(default_factory=dict)
    memory: Memory | None = None

    def period_of(self, group: PollGroup) -> float:
        """Return how often to ask a group, in seconds."""
        return self.periods.get(group.name, self.period_s or group.period_s)


@dataclass(slots=True)
class Counters:
    """What became of the polls of one device since the start."""

    polls: int = 0
    """Answered or not, each attempt counts."""
    no_response: int = 0
    frame: int = 0
    rejected: int = 0
    fault: int = 0
    late_s: float = 0.0
    """Sum of how long polls could have begun earlier."""
    late: int = 0
    """Polls begun after their deadline."""
    skipped: int = 0
    """Polls given up because the line was busy."""


@dataclass(slots=True, eq=False)
class Watched:
    """One device and what became of it."""

    device: PolledDevice
    remembering: RememberingDriver | None
    counters: Counters = field(default_factory=Counters)
    feeds: list[Feed] = field(default_factory=list)
    outage: Outage = field(default_factory=Outage)
    cause: Cause = Cause.NO_RESPONSE
    """Why it is lost: that of the first failure, so that noise does not change it each time."""
    broken: bool = False
    """Its driver failed in a way that no driver should, and that was said."""


@dataclass(slots=True, eq=False)
class Feed:
    """One group of one device."""

    watched: Watched
    group: PollGroup
    job: Job
    reporter: Reporter
    cause: Cause = Cause.NONE
    """Why this group alone is BAD."""
    outage: Outage = field(default_factory=Outage)


def watch(device: PolledDevice) -> Watched:
    """Return the record of a device, its driver reminded of what it had learned."""
    driver = device.driver
    remembering = driver if isinstance(driver, RememberingDriver) else None
    if remembering is not None and device.memory is not None:
        remembering.recall(device.memory)
    watched = Watched(device, remembering)
    for group in driver.groups:
        job = Job(device.id, group, device.period_of(group), device.retries)
        reporter = Reporter(group.table, device.heartbeat_s)
        watched.feeds.append(Feed(watched, group, job, reporter))
    return watched
