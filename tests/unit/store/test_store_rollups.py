"""Rollups: sealed at capture, sent only in the place of what had to go."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys.platform import load_recipient
from gateway.model.errors import StoreCorruptError
from gateway.model.ids import OPERATIONS, ConsumerId, DeviceId, PointId
from gateway.model.reading import Kind, Point, PointTable, Reading
from gateway.model.stream import Stream
from gateway.store.batches import GapRecord
from gateway.store.database import PAGE_BYTES
from gateway.store.inspection import verify
from gateway.store.outbox import Outbox, Settled
from gateway.store.rollups import FOLD_AT, QUARTER_MS, Rollups, table_of
from gateway.store.sealer import Sealer
from provisioning.hpke import Kem, new_pair
from tests.clock import HandClock
from tests.opened_store import opened
from tests.sealing import AT, identity

CITY = ConsumerId("city")
METER = DeviceId("meter-1")
TABLE = PointTable(
    Point(PointId("power"), "W", Kind.NUMBER, scale=0.1),
    Point(PointId("energy"), "W.h", Kind.COUNTER),
    Point(PointId("mode"), kind=Kind.STATE, states={0: "off", 1: "on"}),
)
HOURS = 5


class Site:
    """A sealer with a file of little room, and the key that opens what it seals."""

    def __init__(self, folder: Path, clock: HandClock, room: int) -> None:
        self.clock, self.store, self.private = clock, folder / "store.db", folder / "private"
        public = folder / "public"
        for file, content in zip((self.private, public), new_pair(Kem.X25519), strict=True):
            file.write_bytes(content)
        self.outbox = Outbox(self.store, {OPERATIONS: frozenset({CITY})}, room)
        recipients = {OPERATIONS: [load_recipient(CITY, public)]}
        self.sealer = Sealer(self.outbox, identity(), recipients, clock, 4 * 3600.0)
        self.rng, self.energy, self.read = Random(7), 0, list[Reading]()

    def minute(self) -> None:
        readings = []
        for _ in range(10):
            self.energy += self.rng.randrange(50)
            power = round(self.rng.randrange(5000) * 0.1, 1)
            cells = (power, self.energy, self.rng.randrange(2))
            readings.append(Reading(METER, TABLE, self.clock.now(), cells))
            self.clock.advance(6)
        self.read += readings
        self.sealer.write(readings, [])

    def acknowledge(self) -> None:
        said = [Settled(c.stream, c.audience, c.newest) for c in self.outbox.channels]
        self.outbox.settle(CITY, said)

    def rollups(self) -> dict[int, bytes]:
        with closing(sqlite3.connect(self.store)) as db:
            return dict(db.execute("SELECT id, body FROM rollup").fetchall())

    def rollups_kept(self) -> int:
        return len(self.rollups())


def test_what_was_acknowledged_costs_no_rollup(tmp_path: Path, clock: HandClock) -> None:
    site = Site(tmp_path, clock, 2**20)
    for _ in range(HOURS * 60):
        site.minute()
        site.acknowledge()

    assert {channel.stream for channel in site.outbox.channels} == {Stream.DATA, Stream.EVENT}
    assert site.rollups_kept() <= 1
    site.outbox.close()


def test_rollups_take_the_place_of_what_had_to_go(tmp_path: Path, clock: HandClock) -> None:
    site = Site(tmp_path, clock, 16_000)
    for _ in range(HOURS * 60):
        site.minute()

    got = [each for each in opened(site.store, site.private) if each.stream is Stream.ROLLUP]
    gone = {c.stream: c.oldest for c in site.outbox.channels}[Stream.DATA] - 1
    quarters: dict[int, list[Reading]] = {}
    for reading in site.read:
        quarters.setdefault(reading.at.wall_ms // QUARTER_MS, []).append(reading)
    told = [{point: value for _, point, _, value in batch.cells()} for batch in got]
    expected = [_expected(each) for each in list(quarters.values())[: len(told)]]
    assert gone >= 60
    assert told == expected
    assert sum(len(each) for each in list(quarters.values())[: len(told)]) >= 10 * gone
    assert verify(site.store) == []
    site.outbox.close()


def test_rollups_that_nobody_needed_are_told_as_a_gap_of_nothing(
    tmp_path: Path, clock: HandClock
) -> None:
    site = Site(tmp_path, clock, 16_000)
    for _ in range(60):
        site.minute()
        site.acknowledge()
    for _ in range(HOURS * 60):
        site.minute()

    reasons = set()
    for batch in opened(site.store, site.private):
        reasons |= {(gap.stream, gap.reason, gap.count == 0) for gap in batch.contents.gaps}
    assert (int(Stream.DATA), GapRecord.ROOM, False) in reasons
    assert (int(Stream.ROLLUP), GapRecord.NOT_NEEDED, True) in reasons
    assert verify(site.store) == []
    site.outbox.close()


def test_rollups_that_stand_by_go_over_when_a_damaged_file_is_replaced(
    tmp_path: Path, clock: HandClock
) -> None:
    site = Site(tmp_path, clock, 2**24)
    for _ in range(HOURS * 60):
        site.minute()
    before = site.rollups()
    with closing(sqlite3.connect(site.store)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((root,),) = other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'memory'")
    with site.store.open("r+b") as raw:
        raw.seek((root - 1) * PAGE_BYTES)
        raw.write(bytes(range(256)) * (PAGE_BYTES // 256))
    with pytest.raises(StoreCorruptError):
        site.outbox.memories()

    assert len(before) >= 3 * HOURS
    assert site.rollups() == before
    for _ in range(60):
        site.minute()
    assert site.rollups().items() >= before.items()
    assert len(site.rollups()) >= len(before) + 3
    assert [damage.lost for damage in site.outbox.damages] == []  # told with the next batch
    site.outbox.close()
    assert verify(site.store) == []


def test_sequences_go_on_after_a_restart(tmp_path: Path, clock: HandClock) -> None:
    site = Site(tmp_path, clock, 16_000)
    for _ in range(HOURS * 60):
        site.minute()
    before = {c.stream: c.newest for c in site.outbox.channels}[Stream.ROLLUP]
    site.outbox.close()

    again = Site(tmp_path, clock, 16_000)
    for _ in range(HOURS * 60):
        again.minute()

    assert {c.stream: c.newest for c in again.outbox.channels}[Stream.ROLLUP] > before
    assert verify(again.store) == []
    again.outbox.close()


def _expected(readings: Sequence[Reading]) -> dict[str, object]:
    powers, energies = ([r.cells[i] for r in readings] for i in (0, 1))
    steps = [round(float(power) / 0.1) for power in powers if isinstance(power, float)]
    mean = round(sum(steps) / len(steps) * 16) * (0.1 / 16)
    whole = [int(energy) for energy in energies if isinstance(energy, int)]
    return {
        "power.min": min(steps) * 0.1,
        "power.max": max(steps) * 0.1,
        "power.mean": pytest.approx(mean, abs=0.1 / 16),
        "power.last": steps[-1] * 0.1,
        "power.count": len(steps),
        "energy.min": min(whole),
        "energy.max": max(whole),
        "energy.mean": pytest.approx(sum(whole) / len(whole)),
        "energy.last": whole[-1],
        "energy.count": len(whole),
        "mode.last": readings[-1].cells[2],
        "mode.count": len(readings),
    }


@given(st.lists(st.none() | st.integers(-1000, 1000), max_size=3 * FOLD_AT))
def test_folding_in_heaps_is_folding_at_once(values: list[int | None]) -> None:
    table = PointTable(Point(PointId("p"), kind=Kind.NUMBER))
    rollups, ended = Rollups(), list[Reading]()
    base = AT._replace(wall_ms=AT.wall_ms // QUARTER_MS * QUARTER_MS)
    for place, value in enumerate([*values, None]):
        at = base._replace(mono_ms=base.mono_ms + place, wall_ms=base.wall_ms + place)
        rollups.take([Reading(METER, table, at, (value,))], ended.extend)
    later = base._replace(mono_ms=base.mono_ms + QUARTER_MS, wall_ms=base.wall_ms + QUARTER_MS)
    rollups.take([Reading(METER, table, later, (1,))], ended.extend)

    told = [value for value in values if value is not None]
    (rollup,) = ended
    assert rollup.at == base
    assert [str(point.name) for point in rollup.table] == [p.name for p in table_of(table)]
    if told:
        mean = sum(told) / len(told)
        assert rollup.cells == (min(told), max(told), mean, told[-1], len(told))
    else:
        assert rollup.cells == (None,) * 5


def test_a_quarter_that_ends_on_a_full_heap_is_told_whole() -> None:
    rollups, told = Rollups(), list[Reading]()
    table = PointTable(Point(PointId("power"), "W", Kind.NUMBER))
    begin = AT._replace(wall_ms=AT.wall_ms // QUARTER_MS * QUARTER_MS)
    for number in range(FOLD_AT):
        at = begin._replace(mono_ms=begin.mono_ms + number, wall_ms=begin.wall_ms + number)
        rollups.take([Reading(METER, table, at, (number,))], told.extend)
    later = begin._replace(mono_ms=begin.mono_ms + QUARTER_MS, wall_ms=begin.wall_ms + QUARTER_MS)

    rollups.take([Reading(METER, table, later, (0,))], told.extend)

    ((least, greatest, _, last, count),) = (reading.cells for reading in told)
    assert (least, greatest, last, count) == (0, FOLD_AT - 1, FOLD_AT - 1, FOLD_AT)
