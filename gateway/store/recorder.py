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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from gateway.keys.platform import Recipient
from gateway.model.clock import Clock, Instant, Trust
from gateway.model.errors import StoreFullError
from gateway.model.event import Event, Severity
from gateway.model.ids import OPERATIONS, Audience, DeviceId
from gateway.model.reading import PointTable, Reading
from gateway.model.stream import Stream
from gateway.store.batches import Body, cut, pack_events, pack_readings, pack_time_pair
from gateway.store.catalogue import Catalogue, audiences_of
from gateway.store.outbox import Outbox
from gateway.store.sealing import Epoch, Identity, open_epoch

_log = logging.getLogger(__name__)

RETRY_AFTER_S: Final = 1.0
WAITING_MOST: Final = 20_000
"""Readings that may wait in memory while the card takes nothing."""

Written = asyncio.Future[tuple[int, int]]
"""How many batches and bytes were committed, once they are."""

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


class Sealer:
    """The side on the store's thread: epochs, packing, commit."""

    def __init__(
        self,
        outbox: Outbox,
        identity: Identity,
        recipients: Mapping[Audience, Sequence[Recipient]],
        clock: Clock,
        epoch_s: float,
    ) -> None:
        """Take the file, who seals for whom, and how long a key lives (seconds)."""
        self._outbox = outbox
        self._identity = identity
        self._recipients = recipients
        self._clock = clock
        self._epoch_s = epoch_s
        self._catalogues: dict[Audience, Catalogue] = {}
        self._epochs: dict[Audience, tuple[Epoch, float]] = {}
        self._seen: set[tuple[DeviceId, PointTable]] = set()
        self._placed_boot = False

    def expect(self, device: DeviceId, table: PointTable) -> None:
        """Name a source before its first reading, so that the first epoch knows it."""
        self._seen.add((device, table))
        for audience in audiences_of([table]):
            self._catalogue(audience).place(device, table)

    def write(self, readings: Sequence[Reading], events: Sequence[Event]) -> tuple[int, int]:
        """Seal and commit what came in; return how many batches and bytes that were.

        Raises:
            StoreFullError: nothing was committed; the same may be tried again.
            StoreCorruptError: the file is damaged.
        """
        for reading in readings:
            if (reading.device, reading.table) not in self._seen:
                self.expect(reading.device, reading.table)
        now = self._clock.now()
        gaps = self._outbox.untold_gaps()
        bodies: list[tuple[Stream, Audience, Body]] = [
            (Stream.DATA, audience, body)
            for run in _runs(readings)
            for audience, catalogue in self._catalogues.items()
            if (body := pack_readings(run, catalogue))
        ]
        by_lane = groupby(sorted(events, key=_lane), key=_lane)
        lanes = {lane: list(of_lane) for lane, of_lane in by_lane}
        if gaps:
            lanes.setdefault((Stream.EVENT, OPERATIONS), [])
        for (stream, audience), of_lane in lanes.items():
            told = (
                [gap for _, gap in gaps] if (stream, audience) == (Stream.EVENT, OPERATIONS) else []
            )
            bodies.append((stream, audience, pack_events(of_lane, told, now)))
        places_boot = not self._placed_boot and now.trust is Trust.SYNCED
        if places_boot:
            bodies.append((Stream.EVENT, OPERATIONS, pack_time_pair(self._identity.boot, now)))
        if not bodies:
            return 0, 0
        sealed = self._outbox.add(
            [(stream, self._epoch(audience, now), body) for stream, audience, body in bodies],
            told=[gap_id for gap_id, _ in gaps],
        )
        self._placed_boot |= places_boot
        return len(bodies), sealed

    def _catalogue(self, audience: Audience) -> Catalogue:
        return self._catalogues.setdefault(audience, Catalogue(audience))

    def _epoch(self, audience: Audience, now: Instant) -> Epoch:
        """Return the epoch to seal under: a new one when there is none, it is old, or a source is new."""
        catalogue = self._catalogue(audience)
        epoch, since_s = self._epochs.get(audience, (None, 0.0))
        now_s = self._clock.monotonic_s()
        if (
            epoch is None
            or now_s - since_s >= self._epoch_s
            or epoch.sources < len(catalogue.sources)
        ):
            recipients = self._recipients.get(audience, ())
            epoch = open_epoch(self._identity, catalogue, recipients, now)
            self._outbox.add_epoch(epoch, now.wall_ms)
            self._epochs[audience] = (epoch, now_s)
        return epoch


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

    @property
    def waiting(self) -> int:
        """Return how many readings and events are not on the card yet."""
        return len(self._readings) + len(self._events)

    async def run(self) -> None:
        """Commit what comes in until `stop`; then commit the rest and return."""
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
        try:
            batches, size = await self.write(readings, events)
        except StoreFullError as error:
            self._take_back(readings, events, error)
            if not self._stopping:
                await asyncio.sleep(RETRY_AFTER_S)
            return
        counters = self.counters
        counters.batches += batches
        counters.bytes += size
        counters.values += sum(reading.count for reading in readings)
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


def _lane(event: Event) -> tuple[Stream, Audience]:
    stream = Stream.ALARM if event.severity is Severity.ALARM else Stream.EVENT
    return stream, event.audience


def _runs(readings: Sequence[Reading]) -> list[Sequence[Reading]]:
    """Cut where the wall clock was set; readings are in order of time."""
    runs, start = [], 0
    for length in cut(reading.at for reading in readings):
        runs.append(readings[start : start + length])
        start += length
    return runs
