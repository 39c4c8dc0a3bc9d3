"""The devices of a line as the poller sees them: what it is told of each, and what it keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.acquisition.outage import Outage
from gateway.acquisition.reporting import Reporter
from gateway.acquisition.schedule import Job
from gateway.model.driver import Driver, PolledDriver, PollGroup, RememberingDriver
from gateway.model.ids import DeviceId
from gateway.model.reading import Cause, Sample

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
    driver: Driver
    retries: int = 2
    heartbeat_s: float | None = None
    period_s: float | None = None
    periods: Mapping[str, float] = field(default_factory=dict)
    memory: Memory | None = None

    def period_of(self, group: PollGroup) -> float:
        """Return how often to ask a group, in seconds, or how long it may be silent."""
        return self.periods.get(group.name, self.period_s or group.period_s)


@dataclass(slots=True)
class Counters:
    """What became of the polls of one device since the start."""

    polls: int = 0
    """Answered or not, each attempt counts."""
    heard: int = 0
    """Groups that the device told by itself."""
    crowded: int = 0
    """Of these, left out because the device told more than one a millisecond."""
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
    polled: list[PolledFeed] = field(default_factory=list)
    told: list[ToldFeed] = field(default_factory=list)
    kept: list[ToldFeed] = field(default_factory=list)
    """Groups of another time: nobody waits for them, nothing makes them BAD."""
    outage: Outage = field(default_factory=Outage)
    cause: Cause = Cause.NO_RESPONSE
    """Why it is lost: that of the first failure, so that noise does not change it each time."""
    broken: bool = False
    """Its driver failed in a way that no driver should, and that was said."""

    @property
    def feeds(self) -> Sequence[Feed]:
        """Return the groups that say how the device is now."""
        return [*self.polled, *self.told]


@dataclass(slots=True, eq=False)
class Feed:
    """One group of one device."""

    watched: Watched
    group: PollGroup
    period_s: float
    """How often it is asked, or how long it may be silent."""
    reporter: Reporter
    cause: Cause = Cause.NONE
    """Why this group alone is BAD."""
    told_ms: int = -1
    """Monotonic milliseconds of the last reading: the next one is later, however soon it comes."""
    outage: Outage = field(default_factory=Outage)


@dataclass(slots=True, eq=False)
class PolledFeed(Feed):
    """A group that is asked."""

    job: Job = field(kw_only=True)
    driver: PolledDriver = field(kw_only=True)


@dataclass(slots=True, eq=False)
class ToldFeed(Feed):
    """A group that the device tells by itself."""

    heard_s: float = 0.0
    """Monotonic seconds when it was heard last, or from when on it is listened for."""
    last: Sample | None = None
    """What it told last; None while it is silent for too long."""


def watch(device: PolledDevice) -> Watched:
    """Return the record of a device, its driver reminded of what it had learned.

    Raises:
        TypeError: a group is to be asked, and the driver cannot ask.
    """
    driver = device.driver
    remembering = driver if isinstance(driver, RememberingDriver) else None
    if remembering is not None and device.memory is not None:
        remembering.recall(device.memory)
    watched = Watched(device, remembering)
    for group in driver.groups:
        period_s = device.period_of(group)
        reporter = Reporter(group.table, device.heartbeat_s)
        if group.told:
            heard = watched.kept if group.kept else watched.told
            heard.append(ToldFeed(watched, group, period_s, reporter))
        elif isinstance(driver, PolledDriver):
            job = Job(device.id, group, period_s, device.retries)
            feed = PolledFeed(watched, group, period_s, reporter, job=job, driver=driver)
            watched.polled.append(feed)
        else:
            msg = f"{device.id}: group {group.name} is not told, and the driver cannot ask for it"
            raise TypeError(msg)
    return watched
