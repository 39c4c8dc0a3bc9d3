"""From mailbox to card: what came in the last second is sealed and committed together.

Readings and events are put in on the event loop and never wait. An event goes to the card at once,
readings
within `seal_every_s`. When the card takes nothing, readings wait in memory, the latest of each
source, and what
had to go is counted and told.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.model.clock import Clock
from gateway.model.errors import StoreFullError
from gateway.model.event import Event, Severity
from gateway.model.ids import DeviceId
from gateway.model.reading import Reading
from gateway.store.sealer import Sealed

_log = logging.getLogger(__name__)

RETRY_AFTER_S: Final = 1.0
RATE_AFTER_S: Final = 60.0
"""Before, a rate would say more about the start than about the site."""
STUCK_AFTER_S: Final = 60.0
"""A commit that takes longer is no sign of life."""
WAITING_MOST: Final = 20_000
"""Readings that may wait in memory while the card takes nothing."""


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
    """Values that had to go before they were sealed, because the card took nothing."""
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


@dataclass(slots=True)
class Recorder:
    """The side on the event loop: two mailboxes and the task that empties them."""

    write: Callable[[Sequence[Reading], Sequence[Event]], Written]
    """`Sealer.write`, run on the store's thread."""
    clock: Clock
    seal_every_s: float
    committed: Callable[[], None] = lambda: None
    """Called on the loop after each commit."""
    counters: Recorded = field(default_factory=Recorded)
    _readings: list[Reading] = field(default_factory=list)
    _events: list[Event] = field(default_factory=list)
    _something: asyncio.Event = field(default_factory=asyncio.Event)
    _urgent: asyncio.Event = field(default_factory=asyncio.Event)
    _blocked: bool = False
    _stopping: bool = False
    _begun_s: float | None = None

    def deliver(self, reading: Reading) -> None:
        """Put a reading in; never waits."""
        self._readings.append(reading)
        if len(self._readings) > WAITING_MOST:
            self._thin_out()
        self._something.set()

    def happened(self, event: Event) -> None:
        """Put an event in; it is committed at once; never waits."""
        self._events.append(event)
        self._something.set()
        self._urgent.set()

    def shows_life(self) -> bool:
        """Say whether commits come to an end: they succeed or fail, but they do not hang."""
        begun_s = self._begun_s
        return begun_s is None or self.clock.monotonic_s() - begun_s < STUCK_AFTER_S

    @property
    def waiting(self) -> int:
        """Return how many readings and events are not on the card yet."""
        return len(self._readings) + len(self._events)

    async def run(self) -> None:
        """Commit what comes in until `stop`; then commit the rest and return."""
        self.counters.since_s = self.clock.monotonic_s()
        while not self._stopping:
            await self._something.wait()
            due_s = self.clock.monotonic_s() + self.seal_every_s
            while not self._stopping:
                try:
                    async with asyncio.timeout(max(0.0, due_s - self.clock.monotonic_s())):
                        await self._urgent.wait()
                except TimeoutError:
                    break
                await self._commit(events_only=True)
            self._something.clear()
            await self._commit(events_only=False)

    def stop(self) -> None:
        """Let `run` commit what is left and return."""
        self._stopping = True
        self._something.set()
        self._urgent.set()

    async def _commit(self, *, events_only: bool) -> None:
        """Commit, and when the card takes nothing, take everything back and wait a moment."""
        self._urgent.clear()
        events, self._events = self._events, []
        readings: list[Reading] = []
        if not events_only:
            readings, self._readings = self._readings, []
        if not readings and not events:
            return
        self._begun_s = self.clock.monotonic_s()
        try:
            sealed = await self.write(readings, events)
        except StoreFullError as error:
            self._begun_s = None
            self._take_back(readings, events, error)
            if not self._stopping:
                await asyncio.sleep(RETRY_AFTER_S)
            return
        self._begun_s = None
        counters = self.counters
        counters.batches += sealed.batches
        counters.bytes += sealed.bytes
        counters.values += sealed.values
        counters.by_device.update(sealed.by_device)
        counters.last_commit_s = self.clock.monotonic_s()
        if self._blocked:
            self._blocked = False
            _log.info(BLOCKED_BACK, extra={"dropped": counters.dropped_values})
            self.happened(
                Event(BLOCKED_BACK, self.clock.now(), args={"dropped": counters.dropped_values})
            )
        self.committed()

    def _take_back(
        self, readings: list[Reading], events: list[Event], error: StoreFullError
    ) -> None:
        self.counters.failures += 1
        self._readings = readings + self._readings
        self._events = events + self._events
        self._something.set()
        if not self._blocked:
            self._blocked = True
            _log.error(BLOCKED_OUT, extra={"error": str(error)})
            self._events.append(Event(BLOCKED_OUT, self.clock.now(), Severity.ALARM))

    def _thin_out(self) -> None:
        """Keep the latest reading of each source, and count what goes."""
        latest = {(reading.device, reading.table): reading for reading in self._readings}
        kept = list(latest.values())
        gone = sum(r.count for r in self._readings) - sum(r.count for r in kept)
        self.counters.dropped_values += gone
        self._readings = kept
