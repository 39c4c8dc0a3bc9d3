"""What one commit is made of: epochs, bodies, their streams. Runs on the store's thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from gateway.keys.platform import Recipient
from gateway.model.clock import Clock, Instant, Trust
from gateway.model.errors import KeyUnavailableError, StoreCorruptError, StoreFullError
from gateway.model.event import Event, Scalar, Severity
from gateway.model.ids import OPERATIONS, Audience, DeviceId
from gateway.model.reading import PointTable, Reading
from gateway.model.stream import Stream
from gateway.store.batches import (
    Body,
    cut,
    pack_events,
    pack_readings,
    pack_time_pair,
    references_of,
)
from gateway.store.catalogue import Catalogue, References, Source, audiences_of
from gateway.store.gathering import Gatherer
from gateway.store.newest import Newest
from gateway.store.outbox import Added, Outbox
from gateway.store.renewal import Damage
from gateway.store.rolling import Rolling
from gateway.store.sealing import Epoch, Identity, open_epoch
from gateway.store.waiting import Missed

SETTLED_AFTER_S: Final = 60.0
"""The first epoch of a boot knows no values to start differences from: it lives only so long."""
MOVED_MS: Final = 1000
"""A wall clock that was set by more than this gets the boot a new time pair."""

_Told = TypeVar("_Told", Reading, Event)

Sealable = tuple[Stream, Epoch, Body, Sequence[Reading]]
"""What becomes one batch, and the readings that are in it."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What one commit came to."""

    batches: int = 0
    bytes: int = 0
    values: int = 0
    by_device: Mapping[DeviceId, int] = field(default_factory=dict)
    """Bytes of readings, shared out by how many values of a batch are a device's."""


class Sealer:
    """Turns what came in into sealed, committed batches."""

    def __init__(
        self,
        outbox: Outbox,
        identity: Identity,
        recipients: Mapping[Audience, Sequence[Recipient]],
        clock: Clock,
        epoch_s: float,
        gather_s: float = 0.0,
    ) -> None:
        """Take the file and who seals for whom.

        Args:
            outbox: where it is committed.
            identity: who seals.
            recipients: to whom epoch keys are wrapped, by audience.
            clock: tells every time here.
            epoch_s: how long a key lives.
            gather_s: how long readings wait to go out together; 0: not at all.
        """
        self._outbox = outbox
        self._identity = identity
        self._recipients = recipients
        self._clock = clock
        self._epoch_s = epoch_s
        self._gather_s = gather_s
        self._gatherers: dict[Audience, Gatherer] = {}
        self._catalogues: dict[Audience, Catalogue] = {}
        self._epochs: dict[Audience, tuple[Epoch, float]] = {}
        self._expected: set[Source] = set()
        self._newest = Newest()
        self._placed: Instant | None = None
        """The time pair that was told of this boot."""
        self._renewals = outbox.renewals
        self._rolling = Rolling(outbox, self._open_rollup_epoch, clock, epoch_s)

    def expect(self, device: DeviceId, table: PointTable) -> None:
        """Name a source before its first reading, so that the first epoch knows it."""
        self._expected.add((device, table))
        for audience in audiences_of([table]):
            self._catalogue(audience).place(device, table)
        self._rolling.expect(device, table)

    def write(
        self,
        readings: Sequence[Reading],
        events: Sequence[Event],
        missed: Sequence[Missed] = (),
    ) -> Sealed:
        """Seal and commit what came in; return what that came to.

        Args:
            readings: in order of time.
            events: likewise.
            missed: what was not sealed and never will be: it becomes gaps.

        Raises:
            StoreFullError: nothing was committed; the same may be tried again.
            StoreCorruptError: the file is damaged.
            KeyUnavailableError: a new epoch is needed and cannot be signed now; likewise.
        """
        for reading in readings:
            source = reading.device, reading.table
            if source not in self._expected:
                self.expect(*source)
            self._newest.take(reading)
        now = self._clock.now()
        gaps = self._outbox.untold_gaps()
        self._forget_what_is_void()
        damages = list(self._outbox.damages)
        began = self._rolling.newest()
        events = [*events, *(_event(damage, now) for damage in damages)]
        sealable = [
            *self._of_readings(readings, now, Stream.DATA, self._catalogues),
            *self._of_events(events, now),
        ]
        if gaps:
            told = pack_events([], [gap for _, gap in gaps], now)
            sealable.append((Stream.EVENT, self._epoch(OPERATIONS, now), told, ()))
        places_boot = self._places_boot(now)
        if places_boot:
            pair = pack_time_pair(self._identity.boot, now, self._clock.uncertainty_ms())
            sealable.append((Stream.EVENT, self._epoch(OPERATIONS, now), pair, ()))
        if not sealable and not missed:
            return Sealed()
        added = self._add(sealable, [gap_id for gap_id, _ in gaps], missed)
        del self._outbox.damages[: len(damages)]
        if places_boot:
            self._placed = now
        self._rolling.committed(readings, began, now)
        now_s = self._clock.monotonic_s()
        for (stream, epoch, _, inside), (sequence, _) in zip(sealable, added, strict=True):
            if stream is Stream.DATA:
                self._gatherer(epoch.audience).committed(epoch, sequence, inside, now_s)
        return _account(sealable, added, readings)

    def _add(
        self,
        sealable: Sequence[Sealable],
        told: Sequence[int] = (),
        missed: Sequence[Missed] = (),
    ) -> list[Added]:
        """Commit; what was sealed and not committed costs its epochs.

        It may lie on the card all the same, and the same sequences will be given to other contents:
        never twice under one key.
        """
        try:
            return self._outbox.add([each[:3] for each in sealable], told, missed)
        except (StoreFullError, StoreCorruptError):
            self._epochs.clear()
            raise

    def _places_boot(self, now: Instant) -> bool:
        """Say whether this moment places the boot better than what was told, or corrects it."""
        if now.trust is Trust.UNSET:
            return False
        if self._placed is None or now.trust > self._placed.trust:
            return True
        moved_ms = now.wall_ms - now.mono_ms - self._placed.wall_ms + self._placed.mono_ms
        return now.trust is self._placed.trust and abs(moved_ms) > MOVED_MS

    def _forget_what_is_void(self) -> None:
        """Begin anew what was kept in memory of batches, when the file was replaced."""
        if self._renewals != self._outbox.renewals:
            self._renewals = self._outbox.renewals
            self._epochs.clear()
            self._gatherers.clear()
            self._rolling.forget()
            self._identity = replace(self._identity, incarnation=self._outbox.incarnation)

    def tell_newest(self, audiences: Collection[Audience]) -> int:
        """Seal and commit the newest state of every point, on the stream `state`.

        It is one batch for each audience, more only where the clock was set between its readings.
        Every source keeps the moment of its own newest reading: nothing old looks fresh.

        Args:
            audiences: for whom.

        Returns:
            How many batches that was.

        Raises:
            StoreFullError: nothing was committed.
            StoreCorruptError: the file is damaged.
        """
        self._outbox.ensure_open()
        self._forget_what_is_void()
        wanted = [audience for audience in self._catalogues if audience in audiences]
        now = self._clock.now()
        sealable = self._of_readings(self._newest.readings(), now, Stream.STATE, wanted)
        return len(self._add(list(sealable)))

    def _of_readings(
        self,
        readings: Sequence[Reading],
        now: Instant,
        stream: Stream,
        audiences: Collection[Audience],
    ) -> Iterator[Sealable]:
        for run in _runs(readings):
            for audience in audiences:
                catalogue = self._catalogues[audience]
                if not any(catalogue.place(reading.device, reading.table) for reading in run):
                    continue
                epoch = self._epoch(audience, now)
                body = pack_readings(run, catalogue, epoch.references)
                if body is not None:
                    yield stream, epoch, body, run

    def _of_events(self, events: Sequence[Event], now: Instant) -> Iterator[Sealable]:
        lanes: dict[tuple[Stream, Audience], list[Event]] = {}
        for event in events:
            stream = Stream.ALARM if event.severity is Severity.ALARM else Stream.EVENT
            lanes.setdefault((stream, event.audience), []).append(event)
        for (stream, audience), of_lane in lanes.items():
            for run in _runs(of_lane):
                yield stream, self._epoch(audience, now), pack_events(run, [], now), ()

    def _catalogue(self, audience: Audience) -> Catalogue:
        return self._catalogues.setdefault(audience, Catalogue(audience))

    def _gatherer(self, audience: Audience) -> Gatherer:
        if audience not in self._gatherers:
            catalogue = self._catalogue(audience)
            self._gatherers[audience] = Gatherer(self._outbox, catalogue, self._gather_s)
        return self._gatherers[audience]

    def _epoch(self, audience: Audience, now: Instant) -> Epoch:
        """Return the epoch to seal under: a new one when it is old, or does not know a source."""
        catalogue = self._catalogue(audience)
        epoch, since_s = self._epochs.get(audience, (None, 0.0))
        age_s = self._clock.monotonic_s() - since_s
        if (
            epoch is None
            or age_s >= (SETTLED_AFTER_S if self._knows_too_little(epoch) else self._epoch_s)
            or epoch.sources < len(catalogue.sources)
        ):
            try:
                opened = open_epoch(
                    self._identity,
                    catalogue,
                    self._recipients.get(audience, ()),
                    now,
                    self._references(catalogue),
                )
            except KeyUnavailableError:
                if epoch is None or epoch.sources < len(catalogue.sources):
                    raise
                return epoch  # longer than it was meant to, until the key signs again
            epoch = opened
            self._outbox.add_epoch(epoch, now.wall_ms)
            self._epochs[audience] = (epoch, self._clock.monotonic_s())
        return epoch

    def _open_rollup_epoch(self, catalogue: Catalogue, now: Instant) -> Epoch:
        """Begin an epoch for rollups alone: its record is sent only when they are."""
        recipients = self._recipients.get(catalogue.audience, ())
        epoch = open_epoch(self._identity, catalogue, recipients, now)
        self._outbox.add_epoch(epoch, now.wall_ms, lane="rollup")
        return epoch

    def _knows_too_little(self, epoch: Epoch) -> bool:
        return epoch.sources > 0 and not epoch.references

    def _references(self, catalogue: Catalogue) -> References:
        """Return the last values of each source, as far as they are known."""
        references = {}
        for device, table in self._expected:
            cells = self._newest.cells((device, table))
            placed = catalogue.place(device, table)
            if placed is not None and cells:
                references[placed.number] = references_of(placed.shape, placed.pick(cells))
        return references


def _event(damage: Damage, now: Instant) -> Event:
    """Return what people are told of a file that had to be replaced."""
    args: dict[str, Scalar] = {"aside": damage.aside, "kept": damage.kept, "gaps": damage.ranges}
    if damage.lost is not None:
        args["lost"] = damage.lost
    if damage.last_ms:
        args |= {"first_ms": damage.first_ms, "last_ms": damage.last_ms}
    return Event("store-damaged", now, Severity.ALARM, args=args)


def _runs(told: Sequence[_Told]) -> Iterator[Sequence[_Told]]:
    """Cut where the wall clock was set; what was told is in order of time."""
    start = 0
    for length in cut(each.at for each in told):
        yield told[start : start + length]
        start += length


def _account(
    sealable: Sequence[Sealable], added: Sequence[Added], readings: Sequence[Reading]
) -> Sealed:
    values = Counter[DeviceId]()
    for reading in readings:
        values[reading.device] += reading.count
    data = sum(
        batch.size
        for (stream, *_), batch in zip(sealable, added, strict=True)
        if stream is Stream.DATA
    )
    total = values.total()
    shares = {device: data * count // total for device, count in values.items() if count}
    return Sealed(len(sealable), sum(batch.size for batch in added), total, shares)
