"""From mailbox to card: what came in the last second is sealed and committed together.

Readings and events are put in on the event loop and never wait. An event goes to the card at once,
readings within `seal_every_s`. When the card takes nothing, readings wait in memory; when there are
too many, the oldest go but for the latest word of each point; what had to go is told as a gap.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.model.clock import Clock
from gateway.model.errors import GatewayError, StoreCorruptError
from gateway.model.event import Event, Severity
from gateway.model.ids import DeviceId
from gateway.model.reading import Reading
from gateway.store.sealer import Sealed
from gateway.store.waiting import READINGS_MOST, Losses, Missed, thinned, too_many
from gateway.supervise import contain

_log = logging.getLogger(__name__)

BACK_AFTER_S: Final = 5.0
"""A card counts as well again when commits went well for so long: one that is all but full takes
some and refuses others."""
SOON_S: Final = 0.05
"""The first readings after a start wait no longer: somebody is looking whether it works. Nor do
those that nobody else has, while no consumer is connected: what a poll brings comes together."""
SOON_EVERY_S: Final = 0.25
"""But then no more than so many commits a second: each costs the card some pages."""
BURST_S: Final = 0.25
"""The first readings after a rest wait so long for those of the same burst."""
RETRY_AFTER_S: Final = 1.0
RATE_AFTER_S: Final = 60.0
"""Before, a rate would say more about the start than about the site."""
STUCK_AFTER_S: Final = 60.0
"""A commit that takes longer is no sign of life."""
EVENTS_MOST: Final = 2_000
"""Events that may wait likewise; beyond, the oldest of the least severe goes."""
SUSPECTS_MOST: Final = 10
"""After so many single failures the fault is not sought in what is to be written."""
STOP_TRIES: Final = 3
"""How often a stop tries to commit what is left."""

Written = asyncio.Future[Sealed]

BLOCKED_OUT = "store-full"
BLOCKED_BACK = "store-back"


@dataclass(slots=True)
class Recorded:
    """Counters since start; the health room tells them."""

    values: int = 0
    batches: int = 0
    bytes: int = 0
    dropped_values: int = 0
    """Values that had to go before they were sealed: the card took nothing, or no batch can carry
    them."""
    dropped_events: int = 0
    """Events likewise."""
    failures: int = 0
    last_commit_s: float = 0.0
    """Monotonic time of the last commit."""
    by_device: Counter[DeviceId] = field(default_factory=Counter)
    """Sealed bytes by device."""
    since_s: float = 0.0
    """Monotonic time of the start."""

    @property
    def bytes_per_s(self) -> float | None:
        """Return how fast the store fills, on average since the start; None in the first minute."""
        lasted_s = self.last_commit_s - self.since_s
        return self.bytes / lasted_s if lasted_s >= RATE_AFTER_S else None


@dataclass(frozen=True, slots=True)
class _Suspect:
    """One reading or one event that could not be written, not for want of room."""

    readings: list[Reading]
    events: list[Event]
    error: Exception


@dataclass(slots=True)
class _Attempt:
    """What became of one round of commits."""

    written: set[int] = field(default_factory=set)
    """By `id`: readings and events that are on the card, or were left out."""
    suspects: list[_Suspect] = field(default_factory=list)


@dataclass(slots=True)
class Recorder:
    """The side on the event loop: two mailboxes and the task that empties them."""

    write: Callable[[Sequence[Reading], Sequence[Event], Sequence[Missed]], Written]
    """`Sealer.write`, run on the store's thread."""
    clock: Clock
    seal_every_s: float
    committed: Callable[[], None] = lambda: None
    """Called on the loop after each commit."""
    alone: Callable[[], bool] = lambda: False
    """Says whether no consumer is connected."""
    saving: Callable[[], bool] = lambda: False
    """Says whether the store saves what is left of a damaged file: that takes its time."""
    counters: Recorded = field(default_factory=Recorded)
    _readings: list[Reading] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)
    _something: asyncio.Event = field(default_factory=asyncio.Event)
    _urgent: asyncio.Event = field(default_factory=asyncio.Event)
    _thin_out_at: int = READINGS_MOST
    _losses: Losses = field(default_factory=Losses)
    trouble: str = ""
    """Why the card takes nothing; empty while it does."""
    _replaced: bool = False
    _stopping: bool = False
    _begun_s: float | None = None
    _well_since_s: float | None = None

    def deliver(self, reading: Reading) -> None:
        """Put a reading in; never waits."""
        self._readings.append(reading)
        if len(self._readings) > self._thin_out_at:
            self._thin_out()
        self._something.set()

    def happened(self, event: Event) -> None:
        """Put an event in; it is committed at once; never waits."""
        self._events.append(event)
        if len(self._events) > EVENTS_MOST:
            least = min(self._events, key=lambda waiting: waiting.severity)
            self._events.remove(least)
            self.counters.dropped_events += 1
        self._something.set()
        self._urgent.set()

    def shows_life(self) -> bool:
        """Say whether commits come to an end: they succeed or fail, but they do not hang."""
        begun_s = self._begun_s
        if begun_s is None or self.saving():
            return True
        return self.clock.monotonic_s() - begun_s < STUCK_AFTER_S

    @property
    def waiting(self) -> int:
        """Return how many readings and events are not on the card yet."""
        return len(self._readings) + len(self._events)

    async def run(self) -> None:
        """Commit what comes in until `stop`; then commit the rest and return."""
        self.counters.since_s = self.clock.monotonic_s()
        while not self._stopping:
            await self._something.wait()
            await self._until_due(self.clock.monotonic_s() + self._may_wait_s())
            self._something.clear()
            await self._commit(events_only=False)
        await self._commit_the_rest()

    def _may_wait_s(self) -> float:
        """Return how long the first reading of a batch may wait for others.

        At most one commit in `seal_every_s`; but after a rest only as long as a burst of polls
        takes, so that what a burst brought lies on the card soon after it.
        """
        since_s = self.clock.monotonic_s() - self.counters.last_commit_s
        if not self.counters.values or self.alone():
            return min(self.seal_every_s, max(SOON_S, SOON_EVERY_S - since_s))
        return min(self.seal_every_s, max(BURST_S, self.seal_every_s - since_s))

    def stop(self) -> None:
        """Let `run` commit what is left and return."""
        self._stopping = True
        self._something.set()
        self._urgent.set()

    async def _until_due(self, due_s: float) -> None:
        """Wait until readings are due, or until a stop; commit events meanwhile."""
        while not self._stopping and (left_s := due_s - self.clock.monotonic_s()) > 0:
            try:
                async with asyncio.timeout(left_s):
                    await self._urgent.wait()
            except TimeoutError:
                return
            await self._commit(events_only=True)

    async def _commit_the_rest(self) -> None:
        """Commit also what came in while the last commit was under way; say what cannot be."""
        if self._well_since_s is not None:
            self._note_unblocked()
        for tries in range(STOP_TRIES):
            if not self.waiting:
                return
            if tries:
                await asyncio.sleep(RETRY_AFTER_S)
            await self._commit(events_only=False)
        if self.waiting:
            left = {"values": sum(r.count for r in self._readings), "events": len(self._events)}
            self.counters.dropped_values += left["values"]
            self.counters.dropped_events += left["events"]
            _log.error("lost-at-stop", extra=left)
            self._readings, self._events = [], []

    async def _commit(self, *, events_only: bool) -> None:
        """Commit, and when the card takes nothing, take everything back and wait a moment."""
        self._urgent.clear()
        events, self._events = self._events, []
        readings: list[Reading] = []
        if not events_only:
            readings, self._readings = self._readings, []
        if not readings and not events:
            return
        attempt = _Attempt()
        error = await self._record(readings, events, attempt)
        if attempt.written:
            self.committed()
            for suspect in attempt.suspects:
                self._leave_out(suspect)
                attempt.written.update(map(id, suspect.readings), map(id, suspect.events))
        elif attempt.suspects:  # nothing went through: the fault lies elsewhere
            error = error or attempt.suspects[0].error
        if error is None:
            self._note_unblocked()
            return
        self._take_back(
            [reading for reading in readings if id(reading) not in attempt.written],
            [event for event in events if id(event) not in attempt.written],
        )
        self._note_blocked(error)
        if not self._stopping:
            await asyncio.sleep(RETRY_AFTER_S)

    async def _record(
        self, readings: list[Reading], events: list[Event], attempt: _Attempt
    ) -> Exception | None:
        """Write it all, or say why that is not possible now.

        What breaks in a way that has no name here is written in halves, so that it costs nothing
        else; the single ones that break become suspects.
        """
        self._begun_s = self.clock.monotonic_s()
        error = await contain(self._written(readings, events))
        self._begun_s = None
        if error is None:
            attempt.written.update(map(id, readings), map(id, events))
            return None
        if isinstance(error, GatewayError) or len(attempt.suspects) >= SUSPECTS_MOST:
            return error
        if len(readings) + len(events) == 1:
            attempt.suspects.append(_Suspect(readings, events, error))
            return None
        # Events first, alone; then either of them in two halves.
        half = len(readings) // 2 if not events else 0
        of_events = len(events) // 2 if not readings else len(events)
        blocked = await self._record(readings[:half], events[:of_events], attempt)
        return blocked or await self._record(readings[half:], events[of_events:], attempt)

    async def _written(self, readings: list[Reading], events: list[Event]) -> None:
        missed = self._losses.take()
        try:
            sealed = await self.write(readings, events, missed)
        except BaseException:
            self._losses.put_back(missed)
            raise
        counters = self.counters
        counters.batches += sealed.batches
        counters.bytes += sealed.bytes
        counters.values += sealed.values
        counters.by_device.update(sealed.by_device)
        counters.last_commit_s = self.clock.monotonic_s()

    def _take_back(self, readings: list[Reading], events: list[Event]) -> None:
        self._readings = sorted(readings + self._readings, key=_mono_ms)
        if too_many(self._readings):
            self._thin_out()
        self._events = sorted(events + self._events, key=_mono_ms)
        self._something.set()

    def _leave_out(self, suspect: _Suspect) -> None:
        readings, events = suspect.readings, suspect.events
        self.counters.dropped_values += self._losses.add(readings)
        self.counters.dropped_events += len(events)
        what = readings[0].device if readings else events[0].key
        _log.error("not-recordable", exc_info=suspect.error, extra={"what": what})

    def _note_blocked(self, error: Exception) -> None:
        self.counters.failures += 1
        self._well_since_s = None
        if isinstance(error, StoreCorruptError) and not self._replaced:
            self._replaced = True  # the file was replaced, which is told by itself: once more
            return
        told, self.trouble = bool(self.trouble), str(error) or type(error).__name__
        if not told:
            _log.error(BLOCKED_OUT, exc_info=error)
            self._events.append(Event(BLOCKED_OUT, self.clock.now(), Severity.ALARM))

    def _note_unblocked(self) -> None:
        self._thin_out_at = READINGS_MOST
        self._replaced = False
        now_s = self.clock.monotonic_s()
        if self._well_since_s is None:
            self._well_since_s = now_s
        lasted = now_s - self._well_since_s >= BACK_AFTER_S
        if self.trouble and (lasted or self._stopping):
            self.trouble = ""
            dropped = self.counters.dropped_values
            _log.info(BLOCKED_BACK, extra={"dropped": dropped})
            self.happened(Event(BLOCKED_BACK, self.clock.now(), args={"dropped": dropped}))

    def _thin_out(self) -> None:
        self._readings, gone = thinned(self._readings)
        self.counters.dropped_values += self._losses.add(gone)
        self._thin_out_at = max(READINGS_MOST, 2 * len(self._readings))


def _mono_ms(waiting: Reading | Event) -> int:
    return waiting.at.mono_ms
