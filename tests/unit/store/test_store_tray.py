"""The tray: what a commit hands straight to the link, and when the file has to be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.ids import OPERATIONS, PERSONAL, ConsumerId
from gateway.model.stream import Stream
from gateway.store.outbox import Outbox
from gateway.store.sealing import Epoch
from gateway.store.tray import PARCELS_MOST, Tray
from tests.sealing import body, epoch

CITY = ConsumerId("city")
OURS = frozenset({OPERATIONS})
ROOM = 2**20


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    opened = Outbox(tmp_path / "store.db", {OPERATIONS: frozenset({CITY})}, ROOM)
    yield opened
    opened.close()


@pytest.fixture
def key(outbox: Outbox) -> Epoch:
    made = epoch()
    outbox.add_epoch(made, 0)
    return made


@pytest.fixture
def tray(outbox: Outbox) -> Tray:
    made = Tray(OURS)
    outbox.add_tray(made)
    return made


def add(outbox: Outbox, key: Epoch, *streams: Stream) -> None:
    outbox.add([(stream, key, body(number)) for number, stream in enumerate(streams)])


def test_what_is_committed_comes_as_the_file_has_it_most_urgent_first(
    outbox: Outbox, key: Epoch, tray: Tray
) -> None:
    tray.open = True
    add(outbox, key, Stream.DATA, Stream.ALARM)
    add(outbox, key, Stream.DATA)
    taken = tray.take({}, outbox.channels)
    assert [(parcel.stream, parcel.sequence) for parcel in taken] == [
        (Stream.ALARM, 1),
        (Stream.DATA, 1),
        (Stream.DATA, 2),
    ]
    assert taken == outbox.parcels(OURS, {}, 10, ROOM)
    assert not tray.take({}, [])


def test_a_closed_tray_takes_nothing_and_then_there_is_a_hole(
    outbox: Outbox, key: Epoch, tray: Tray
) -> None:
    add(outbox, key, Stream.DATA)
    tray.open = True
    add(outbox, key, Stream.DATA)
    assert not tray.take({}, outbox.channels)
    add(outbox, key, Stream.DATA)
    assert [p.sequence for p in tray.take({(Stream.DATA, OPERATIONS): 2}, outbox.channels)] == [3]


def test_what_went_into_a_tray_is_never_replaced_by_a_merged_batch(
    outbox: Outbox, key: Epoch, tray: Tray
) -> None:
    tray.open = True
    add(outbox, key, Stream.DATA)
    add(outbox, key, Stream.DATA)
    assert not outbox.merge(Stream.DATA, key, body(9), 1, 2)


def test_a_tray_that_was_dropped_gets_nothing(outbox: Outbox, key: Epoch, tray: Tray) -> None:
    tray.open = True
    outbox.drop_tray(tray)
    add(outbox, key, Stream.DATA)
    assert outbox.merge(Stream.DATA, key, body(9), 1, 1)
    assert not tray.take({}, [])


def test_what_others_are_entitled_to_neither_comes_nor_makes_a_hole(
    outbox: Outbox, key: Epoch
) -> None:
    theirs = Tray(frozenset({PERSONAL}))
    outbox.add_tray(theirs)
    theirs.open = True
    add(outbox, key, Stream.DATA)
    assert not theirs.take({}, outbox.channels)


@given(st.lists(st.booleans(), max_size=2 * PARCELS_MOST), st.integers(0, 5))
def test_what_is_taken_is_all_there_is_or_nothing(
    tmp_path_factory: pytest.TempPathFactory, opened: list[bool], out: int
) -> None:
    folder = tmp_path_factory.mktemp("tray")
    outbox = Outbox(folder / "store.db", {OPERATIONS: frozenset({CITY})}, ROOM)
    try:
        made = epoch()
        outbox.add_epoch(made, 0)
        tray = Tray(OURS)
        outbox.add_tray(tray)
        for is_open in opened:
            tray.open = is_open
            add(outbox, made, Stream.DATA)
        after = {(Stream.DATA, OPERATIONS): min(out, len(opened))}
        taken = tray.take(after, outbox.channels)
        assert taken in ([], outbox.parcels(OURS, after, len(opened) + 1, ROOM))
    finally:
        outbox.close()
