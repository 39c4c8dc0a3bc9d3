"""The sealer: what one commit becomes, as a consumer with its keys reads it from the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.keys.platform import load_recipient
from gateway.model.clock import Trust
from gateway.model.event import Event, Severity
from gateway.model.ids import OPERATIONS, PERSONAL, Audience, ConsumerId, DeviceId, PointId
from gateway.model.reading import Cells, Kind, Point, PointTable, Reading
from gateway.model.stream import Stream
from gateway.store.batches import GapRecord
from gateway.store.outbox import Outbox
from gateway.store.sealer import SETTLED_AFTER_S, Sealer
from gateway.store.sealing import Identity
from provisioning.hpke import Kem, new_pair
from simulators.platform.wire import EpochRecord
from tests.clock import HandClock
from tests.opened_store import Opened, epochs_in, opened
from tests.sealing import identity

EPOCH_S = 4 * 3600.0
CITY = ConsumerId("city")
METER, READER = DeviceId("meter-1"), DeviceId("reader-1")
TABLE = PointTable(
    Point(PointId("power"), "W", Kind.NUMBER), Point(PointId("energy"), "W.h", Kind.COUNTER)
)
BADGES = PointTable(
    Point(PointId("door"), kind=Kind.BOOL),
    Point(PointId("badge"), kind=Kind.TEXT, audience=PERSONAL),
)


@dataclass
class Desk:
    """A sealer, its file, and the key of the city that may open it."""

    clock: HandClock
    outbox: Outbox
    sealer: Sealer
    identity: Identity
    store: Path
    private: Path

    def read(
        self, *cells: Cells, device: DeviceId = METER, table: PointTable = TABLE
    ) -> list[Reading]:
        """Return readings of this moment."""
        return [Reading(device, table, self.clock.now(), each) for each in cells]

    def write(self, readings: Iterable[Reading] = (), events: Iterable[Event] = ()) -> int:
        return self.sealer.write(list(readings), list(events)).batches

    def opened(self, stream: Stream | None = None) -> list[Opened]:
        return [o for o in opened(self.store, self.private) if stream in {None, o.stream}]

    def epochs(self, audience: Audience = OPERATIONS) -> list[EpochRecord]:
        raw = epochs_in(self.store, lane="number NOT IN (SELECT epoch FROM rollup)")
        return [epoch for epoch in raw if epoch.audience == audience]


MakeDesk = Callable[..., Desk]


@pytest.fixture
def desk(tmp_path: Path, clock: HandClock) -> Iterator[MakeDesk]:
    private, public, store = (tmp_path / name for name in ("private", "public", "store.db"))
    for file, content in zip((private, public), new_pair(Kem.X25519), strict=True):
        file.write_bytes(content)
    with ExitStack() as ending:

        def make(audiences: Iterable[Audience] = (OPERATIONS,)) -> Desk:
            who, recipient = identity(), load_recipient(CITY, public)
            outbox = Outbox(store, {a: frozenset({CITY}) for a in audiences}, 2**20)
            ending.callback(outbox.close)
            sealer = Sealer(outbox, who, {a: [recipient] for a in audiences}, clock, EPOCH_S)
            return Desk(clock, outbox, sealer, who, store, private)

        yield make


def test_what_was_read_is_what_the_platform_opens(desk: MakeDesk) -> None:
    made = desk()
    first = made.read((230, 5))
    made.clock.advance(0.5)

    made.write(first + made.read((231, 6)))

    (batch,) = made.opened(Stream.DATA)
    assert batch.cells() == [
        ("meter-1", "energy", 0, 5),
        ("meter-1", "energy", 500, 6),
        ("meter-1", "power", 0, 230),
        ("meter-1", "power", 500, 231),
    ]


def test_one_epoch_serves_until_it_is_old(desk: MakeDesk) -> None:
    made = desk()
    made.write(made.read((1, 1)))
    made.clock.advance(EPOCH_S - 1)
    made.write(made.read((2, 2)))
    young = len(made.epochs())
    made.clock.advance(1)
    made.write(made.read((3, 3)))

    assert (young, len(made.epochs())) == (1, 2)
    assert [batch.cells()[1][3] for batch in made.opened(Stream.DATA)] == [1, 2, 3]


def test_a_source_that_is_new_begins_an_epoch_that_names_it(desk: MakeDesk) -> None:
    made = desk()
    made.write(made.read((1, 1)))

    made.write(made.read((7, 7), device=DeviceId("meter-2")))

    assert len(made.epochs()) == 2
    assert made.opened(Stream.DATA)[-1].cells()[0][0] == "meter-2"


def test_a_source_that_was_expected_needs_no_new_epoch(desk: MakeDesk) -> None:
    made = desk()
    made.sealer.expect(DeviceId("meter-2"), TABLE)
    made.write(made.read((1, 1)))

    made.write(made.read((7, 7), device=DeviceId("meter-2")))

    assert len(made.epochs()) == 1


def test_an_epoch_that_knew_no_values_is_replaced_after_a_minute(desk: MakeDesk) -> None:
    made = desk()
    made.sealer.expect(METER, TABLE)
    made.write(events=[Event("agent-started", made.clock.now())])
    made.clock.advance(SETTLED_AFTER_S - 1)
    made.write(made.read((230, 10**6)))
    before = len(made.epochs())
    made.clock.advance(1)
    made.write(made.read((231, 10**6 + 1)))
    made.clock.advance(SETTLED_AFTER_S * 2)
    made.write(made.read((232, 10**6 + 2)))

    last = made.opened(Stream.DATA)[-1]
    assert (before, len(made.epochs())) == (1, 2)
    assert list(last.catalogue.references[0]) == [231, 10**6 + 1]
    assert last.cells()[0][3] == 10**6 + 2


def test_a_site_without_sources_keeps_its_epoch(desk: MakeDesk) -> None:
    made = desk()
    for _ in range(5):
        made.write(events=[Event("tick", made.clock.now())])
        made.clock.advance(SETTLED_AFTER_S)

    assert len(made.epochs()) == 1


def test_an_epoch_starts_from_the_last_value_told_of_each_point(desk: MakeDesk) -> None:
    made = desk()
    made.write(made.read((230, 10**6)))
    made.write(made.read((None, 10**6 + 5)))
    made.write(made.read((231, None)))
    made.clock.advance(EPOCH_S)

    made.write(made.read((232, None)))

    assert list(made.opened(Stream.DATA)[-1].catalogue.references[0]) == [232, 10**6 + 5]


def test_readings_are_cut_where_the_clock_was_set(desk: MakeDesk) -> None:
    made = desk()
    made.clock.set_wall(0, Trust.UNSET)
    early = made.read((1, 1))
    made.clock.set_wall(1_764_000_000_000, Trust.SYNCED)
    made.clock.advance(0.2)

    made.write(early + made.read((2, 2)))

    starts = [(b.sealed.start.wall, b.sealed.start.trust) for b in made.opened(Stream.DATA)]
    assert starts == [(0, Trust.UNSET), (1_764_000_000_200, Trust.SYNCED)]


def test_events_are_cut_where_the_clock_was_set(desk: MakeDesk) -> None:
    made = desk()
    made.clock.set_wall(0, Trust.UNSET)
    early = Event("door-open", made.clock.now())
    made.clock.set_wall(1_764_000_000_000, Trust.SYNCED)

    made.write(events=[early, Event("door-closed", made.clock.now())])

    told = [
        (b.contents.events[0].key, b.sealed.start.wall)
        for b in made.opened(Stream.EVENT)
        if b.contents.events
    ]
    assert told == [("door-open", 0), ("door-closed", 1_764_000_000_000)]


def test_a_boot_is_placed_when_its_clock_is_trusted_more_or_was_set(desk: MakeDesk) -> None:
    made = desk()
    told: list[tuple[int, int, int | None]] = []

    def set_and_write(wall_ms: int, trust: Trust, error_ms: int | None) -> None:
        at = made.clock.set_wall(wall_ms, trust)
        made.clock.error_ms = error_ms
        made.write(made.read((1, 1)))
        made.write(made.read((2, 2)))
        told.append((at.mono_ms, wall_ms, error_ms))

    set_and_write(0, Trust.UNSET, None)
    set_and_write(1_764_000_000_000, Trust.HOLDOVER, None)
    set_and_write(1_764_000_007_000, Trust.SYNCED, 12)
    set_and_write(1_764_000_000_000, Trust.HOLDOVER, 14)  # less trusted than what was told
    set_and_write(1_764_000_907_000, Trust.SYNCED, 13)

    pairs = [pair for batch in made.opened() for pair in batch.contents.pairs]
    assert {pair.boot for pair in pairs} == {made.identity.boot}
    assert [(p.at.mono, p.at.wall, p.uncertainty) for p in pairs] == [told[1], told[2], told[4]]


def test_personal_points_travel_under_a_key_of_their_own(desk: MakeDesk) -> None:
    made = desk((OPERATIONS, PERSONAL))

    made.write(made.read((True, "04:A2:19"), device=READER, table=BADGES))

    by_audience = {batch.audience: batch for batch in made.opened(Stream.DATA)}
    assert by_audience["operations"].cells() == [("reader-1", "door", 0, True)]
    assert by_audience["personal"].cells() == [("reader-1", "badge", 0, "04:A2:19")]
    assert by_audience["operations"].sealed.epoch != by_audience["personal"].sealed.epoch


def test_who_is_not_entitled_to_personal_points_opens_none(desk: MakeDesk) -> None:
    made = desk((OPERATIONS,))

    made.write(made.read((True, "04:A2:19"), device=READER, table=BADGES))

    assert {batch.audience for batch in made.opened()} == {"operations"}
    assert [len(epoch.wraps) for epoch in made.epochs(PERSONAL)] == [0]


def test_an_audience_of_which_nothing_was_read_costs_no_epoch(desk: MakeDesk) -> None:
    made = desk((OPERATIONS, PERSONAL))
    made.sealer.expect(READER, BADGES)

    made.write(made.read((1, 1)))

    assert made.epochs(PERSONAL) == []


def test_alarms_travel_on_their_own_stream_and_to_their_audience(desk: MakeDesk) -> None:
    made = desk((OPERATIONS, PERSONAL))
    now = made.clock.now()

    made.write(
        events=[
            Event("door-open", now),
            Event("burglar", now, Severity.ALARM),
            Event("badge-unknown", now, audience=PERSONAL),
        ]
    )

    told = {
        (batch.stream, batch.audience, event.key)
        for batch in made.opened()
        for event in batch.contents.events
    }
    assert told == {
        (Stream.EVENT, "operations", "door-open"),
        (Stream.ALARM, "operations", "burglar"),
        (Stream.EVENT, "personal", "badge-unknown"),
    }


def test_a_gap_is_told_once_with_the_next_commit(desk: MakeDesk) -> None:
    made = desk()
    for value in range(3):
        made.write(made.read((value, value)))
    made.outbox.give_up(Stream.DATA, OPERATIONS, 2, GapRecord.REFUSED)
    made.write(made.read((3, 3)))
    made.write(made.read((4, 4)))

    gaps = [gap for batch in made.opened() for gap in batch.contents.gaps]
    assert [(gap.stream, gap.first, gap.last, gap.count) for gap in gaps] == [(3, 2, 2, 2)]


def test_nothing_to_tell_makes_no_batch(desk: MakeDesk) -> None:
    made = desk()
    made.write(made.read((1, 1)))

    assert made.write() == 0


def test_sealed_bytes_are_shared_out_by_values(desk: MakeDesk) -> None:
    made = desk()
    made.clock.set_wall(made.clock.wall_ms, Trust.HOLDOVER)
    other = DeviceId("meter-2")

    sealed = made.sealer.write(
        made.read((1, 1), (2, 2), (3, 3)) + made.read((1, 1), device=other), []
    )

    assert sealed.values == 8
    assert sealed.by_device[METER] == 3 * sealed.by_device[other]
    assert sum(sealed.by_device.values()) <= sealed.bytes


def test_the_newest_state_is_one_batch_with_every_point_at_its_own_moment(desk: MakeDesk) -> None:
    made = desk()
    other = DeviceId("meter-2")
    made.write(made.read((230, 5)) + made.read((7, 8), device=other))
    made.clock.advance(10)
    made.write(made.read((231, None)))
    made.clock.advance(3600)

    told = made.sealer.tell_newest([OPERATIONS])

    (state,) = made.opened(Stream.STATE)
    assert told == 1
    assert state.sealed.start.mono == made.clock.mono_ms - 3_610_000
    assert state.cells() == [
        ("meter-1", "energy", 10_000, 5),
        ("meter-1", "power", 10_000, 231),
        ("meter-2", "energy", 0, 8),
        ("meter-2", "power", 0, 7),
    ]


def test_the_newest_state_is_told_to_whom_it_is_for(desk: MakeDesk) -> None:
    made = desk((OPERATIONS, PERSONAL))
    made.write(made.read((True, "04:A2:19"), device=READER, table=BADGES))

    made.sealer.tell_newest([PERSONAL])

    (state,) = made.opened(Stream.STATE)
    assert (state.audience, state.cells()[0][3]) == ("personal", "04:A2:19")


def test_nothing_read_is_nothing_told(desk: MakeDesk) -> None:
    made = desk()
    made.sealer.expect(METER, TABLE)

    assert made.sealer.tell_newest([OPERATIONS]) == 0
    assert made.opened() == []
