"""One task per line: takes turns from the plan, asks the drivers, hands on what comes."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from secrets import token_hex
from typing import Final

from gateway.acquisition.devices import (
    Counters,
    Memory,
    PolledDevice,
    PolledFeed,
    ToldFeed,
    Watched,
    watch,
)
from gateway.acquisition.hearing import DeviceEar, Silences
from gateway.acquisition.lease import Lease
from gateway.acquisition.qualify import Qualifier, cause_of, reading_of
from gateway.acquisition.schedule import Job, PollPlan, Wait
from gateway.acquisition.writing import Order, carry_out
from gateway.model.clock import Clock
from gateway.model.command import Command, CommandResult, Outcome
from gateway.model.driver import ListeningDriver, LosingMedium, Medium, PlanningDriver
from gateway.model.errors import (
    BusUnavailableError,
    DeviceError,
    DeviceFaultError,
    DeviceRejectedError,
)
from gateway.model.event import Event
from gateway.model.ids import OPERATIONS, CommandId, DeviceId, PointId
from gateway.model.reading import Cause, Reading, Sample, Value, all_bad
from gateway.supervise import contain

__all__ = ["PolledDevice", "Poller"]

log = logging.getLogger(__name__)

FIRST_REOPEN_S: Final = 1.0
LONGEST_REOPEN_S: Final = 10.0
_JITTER: Final = 0.25
"""Of the delay, added to it."""
_GRACE_S: Final = 120.0
"""An exchange or an opening that takes longer is no sign of life."""
_TURNS_IN_A_ROW: Final = 16
"""After so many polls without a pause the other tasks get a turn, whatever the medium does."""


class Poller:
    """Polls the devices of one line for as long as `run` runs.

    `deliver` and `happened` are called in the loop and must not block.
    """

    def __init__(
        self,
        line: Medium,
        devices: Sequence[PolledDevice],
        *,
        clock: Clock,
        deliver: Callable[[Reading], None],
        happened: Callable[[Event], None],
        remember: Callable[[DeviceId, Memory], None] | None = None,
        random: Random | None = None,
    ) -> None:
        """Take what is joined here; touches nothing on the line.

        Args:
            line: the medium of these devices; opened and closed by `run`.
            devices: in the order in which they are asked at first.
            clock: tells every time here.
            deliver: takes what is worth telling.
            happened: takes events, one per change.
            remember: takes what a driver has learned.
            random: gives the jitter.
        """
        self._line: Final = line
        self._clock: Final = clock
        self._remember: Final = remember
        self._random: Final = random or Random()  # noqa: S311 - jitter is no secret
        self._devices: Final = {device.id: watch(device) for device in devices}
        self._feeds: Final[dict[Job, PolledFeed]] = {
            feed.job: feed for watched in self._devices.values() for feed in watched.polled
        }
        self._all_feeds: Final = [f for watched in self._devices.values() for f in watched.feeds]
        self._plan: Final = PollPlan(self._feeds, clock.monotonic_s())
        kept = [feed for watched in self._devices.values() for feed in watched.kept]
        points = (point for feed in (*self._all_feeds, *kept) for point in feed.group.table)
        self._private: Final = any(point.audience != OPERATIONS for point in points)
        self._qualifier: Final = Qualifier(line.id, clock, deliver, happened, private=self._private)
        self._silences: Final = Silences(self._devices.values(), self._qualifier)
        self._hearing: Final[dict[ToldFeed, asyncio.Future[None]]] = {}
        """Who waits for a group to be heard."""
        self._loss: BusUnavailableError | None = None
        """The line was lost while nobody asked, and that was not looked at yet."""
        self.lease: Final = Lease(line, clock, self._wake)
        """For a technician who wants the line to himself for a while."""
        self._listen(happened)
        self._losses = 0
        """Of the line, since the last answer on it."""
        self._in_hand: PolledFeed | None = None
        self._waker: asyncio.Future[None] | None = None
        self._expected_by = math.inf

    def _listen(self, happened: Callable[[Event], None]) -> None:
        """Give an ear to every device that tells by itself."""
        listens = False
        for watched in self._devices.values():
            driver = watched.device.driver
            if isinstance(driver, ListeningDriver):
                listens = True
                ear = DeviceEar(watched, self._qualifier, self._clock, happened, self._heard)
                driver.attend(ear)
        if listens and isinstance(self._line, LosingMedium):
            self._line.when_lost(self._lost_between)

    def _heard(self, feed: ToldFeed) -> None:
        self._losses = 0
        waiting = self._hearing.get(feed)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
        watched = feed.watched
        if watched.polled and self._plan.is_away(watched.device.id):
            self._hurry(watched.polled)
        if watched.remembering is not None:
            self._note(watched)

    def _lost_between(self, error: BusUnavailableError) -> None:
        self._loss = error
        self._wake()

    # What others ask

    @property
    def line(self) -> Medium:
        """Return the medium of these devices."""
        return self._line

    @property
    def private(self) -> bool:
        """Say whether a point of this line is not for everybody: its bytes are shown to nobody."""
        return self._private

    @property
    def counters(self) -> Mapping[DeviceId, Counters]:
        """Return what became of the polls so far, by device."""
        for watched in self._devices.values():
            tallies = [self._plan.tally(feed.job) for feed in watched.polled]
            watched.counters.late = sum(tally.late for tally in tallies)
            watched.counters.skipped = sum(tally.skipped for tally in tallies)
        return {name: watched.counters for name, watched in self._devices.items()}

    @property
    def telling(self) -> Sequence[DeviceId]:
        """Return the devices that tell by themselves."""
        return [name for name, watched in self._devices.items() if watched.told or watched.kept]

    @property
    def lost(self) -> Sequence[DeviceId]:
        """Return the devices that do not answer now: all of them when the line is gone."""
        gone = self._qualifier.line_outage.since_s is not None
        return [
            name
            for name, watched in self._devices.items()
            if gone or watched.outage.since_s is not None
        ]

    def shows_life(self) -> bool:
        """Say whether `run` does what it should: waits for its next turn or for an answer."""
        return self._clock.monotonic_s() <= self._expected_by

    def plan(self, device: DeviceId) -> Mapping[str, Sequence[str]]:
        """Return what each group of a device asks for, as it is planned now; empty without a plan.

        Raises:
            KeyError: no such device on this line.
        """
        driver = self._devices[device].device.driver
        if not isinstance(driver, PlanningDriver):
            return {}
        return {group: [str(read) for read in reads] for group, reads in driver.reads.items()}

    async def probe(self, device: DeviceId) -> list[Reading]:
        """Ask each group of a device now, in turn with the polls, with its retries.

        Returns:
            A reading per group, with everything that came, or BAD with its cause; groups of another
            time are left out. Nothing of it is delivered; a device that was lost and answers here
            is taken up again.

        Raises:
            KeyError: no such device on this line.
        """
        watched = self._devices[device]
        attempts = 1 + watched.device.retries
        readings = []
        answered = False
        for feed in watched.polled:
            sample, there = await self._ask(feed, attempts)
            readings.append(reading_of(feed, self._clock.now(), sample))
            answered = answered or there
            attempts = attempts if there else 1
        for told in watched.told:
            sample = await self._hear(told)
            readings.append(reading_of(told, self._clock.now(), sample))
        if answered and watched.polled and self._plan.is_away(device):
            self._hurry(watched.polled)
        return readings

    async def _hear(self, feed: ToldFeed) -> Sample:
        """Return what a group told last, or tells within the silence that it may keep."""
        if feed.last is None:
            try:
                await self._line.open()
            except BusUnavailableError:
                return all_bad(feed.group.table, Cause.LINE_DOWN)
            waiting = self._hearing.setdefault(feed, asyncio.get_running_loop().create_future())
            await asyncio.wait([waiting], timeout=feed.period_s)
            self._hearing.pop(feed, None)
        return feed.last or all_bad(feed.group.table, Cause.NO_RESPONSE)

    async def _ask(self, feed: PolledFeed, attempts: int) -> tuple[Sample, bool]:
        """Return what came of one group, and whether the device was there."""
        cause = Cause.NO_RESPONSE
        for _ in range(attempts):
            try:
                await self._line.open()
                return await feed.driver.poll(feed.group), True
            except (DeviceRejectedError, DeviceFaultError) as error:
                return all_bad(feed.group.table, cause_of(error)), True
            except BusUnavailableError:
                return all_bad(feed.group.table, Cause.LINE_DOWN), False
            except DeviceError as error:
                cause = cause_of(error)
        return all_bad(feed.group.table, cause), False

    async def write(
        self,
        device: DeviceId,
        point: PointId,
        value: Value,
        *,
        command_id: CommandId | None = None,
        deadline_s: float = math.inf,
    ) -> CommandResult:
        """Set a point ahead of all polls, once; its group is polled again after it.

        Args:
            device: whose point.
            point: its name.
            value: in the unit of the point.
            command_id: names it in the result; None makes one up.
            deadline_s: monotonic seconds after which it must not be sent any more.
        """
        command = Command(command_id or CommandId(token_hex(8)), device, point, value)
        watched = self._devices.get(device)
        if watched is None or self.lease.wanted:
            reason = f"line {self._line.id} has no device {device}"
            if watched is not None:
                reason = f"line {self._line.id} is lent to a technician just now"
            return CommandResult(command.id, Outcome.REFUSED, self._clock.now(), reason)
        feeds = [feed for feed in watched.polled if point in feed.group.table]
        tables = [feed.group.table for feed in watched.feeds if point in feed.group.table]
        known = next((table.points[table.index(point)] for table in tables), None)
        driver = watched.device.driver
        order = Order(command, self._line, driver, known, private=self._private)
        result = await carry_out(order, self._clock, deadline_s)
        if result.outcome in {Outcome.DONE, Outcome.FAILED, Outcome.UNKNOWN}:
            self._hurry(feeds)
        return result

    def _hurry(self, feeds: Sequence[PolledFeed]) -> None:
        self._plan.hurry([feed.job for feed in feeds], self._clock.monotonic_s())
        self._wake()

    # The line

    async def run(self) -> None:
        """Poll until cancelled; then close the line.

        What a driver breaks with costs its own device only; anything else that breaks goes up.
        """
        try:
            while True:
                await self._open()
                now = self._clock.monotonic_s()
                self._plan.restart(now)
                self._silences.restart(now)
                while (broken := await contain(self._take_turns())) is not None:
                    self._blame(broken)
        finally:
            self._in_hand = None
            self._expected_by = math.inf
            await self._line.close()

    async def _open(self) -> None:
        """Open the line, as often as it takes."""
        outage = self._qualifier.line_outage
        while True:
            self._expected_by = self._clock.monotonic_s() + _GRACE_S
            if outage.since_s is not None:
                delay = min(FIRST_REOPEN_S * (1 << min(self._losses - 1, 10)), LONGEST_REOPEN_S)
                await asyncio.sleep(delay * (1 + _JITTER * self._random.random()))
            self._loss = None
            if self.lease.wanted:
                await self.lease.rest(self._pause)
            try:
                await self._line.open()
            except BusUnavailableError as error:
                await self._line_lost(error)
            else:
                break
        if outage.since_s is not None:
            self._qualifier.line_back()

    async def _leave_line(self) -> None:
        """Close the line: it was lost while nobody asked, or somebody wants it to himself."""
        if self._loss is not None:
            await self._line_lost(self._loss)
        else:
            await self.lease.rest(self._pause)

    async def _line_lost(self, error: BusUnavailableError) -> None:
        self._losses += 1
        self._qualifier.line_lost(self._all_feeds, error)
        await self._line.close()

    # Turns

    async def _take_turns(self) -> None:
        """Take one turn after the other until the line is lost."""
        plan, clock, feeds = self._plan, self._clock, self._feeds
        turns = 0
        while True:
            now = clock.monotonic_s()
            if self._loss is not None or self.lease.wanted:
                await self._leave_line()
                return
            self._silences.look(now)
            step = plan.next(now)
            if isinstance(step, Wait):
                turns = 0
                await self._pause(now, min(step.seconds, self._silences.wait_s(now)))
                continue
            turns += 1
            if turns % _TURNS_IN_A_ROW == 0:
                await asyncio.sleep(0)
            feed = self._in_hand = feeds[step.job]
            self._expected_by = now + _GRACE_S
            watched = feed.watched
            counters = watched.counters
            counters.polls += 1
            counters.late_s += step.late_s
            try:
                sample = await feed.driver.poll(feed.group)
            except BusUnavailableError as error:
                self._in_hand = None
                await self._line_lost(error)
                return
            except DeviceError as error:
                self._in_hand = None
                self._failed(feed, error)
            else:
                self._in_hand = None
                plan.done(step.job, clock.monotonic_s(), ok=True)
                self._losses = 0
                watched.broken = False
                self._qualifier.answered(feed, sample)
            if watched.remembering is not None:
                self._note(watched)

    def _failed(self, feed: PolledFeed, error: DeviceError) -> None:
        now = self._clock.monotonic_s()
        if isinstance(error, DeviceRejectedError | DeviceFaultError):
            self._losses = 0
            self._plan.done(feed.job, now, ok=True)
            self._qualifier.refused(feed, error)
        else:
            verdict = self._plan.done(feed.job, now, ok=False)
            self._qualifier.failed(feed, error, verdict)

    def _note(self, watched: Watched) -> None:
        driver = watched.remembering
        if driver is not None and driver.learned:
            memory = driver.memory()
            if self._remember is not None:
                self._remember(watched.device.id, memory)

    def _blame(self, broken: Exception) -> None:
        """Let the device pay whose driver broke; what broke elsewhere goes up."""
        feed, self._in_hand = self._in_hand, None
        if feed is None:
            raise broken
        watched = feed.watched
        if not watched.broken:
            watched.broken = True
            log.error("driver-broken", exc_info=broken, extra={"device": watched.device.id})
        self._failed(feed, DeviceError(f"the driver failed: {broken!r}"))

    async def _pause(self, now: float, seconds: float) -> None:
        """Wait, or until somebody has changed the plan."""
        loop = asyncio.get_running_loop()
        self._expected_by = now + seconds + _GRACE_S
        self._waker = waker = loop.create_future()
        timer = loop.call_later(seconds, self._wake) if seconds < math.inf else None
        try:
            await waker
        finally:
            self._waker = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)
