"""The outbox: sequences, cursors, trimming, gaps, and what a broken file does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import ConfigError, StoreCorruptError
from gateway.model.ids import OPERATIONS, ConsumerId, EpochId
from gateway.model.stream import Stream
from gateway.store.batches import GapRecord
from gateway.store.inspection import export, inspect, verify
from gateway.store.migrations import STEPS, migrate
from gateway.store.outbox import Outbox, Parcel, Settled
from gateway.store.retention import Held, to_free
from gateway.store.sealing import Epoch
from gateway.store.store import open_outbox
from gateway.store.waiting import Missed
from tests.sealing import GATEWAY, body, epoch

CITY, UTILITY = ConsumerId("city"), ConsumerId("utility")
BOTH = {OPERATIONS: frozenset({CITY, UTILITY})}
ONE = {OPERATIONS: frozenset({CITY})}
ROOM = 2**20
EVERYTHING = frozenset({OPERATIONS})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def outbox(file: Path) -> Iterator[Outbox]:
    opened = Outbox(file, ONE, ROOM)
    yield opened
    opened.close()


def fill(outbox: Outbox, count: int, stream: Stream = Stream.DATA) -> Epoch:
    key = epoch()
    outbox.add_epoch(key, 0)
    for number in range(count):
        outbox.add([(stream, key, body(number * 1000))])
    return key


def sent(outbox: Outbox, after: int = 0, stream: Stream = Stream.DATA) -> list[Parcel]:
    return outbox.parcels(EVERYTHING, {(stream, OPERATIONS): after}, 100, ROOM)


def settled(up_to: int, stream: Stream = Stream.DATA) -> list[Settled]:
    return [Settled(stream, OPERATIONS, up_to)]


def forbid(file: Path, what: str) -> None:
    """Let every statement of a kind fail from now on, as a card that takes nothing does."""
    with sqlite3.connect(file) as other:
        other.execute(f"CREATE TRIGGER refuse BEFORE {what} BEGIN SELECT RAISE(ABORT, 'no'); END")
    other.close()


def allow(file: Path) -> None:
    with sqlite3.connect(file) as other:
        other.execute("DROP TRIGGER refuse")
    other.close()


def test_sequences_count_from_one_without_holes(outbox: Outbox) -> None:
    fill(outbox, 5)

    assert [parcel.sequence for parcel in sent(outbox)] == [1, 2, 3, 4, 5]


def test_sequences_go_on_after_a_restart(file: Path) -> None:
    first = Outbox(file, ONE, ROOM)
    fill(first, 3)
    first.settle(CITY, settled(3))
    incarnation = first.incarnation
    first.close()

    again = Outbox(file, ONE, ROOM)
    fill(again, 1)

    assert [parcel.sequence for parcel in sent(again)] == [4]
    assert again.incarnation == incarnation
    again.close()


def test_what_is_acknowledged_is_deleted_and_nothing_else(outbox: Outbox) -> None:
    fill(outbox, 5)

    outbox.settle(CITY, settled(3))

    (channel,) = outbox.channels
    assert [parcel.sequence for parcel in sent(outbox)] == [4, 5]
    assert (channel.oldest, channel.newest, channel.kept, channel.produced) == (4, 5, 20, 50)


def test_nothing_moves_back(outbox: Outbox) -> None:
    fill(outbox, 5)
    outbox.settle(CITY, settled(4))

    outbox.settle(CITY, settled(2))

    assert outbox.cursors(CITY) == {(Stream.DATA, OPERATIONS): 4}


def test_no_sequence_is_given_twice_when_the_file_went_back_in_time(outbox: Outbox) -> None:
    fill(outbox, 2)

    outbox.settle(CITY, settled(1000))
    fill(outbox, 1)

    ((_, gap),) = outbox.untold_gaps()
    assert [parcel.sequence for parcel in sent(outbox)] == [gap.last + 1]
    assert (gap.first, gap.count) == (1001, 0)


def test_an_acknowledgement_far_beyond_belief_settles_only_what_was(outbox: Outbox) -> None:
    fill(outbox, 2)

    outbox.settle(CITY, settled(2**39))
    fill(outbox, 1)

    assert [parcel.sequence for parcel in sent(outbox)] == [3]


def test_a_batch_stays_until_every_entitled_consumer_has_it(file: Path) -> None:
    outbox = Outbox(file, BOTH, ROOM)
    fill(outbox, 3)

    outbox.settle(CITY, settled(3))
    kept_for_the_slow_one = [parcel.sequence for parcel in sent(outbox)]
    outbox.settle(UTILITY, settled(2))

    assert kept_for_the_slow_one == [1, 2, 3]
    assert [parcel.sequence for parcel in sent(outbox)] == [3]
    outbox.close()


def test_a_stream_nobody_is_entitled_to_is_kept(file: Path) -> None:
    outbox = Outbox(file, {}, ROOM)
    fill(outbox, 2)

    outbox.settle(CITY, settled(2))

    assert len(sent(outbox)) == 2
    outbox.close()


def test_urgent_streams_come_first(outbox: Outbox) -> None:
    fill(outbox, 2, Stream.DATA)
    fill(outbox, 1, Stream.ALARM)

    parcels = outbox.parcels(EVERYTHING, {}, 10, ROOM)

    assert [parcel.stream for parcel in parcels] == [Stream.ALARM, Stream.DATA, Stream.DATA]


def test_less_urgent_streams_stay_behind_when_asked(outbox: Outbox) -> None:
    fill(outbox, 2, Stream.DATA)

    assert outbox.parcels(EVERYTHING, {}, 10, ROOM, Stream.EVENT) == []


def test_a_fetch_is_bounded_by_bytes_but_never_empty(outbox: Outbox) -> None:
    fill(outbox, 3)

    assert len(outbox.parcels(EVERYTHING, {}, 10, 1)) == 1


def test_the_epoch_record_stays_while_a_batch_needs_it(outbox: Outbox) -> None:
    first = fill(outbox, 2)
    fill(outbox, 1)
    (parcel, *_) = sent(outbox)

    outbox.settle(CITY, settled(1), epochs=[first.id])
    while_needed = outbox.epoch_record(parcel.epoch)
    outbox.settle(CITY, settled(2))

    assert while_needed == first.record
    assert outbox.epoch_record(parcel.epoch) is None


def test_a_wanted_epoch_counts_as_not_delivered(outbox: Outbox) -> None:
    key = fill(outbox, 1)
    outbox.settle(CITY, [], epochs=[key.id])
    delivered = outbox.delivered_epochs(CITY)

    outbox.settle(CITY, [], wanted=[key.id, EpochId(b"unknown!")])

    assert delivered == {1}
    assert outbox.delivered_epochs(CITY) == set()


def test_the_oldest_raw_batches_go_when_room_runs_short_and_are_told(file: Path) -> None:
    size = len(epoch().seal(body(), Stream.DATA, 1))
    outbox = Outbox(file, ONE, size * 10)
    fill(outbox, 2, Stream.ALARM)
    fill(outbox, 20)

    gaps = [gap for _, gap in outbox.untold_gaps()]
    data = next(channel for channel in outbox.channels if channel.stream is Stream.DATA)

    assert {gap.stream for gap in gaps} == {Stream.DATA}
    assert sum(gap.count for gap in gaps) + data.kept == data.produced
    assert (gaps[0].first, gaps[-1].last) == (1, data.oldest - 1)
    assert sum(channel.size for channel in outbox.channels) <= size * 10
    assert verify(file) == []
    outbox.close()


def test_a_told_gap_is_told_once(outbox: Outbox) -> None:
    key = fill(outbox, 3)
    outbox.give_up(Stream.DATA, OPERATIONS, 2, GapRecord.REFUSED)
    ((gap_id, gap),) = outbox.untold_gaps()

    outbox.add([(Stream.EVENT, key, body())], told=[gap_id])

    assert (gap.first, gap.last, gap.count, gap.reason) == (2, 2, 10, GapRecord.REFUSED)
    assert outbox.untold_gaps() == []


def test_a_failed_transaction_changes_neither_file_nor_memory(outbox: Outbox, file: Path) -> None:
    key = fill(outbox, 1)
    with sqlite3.connect(file) as other:
        other.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON batch WHEN NEW.id & 0xFF = 3"
            " BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    other.close()

    with pytest.raises(StoreCorruptError):
        outbox.add([(Stream.DATA, key, body()), (Stream.DATA, key, body())])
    outbox.add([(Stream.DATA, key, body())])

    assert [parcel.sequence for parcel in sent(outbox)] == [1, 2]


def test_the_first_batch_of_a_channel_may_fail_and_the_next_one_is_counted(file: Path) -> None:
    first, key = Outbox(file, ONE, ROOM), epoch()
    first.add_epoch(key, 0)
    forbid(file, "INSERT ON batch")
    with pytest.raises(StoreCorruptError):
        first.add([(Stream.DATA, key, body())])
    allow(file)
    first.add([(Stream.DATA, key, body())])
    first.close()

    again = Outbox(file, ONE, ROOM)

    (channel,) = again.channels
    assert (channel.newest, channel.produced, channel.kept) == (1, 10, 10)
    again.close()


def test_what_is_committed_is_not_reported_as_lost_when_no_room_can_be_made(file: Path) -> None:
    size = len(epoch().seal(body(), Stream.DATA, 1))
    outbox = Outbox(file, ONE, size * 3)
    key = fill(outbox, 3)
    forbid(file, "DELETE ON batch")

    outbox.add([(Stream.DATA, key, body())])
    allow(file)
    outbox.add([(Stream.DATA, key, body())])

    (channel,) = outbox.channels
    assert (channel.newest, channel.oldest) == (5, 4)
    assert [gap.last for _, gap in outbox.untold_gaps()] == [3]
    outbox.close()


def test_what_a_driver_learned_is_kept(file: Path) -> None:
    first = Outbox(file, ONE, ROOM)
    first.remember("meter-1", '{"splits": [26]}')
    first.remember("meter-1", '{"splits": [26, 40]}')
    first.close()

    again = Outbox(file, ONE, ROOM)

    assert again.memories() == {"meter-1": '{"splits": [26, 40]}'}
    again.close()


def test_a_file_of_garbage_is_set_aside_and_a_new_one_begun(file: Path) -> None:
    file.write_bytes(b"this is no database" * 500)

    outbox = open_outbox(file, ONE, ROOM)
    fill(outbox, 1)

    aside = file.with_name(outbox.damages[0].aside)
    assert aside.read_bytes().startswith(b"this is no database")
    assert len(sent(outbox)) == 1
    outbox.close()


def test_what_was_never_sealed_takes_a_sequence_and_is_told_as_a_gap(file: Path) -> None:
    outbox = Outbox(file, ONE, ROOM)
    key = epoch()
    outbox.add_epoch(key, 0)
    outbox.add([(Stream.DATA, key, body())])
    missed = Missed(OPERATIONS, 1_000, 5_000, 70)

    added = outbox.add([(Stream.DATA, key, body()), (Stream.DATA, key, body())], (), [missed])

    ((_, gap),) = outbox.untold_gaps()
    (channel,) = outbox.channels
    assert [batch.sequence for batch in added] == [3, 4]
    assert (gap.first, gap.last, gap.count, gap.reason) == (2, 2, 70, GapRecord.NOT_STORED)
    assert (gap.first_wall_ms, gap.last_wall_ms) == (1_000, 5_000)
    assert channel.produced == channel.kept + gap.count == 100
    outbox.close()
    assert verify(file) == []
    again = Outbox(file, ONE, ROOM)
    assert again.channels == [channel]
    again.close()


def test_a_file_of_a_newer_program_is_not_touched(file: Path) -> None:
    Outbox(file, ONE, ROOM).close()
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version = 1000")
    db.close()

    with pytest.raises(ConfigError, match=r"newer Mayak .* install the newer version again"):
        open_outbox(file, ONE, ROOM)
    assert not list(file.parent.glob("*.damaged*"))


@pytest.mark.parametrize("broken_at", range(8))
def test_a_migration_broken_at_any_statement_leaves_the_file_as_before(
    file: Path, broken_at: int
) -> None:
    statements = [part for part in STEPS[0].split(";") if part.strip()]
    statements.insert(broken_at, "\nINSERT INTO nowhere VALUES (1)")
    db = sqlite3.connect(file, isolation_level=None)

    with pytest.raises(sqlite3.DatabaseError):
        migrate(db, (";\n".join(statements) + ";\n",))

    assert db.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    assert db.execute("PRAGMA user_version").fetchone() == (0,)
    db.close()


def test_status_and_export_show_what_is_kept(outbox: Outbox, file: Path, tmp_path: Path) -> None:
    fill(outbox, 4)
    outbox.settle(CITY, settled(1))

    status = inspect(file, 16)
    exported = export(file, GATEWAY, tmp_path / "out.cborseq")

    (channel,) = status.channels
    assert (channel.oldest, channel.newest, channel.batches, status.kept) == (2, 4, 3, 30)
    assert exported == 1 + 3


DAMAGE = {
    "a batch is gone": "DELETE FROM batch WHERE id & 0xFF = 2",
    "a batch was moved": "UPDATE batch SET id = id + 7 WHERE id & 0xFF = 4",
    "a body was changed": "UPDATE batch SET body = x'00' WHERE id & 0xFF = 3",
    "two bodies are the same": (
        "UPDATE batch SET body = (SELECT body FROM batch WHERE id & 0xFF = 1) WHERE id & 0xFF = 2"
    ),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_verify_finds(outbox: Outbox, file: Path, damage: str) -> None:
    fill(outbox, 4)
    before = verify(file)
    with sqlite3.connect(file) as db:
        db.execute(damage)
    db.close()

    assert before == []
    assert verify(file)


@given(
    sizes=st.lists(st.integers(0, 1000), min_size=len(Stream), max_size=len(Stream)),
    room=st.integers(0, 8000),
)
def test_what_is_freed_is_enough_and_the_least_urgent_first(sizes: list[int], room: int) -> None:
    held = [Held(i, stream, sizes[i]) for i, stream in enumerate(Stream)]

    freed = dict(to_free(held, room))

    assert sum(sizes) - sum(freed.values()) <= max(room, 0)
    assert all(0 < share <= sizes[channel] for channel, share in freed.items())
    if Stream.ALARM in freed:
        others = [held[i].size == freed.get(i, 0) for i in range(1, len(Stream))]
        assert all(others)


def test_one_who_is_entitled_no_more_holds_nothing_back_from_the_next_start(file: Path) -> None:
    first = Outbox(file, BOTH, ROOM)
    fill(first, 4)
    first.settle(CITY, settled(3))
    held = [parcel.sequence for parcel in sent(first)]
    first.close()

    again = Outbox(file, ONE, ROOM)

    assert held == [1, 2, 3, 4]
    assert [parcel.sequence for parcel in sent(again)] == [4]
    assert again.cursors(UTILITY) == {(Stream.DATA, OPERATIONS): 0}
    again.close()


def test_one_who_joins_begins_with_what_is_sealed_from_then_on(file: Path) -> None:
    first = Outbox(file, ONE, ROOM)
    fill(first, 3)
    first.close()

    joined = Outbox(file, BOTH, ROOM)
    at_first = joined.cursors(UTILITY)
    fill(joined, 1)
    joined.close()
    again = Outbox(file, BOTH, ROOM)

    began = again.beginnings(UTILITY)[Stream.DATA, OPERATIONS]
    assert at_first == again.cursors(UTILITY) == {(Stream.DATA, OPERATIONS): 3}
    assert (began.sequence, began.produced) == (3, 30)
    assert again.beginnings(CITY) == {}
    again.settle(CITY, settled(4))
    assert [parcel.sequence for parcel in sent(again)] == [4]
    again.close()


def test_who_was_there_from_the_start_gets_all_of_it_after_a_restart(file: Path) -> None:
    first = Outbox(file, BOTH, ROOM)
    fill(first, 3)
    first.close()

    again = Outbox(file, BOTH, ROOM)

    assert again.cursors(UTILITY) == {(Stream.DATA, OPERATIONS): 0}
    again.close()


def test_what_was_acknowledged_is_noted_with_the_next_commit(outbox: Outbox, file: Path) -> None:
    key = fill(outbox, 3)
    outbox.settle_soon(CITY, settled(2), {key.id})
    assert outbox.cursors(CITY)[Stream.DATA, OPERATIONS] == 0
    forbid(file, "INSERT ON batch")
    with pytest.raises(StoreCorruptError):
        outbox.add([(Stream.DATA, key, body(9))])
    assert outbox.has_hearsay
    assert outbox.cursors(CITY)[Stream.DATA, OPERATIONS] == 0
    allow(file)
    outbox.add([(Stream.DATA, key, body(9))])
    assert not outbox.has_hearsay
    assert outbox.cursors(CITY)[Stream.DATA, OPERATIONS] == 2
    assert outbox.delivered_epochs(CITY)
    assert [parcel.sequence for parcel in sent(outbox)] == [3, 4]


def test_what_was_acknowledged_can_be_noted_by_itself(outbox: Outbox) -> None:
    fill(outbox, 3)
    outbox.settle_soon(CITY, settled(1), set())
    outbox.settle_soon(CITY, settled(3), set())
    outbox.settle_soon(CITY, settled(2), set())
    outbox.settle_now()
    assert not outbox.has_hearsay
    assert outbox.cursors(CITY)[Stream.DATA, OPERATIONS] == 3
    assert not sent(outbox)
