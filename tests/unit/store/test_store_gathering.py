"""Small batches into large ones: only what never went out, and nothing changes but the number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.model.ids import OPERATIONS, ConsumerId
from gateway.model.reading import Reading
from gateway.model.stream import Stream
from gateway.store.batches import pack_readings
from gateway.store.gathering import GRACE_S, SPAN_MOST, Gatherer
from gateway.store.inspection import verify
from gateway.store.outbox import Outbox, Parcel, Settled
from gateway.store.sealing import Epoch, open_epoch
from tests.sealing import AT, catalogue, identity, reading

CITY = ConsumerId("city")
EVERYTHING = frozenset({OPERATIONS})


class Site:
    """A second of readings after the other, sealed, committed and gathered."""

    def __init__(self, file: Path, gather_s: float) -> None:
        self.file = file
        self.outbox = Outbox(file, {OPERATIONS: frozenset({CITY})}, 2**24)
        self.catalogue = catalogue()
        self.gatherer = Gatherer(self.outbox, self.catalogue, gather_s)
        self.second = 0
        self.begin_epoch()

    def begin_epoch(self) -> None:
        self.epoch: Epoch = open_epoch(identity(), self.catalogue, [], AT)
        self.outbox.add_epoch(self.epoch, 0)

    def pass_seconds(self, count: int, *, wall_shift_ms: int = 0) -> None:
        for _ in range(count):
            self.second += 1
            made = reading(self.second * 1000, value=230 + self.second)
            at = made.at._replace(wall_ms=made.at.wall_ms + wall_shift_ms)
            self.commit(replace(made, at=at))

    def commit(self, made: Reading) -> None:
        body = pack_readings([made], self.catalogue, self.epoch.references)
        assert body is not None
        ((sequence, _),) = self.outbox.add([(Stream.DATA, self.epoch, body)])
        self.gatherer.committed(self.epoch, sequence, [made], float(self.second))

    def handed_out(self, *, now_s: float = math.inf) -> list[Parcel]:
        return self.outbox.parcels(EVERYTHING, {}, 1000, 2**24, Stream.MEDIA, now_s)

    def spans(self) -> list[tuple[int, int]]:
        """Return sequence and span of every batch on the card, without handing it out."""
        rows = self.outbox.parcel(Stream.DATA, OPERATIONS, 1, 10**6)
        return [(parcel.sequence, parcel.span) for parcel in rows]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def alone(file: Path) -> Iterator[Site]:
    """A site without a link: nothing is ever handed out."""
    site = Site(file, gather_s=0)
    yield site
    site.outbox.close()


@pytest.fixture
def metered(file: Path) -> Iterator[Site]:
    site = Site(file, gather_s=5)
    yield site
    site.outbox.close()


def test_a_minute_that_nobody_took_becomes_one_batch(alone: Site) -> None:
    alone.pass_seconds(SPAN_MOST + 1)

    assert alone.spans() == [(60, 60), (61, 1)]
    assert verify(alone.file) == []


def test_a_merged_batch_counts_what_it_stands_for(alone: Site) -> None:
    alone.pass_seconds(SPAN_MOST)

    (channel,) = alone.outbox.channels
    assert (channel.produced, channel.kept, channel.oldest, channel.newest) == (600, 600, 1, 60)


def test_the_backlog_is_a_fraction_of_what_it_was(alone: Site) -> None:
    alone.pass_seconds(SPAN_MOST - 1)
    before = alone.outbox.channels[0].size
    alone.pass_seconds(1)

    assert alone.outbox.channels[0].size < before / 8


def test_what_went_out_is_never_merged(alone: Site) -> None:
    alone.pass_seconds(30)
    alone.handed_out()
    alone.pass_seconds(SPAN_MOST)

    assert alone.spans() == [*((n, 1) for n in range(1, 31)), (90, 60)]


def test_batches_of_two_epochs_stay_apart(alone: Site) -> None:
    alone.pass_seconds(40)
    alone.begin_epoch()
    alone.pass_seconds(40)

    assert all(span == 1 for _, span in alone.spans())


def test_batches_before_and_after_a_set_clock_stay_apart(alone: Site) -> None:
    alone.pass_seconds(40)
    alone.pass_seconds(40, wall_shift_ms=86_400_000)

    assert all(span == 1 for _, span in alone.spans())


def test_an_acknowledgement_in_the_middle_of_a_span_keeps_the_batch(alone: Site) -> None:
    alone.pass_seconds(SPAN_MOST)

    alone.outbox.settle(CITY, [Settled(Stream.DATA, OPERATIONS, 30)])
    kept = alone.spans()
    alone.outbox.settle(CITY, [Settled(Stream.DATA, OPERATIONS, 60)])

    assert (kept, alone.spans()) == ([(60, 60)], [])


def test_a_hole_is_filled_with_the_batch_that_covers_it(alone: Site) -> None:
    alone.pass_seconds(SPAN_MOST + 5)

    covering = alone.outbox.parcel(Stream.DATA, OPERATIONS, 20, 30)

    assert [(parcel.sequence, parcel.span) for parcel in covering] == [(60, 60)]


def test_gathered_readings_go_out_together_and_not_before(metered: Site) -> None:
    metered.pass_seconds(4)
    early = metered.handed_out(now_s=4.0)
    metered.pass_seconds(2)
    together = metered.handed_out(now_s=6.0)

    assert early == []
    assert [(parcel.sequence, parcel.span) for parcel in together] == [(6, 6)]


def test_gathered_readings_do_not_wait_for_ever_when_nothing_follows(metered: Site) -> None:
    metered.pass_seconds(3)

    late = metered.handed_out(now_s=1 + 5 + GRACE_S)

    assert [parcel.sequence for parcel in late] == [1, 2, 3]


def test_gathered_readings_that_nobody_takes_are_merged_further(metered: Site) -> None:
    metered.pass_seconds(SPAN_MOST)

    assert metered.spans() == [(60, 60)]


def test_other_streams_are_not_held_back(metered: Site) -> None:
    metered.pass_seconds(2)
    body = pack_readings([reading(9000)], metered.catalogue, {})
    assert body is not None
    metered.outbox.add([(Stream.ALARM, metered.epoch, body)])

    assert [parcel.stream for parcel in metered.handed_out(now_s=2.0)] == [Stream.ALARM]


def test_a_restart_hands_out_what_lies_there(metered: Site, file: Path) -> None:
    metered.pass_seconds(3)
    metered.outbox.close()

    again = Outbox(file, {OPERATIONS: frozenset({CITY})}, 2**24)
    found = again.parcels(EVERYTHING, {}, 10, 2**20, Stream.MEDIA, 0.0)

    assert [parcel.sequence for parcel in found] == [1, 2, 3]
    again.close()
