"""The local history: minutes in memory, quarters on the card, nothing personal in either."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.clock import Instant, Trust
from gateway.model.errors import GatewayError, StoreCorruptError
from gateway.model.ids import OPERATIONS, PERSONAL, ConsumerId, DeviceId, PointId
from gateway.model.reading import Kind, Point, PointTable, Reading
from gateway.store import history
from gateway.store.database import PAGE_BYTES
from gateway.store.history import (
    MINUTE_MS,
    MINUTES_KEPT,
    QUARTER_MS,
    Minutes,
    Sample,
    joined,
    kept,
    pack_quarter,
    samples_of,
)
from gateway.store.inspection import verify
from gateway.store.outbox import Outbox
from gateway.store.sealer import Sealer
from tests.canary import Canaries, all_found, files_below, forms_of_float, forms_of_integer
from tests.clock import HandClock
from tests.sealing import identity

CITY = ConsumerId("city")
BOTH = {audience: frozenset({CITY}) for audience in (OPERATIONS, PERSONAL)}
READER = DeviceId("reader-1")
POWER, ACCOUNT = PointId("power"), PointId("account")
TABLE = PointTable(
    Point(POWER, "W", Kind.NUMBER, scale=0.1),
    Point(ACCOUNT, kind=Kind.COUNTER, audience=PERSONAL),
    Point(PointId("weight"), kind=Kind.FLOAT64, audience=PERSONAL),
    Point(PointId("name"), kind=Kind.TEXT),
)
SECRET, WEIGHT = 0x3A5C_1199_77E2_4B01, 71234.56789
START_MS = 1_764_000_000_000 // QUARTER_MS * QUARTER_MS


class Site:
    """A sealer whose card keeps a local history."""

    def __init__(self, folder: Path, clock: HandClock, days: float = 7.0) -> None:
        self.clock, self.store = clock, folder / "store.db"
        self.outbox = Outbox(self.store, BOTH, 2**24)
        self.outbox.history_days = days
        recipients = dict.fromkeys(BOTH, ())
        self.sealer = Sealer(self.outbox, identity(), recipients, clock, 4 * 3600.0)
        clock.set_wall(START_MS, Trust.SYNCED)

    def minutes(self, count: int, power: float = 230.0) -> None:
        for number in range(count):
            cells = (power + number % 3, SECRET, WEIGHT, "a lamp")
            self.sealer.write([Reading(READER, TABLE, self.clock.now(), cells)], [])
            self.clock.advance(60)

    def kept(self, point: PointId = POWER) -> list[Sample]:
        return kept(self.store, READER, point, 0)


@pytest.fixture
def site(tmp_path: Path, clock: HandClock) -> Iterator[Site]:
    made = Site(tmp_path, clock)
    yield made
    made.outbox.close()


def test_a_quarter_is_kept_with_its_least_greatest_mean_and_last(site: Site) -> None:
    site.minutes(31)

    first, second = site.kept()
    assert first == Sample(START_MS, QUARTER_MS, 230.0, 232.0, 231.0, 232.0, 15)
    assert (second.at_ms, second.count) == (START_MS + QUARTER_MS, 15)


def test_what_is_personal_is_never_in_it(site: Site, tmp_path: Path) -> None:
    site.minutes(60)

    canaries = Canaries(
        {"account": forms_of_integer(SECRET)}, (forms_of_float(WEIGHT), forms_of_float(WEIGHT))
    )
    assert site.kept()
    assert site.kept(ACCOUNT) == site.kept(PointId("weight")) == []
    assert all_found(canaries, files_below(tmp_path)) == []
    with closing(sqlite3.connect(site.store)) as db:
        rows = db.execute("SELECT body FROM history").fetchall()
    assert rows
    for (body,) in rows:
        assert {name for points in history._unpacked(body).values() for name in points} == {POWER}


def test_without_days_nothing_is_kept(tmp_path: Path, clock: HandClock) -> None:
    site = Site(tmp_path, clock, days=0.0)
    site.minutes(60)
    assert site.kept() == []
    site.outbox.close()


def test_old_quarters_go(tmp_path: Path, clock: HandClock) -> None:
    site = Site(tmp_path, clock, days=1 / 24)
    site.minutes(181)
    assert [sample.at_ms for sample in site.kept()] == [
        START_MS + number * QUARTER_MS for number in range(7, 12)
    ]
    site.outbox.close()


def test_too_much_costs_the_oldest(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.minutes(61)
    with closing(sqlite3.connect(site.store)) as db:
        (size,) = db.execute("SELECT max(length(body)) FROM history").fetchone()
    monkeypatch.setattr(history, "BYTES_MOST", 3 * size)
    site.minutes(60)
    assert [sample.at_ms for sample in site.kept()][-1] == START_MS + 7 * QUARTER_MS
    assert len(site.kept()) == 3


def test_it_goes_over_when_a_damaged_file_is_replaced(site: Site) -> None:
    site.minutes(61)
    before = site.kept()
    with closing(sqlite3.connect(site.store)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ((root,),) = other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'memory'")
    with site.store.open("r+b") as raw:
        raw.seek((root - 1) * PAGE_BYTES)
        raw.write(bytes(range(256)) * (PAGE_BYTES // 256))
    with pytest.raises(StoreCorruptError):
        site.outbox.memories()

    assert len(before) == 4
    assert site.kept() == before
    assert verify(site.store) == []


def test_what_is_no_store_is_said_to_be_none(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    file.write_bytes(b"this is no database" * 500)
    with pytest.raises(GatewayError, match="not a readable store"):
        kept(file, READER, POWER, 0)


def test_without_a_store_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="no store yet"):
        kept(tmp_path / "store.db", READER, POWER, 0)


@given(st.binary(max_size=60))
def test_any_bytes_in_a_row_say_nothing_or_something(body: bytes) -> None:
    assert isinstance(samples_of([(0, body)], READER, POWER), list)


def test_rows_of_an_unset_clock_are_not_kept() -> None:
    at = Instant(5, 5, Trust.UNSET)
    table = PointTable(Point(PointId("power.last")))
    assert pack_quarter([Reading(READER, table, at, (1,))]) is None


def reading(power: float | None) -> Reading:
    return Reading(READER, TABLE, Instant(0, 0, Trust.SYNCED), (power, SECRET, WEIGHT, "a lamp"))


def test_minutes_hold_what_was_so_at_the_end_of_each(clock: HandClock) -> None:
    now: list[Reading] = []
    minutes = Minutes(lambda: now, clock)
    at = clock.set_wall(START_MS, Trust.SYNCED).wall_ms
    for power in (None, 1.0, None, 3.0):
        now = [] if power is None and not now else [reading(power)]
        minutes.look(clock.now())
        clock.advance(60)

    told = minutes.of(READER, POWER, 0)
    assert [(sample.at_ms, sample.last) for sample in told] == [
        (at, 1.0),
        (at + 2 * MINUTE_MS, 3.0),
    ]
    assert [sample.last for sample in minutes.of(READER, POWER, at + 2 * MINUTE_MS)] == [3.0]
    assert minutes.of(READER, ACCOUNT, 0) == []
    assert minutes.of(DeviceId("nobody"), POWER, 0) == []


def test_minutes_are_bounded_and_a_point_that_is_gone_is_forgotten(clock: HandClock) -> None:
    now = [reading(1.0)]
    minutes = Minutes(lambda: now, clock)
    clock.set_wall(START_MS, Trust.SYNCED)
    for number in range(2 * MINUTES_KEPT):
        if number == MINUTES_KEPT:
            now.clear()
        minutes.look(clock.now())
        clock.advance(60)
        assert len(minutes.of(READER, POWER, 0)) <= MINUTES_KEPT
    assert minutes._values == {}


def test_a_clock_that_was_set_back_or_never_set_mixes_no_times(clock: HandClock) -> None:
    minutes = Minutes(lambda: [reading(2.0)], clock)
    minutes.look(clock.set_wall(5, Trust.UNSET))
    assert minutes.of(READER, POWER, 0) == []
    minutes.look(clock.set_wall(START_MS, Trust.SYNCED))
    minutes.look(clock.set_wall(START_MS - 86_400_000, Trust.SYNCED))
    assert [sample.at_ms for sample in minutes.of(READER, POWER, 0)] == [
        START_MS - 86_400_000 - MINUTE_MS
    ]


@given(st.integers(-(2**1100), 2**1100))
def test_a_number_too_great_for_a_chart_is_left_out(value: int) -> None:
    made = history._float(value)
    assert math.isnan(made) or made == float(value)


def test_quarters_end_where_minutes_begin() -> None:
    quarters = [Sample(n * QUARTER_MS, QUARTER_MS, 1, 1, 1, 1, 1) for n in range(4)]
    minutes = [Sample(2 * QUARTER_MS + 7, MINUTE_MS, 2, 2, 2, 2, 0)]
    assert joined(quarters, minutes) == [*quarters[:2], *minutes]
    assert joined(quarters, []) == quarters
