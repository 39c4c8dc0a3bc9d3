"""A file that is damaged while the agent works on it, or was before it started."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from random import Random

import pytest

from gateway.model.errors import StoreCorruptError, StoreFullError
from gateway.model.ids import OPERATIONS, ConsumerId
from gateway.model.stream import Stream
from gateway.store.aside import ASIDE_MOST, asides
from gateway.store.batches import GapRecord
from gateway.store.database import PAGE_BYTES
from gateway.store.inspection import verify
from gateway.store.outbox import Outbox, Settled
from gateway.store.salvage import batches, both_ends, open_damaged
from gateway.store.store import open_outbox
from gateway.store.trimming import JUMP
from tests.sealing import body, epoch

CITY = ConsumerId("city")
ONE = {OPERATIONS: frozenset({CITY})}
ROOM = 2**24
PAGE = PAGE_BYTES
BATCHES = 400
EVERYTHING = frozenset({OPERATIONS})


def fill(outbox: Outbox, count: int) -> None:
    key = epoch()
    outbox.add_epoch(key, 0)
    for begun in range(0, count, 50):
        numbers = range(begun, min(begun + 50, count))
        outbox.add([(Stream.DATA, key, body(number * 1000)) for number in numbers])


def fold_in(file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def overwrite(file: Path, pages: list[int], rng: Random) -> None:
    with file.open("r+b") as raw:
        for page in pages:
            raw.seek(page * PAGE)
            raw.write(rng.randbytes(PAGE))


def pages_of(file: Path) -> int:
    return file.stat().st_size // PAGE


def work(outbox: Outbox) -> int:
    """Read all, settle nothing, add one; return how often the file was found damaged."""
    found = 0
    for _ in range(3):
        try:
            outbox.parcels(EVERYTHING, {}, 10_000, ROOM)
            outbox.settle(CITY, [Settled(Stream.DATA, OPERATIONS, 0)])
            fill(outbox, 1)
        except StoreCorruptError:
            found += 1
        else:
            break
    return found


def sequences(outbox: Outbox) -> set[int]:
    return {
        sequence
        for parcel in outbox.parcels(EVERYTHING, {}, 10_000, ROOM)
        for sequence in range(parcel.sequence - parcel.span + 1, parcel.sequence + 1)
    }


def told(outbox: Outbox) -> list[GapRecord]:
    return [gap for _, gap in outbox.untold_gaps()]


@pytest.mark.parametrize("seed", range(12))
def test_what_a_damaged_file_cost_is_told_to_the_batch(tmp_path: Path, seed: int) -> None:
    rng, file = Random(seed), tmp_path / "store.db"
    outbox = Outbox(file, ONE, ROOM)
    fill(outbox, BATCHES)
    incarnation = outbox.incarnation
    fold_in(file)
    overwrite(file, rng.sample(range(1, pages_of(file)), rng.randint(1, 6)), rng)

    assert work(outbox) <= 1

    (channel,) = outbox.channels
    gaps = told(outbox)
    lost = {s for gap in gaps for s in range(gap.first, gap.last + 1)}
    assert outbox.incarnation == incarnation
    assert sequences(outbox).isdisjoint(lost)
    assert sequences(outbox) | lost == set(range(1, channel.newest + 1))
    assert channel.kept + sum(gap.count for gap in gaps) == channel.produced
    assert not outbox.damages or verify(file) == []
    outbox.close()


@pytest.mark.parametrize("seed", range(8))
def test_a_file_found_damaged_at_the_start_gives_what_is_left(tmp_path: Path, seed: int) -> None:
    rng, file = Random(seed), tmp_path / "store.db"
    outbox = Outbox(file, ONE, ROOM)
    fill(outbox, BATCHES)
    outbox.close()
    overwrite(file, rng.sample(range(pages_of(file)), 3), rng)

    outbox = open_outbox(file, ONE, ROOM)
    work(outbox)

    (channel,) = outbox.channels
    lost = {s for gap in told(outbox) for s in range(gap.first, gap.last + 1)}
    assert sequences(outbox) | lost == set(range(1, channel.newest + 1))
    assert not outbox.damages or verify(file) == []
    outbox.close()


def test_a_salvage_goes_on_beyond_what_anybody_may_have(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    first = Outbox(file, ONE, ROOM)
    fill(first, BATCHES)
    first.close()
    with closing(sqlite3.connect(file)) as other:
        ((root,),) = other.execute("SELECT rootpage FROM sqlite_master WHERE name = 'gap'")
    overwrite(file, [root - 1], Random(1))

    outbox = open_outbox(file, ONE, ROOM)
    with pytest.raises(StoreCorruptError):
        outbox.untold_gaps()
    fill(outbox, 1)

    assert len(outbox.damages) == 1
    assert outbox.damages[0].kept == BATCHES * 10
    assert outbox.damages[0].lost == 0
    assert outbox.incarnation == first.incarnation
    outbox.close()


def test_garbage_in_its_place_is_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    file.write_bytes(Random(3).randbytes(50_000))

    outbox = open_outbox(file, ONE, ROOM)
    fill(outbox, 1)

    assert file.with_name(outbox.damages[0].aside) == file.with_name("store.db.damaged-1")
    assert outbox.damages[0].lost is None
    assert sequences(outbox) == {1}
    outbox.close()


def test_a_log_that_was_cut_costs_no_sequence_twice(tmp_path: Path) -> None:
    file, copy = tmp_path / "store.db", tmp_path / "copy" / "store.db"
    outbox = Outbox(file, ONE, ROOM)
    for _ in range(20):
        fill(outbox, 1)
    copy.parent.mkdir()
    shutil.copy(file, copy)
    log = file.with_name("store.db-wal").read_bytes()
    copy.with_name("store.db-wal").write_bytes(log[: len(log) * 3 // 4 + 17])
    outbox.close()

    back = open_outbox(copy, ONE, ROOM)
    (before,) = (channel.newest for channel in back.channels)
    back.settle(CITY, [Settled(Stream.DATA, OPERATIONS, 20)])
    fill(back, 1)

    assert before < 20
    assert sequences(back) == {20 + JUMP + 1}
    assert [gap.count for gap in told(back)] == [0]
    back.close()


def test_a_card_that_damages_every_file_is_not_worn_by_new_ones(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    outbox = Outbox(file, ONE, ROOM)
    errors = []
    for _ in range(10):
        with suppress(sqlite3.DatabaseError):  # of a file whose schema is damaged by now
            fold_in(file)
        overwrite(file, list(range(1, pages_of(file))), Random(5))
        try:
            outbox.untold_gaps()
        except (StoreCorruptError, StoreFullError) as error:
            errors.append(type(error))

    assert errors.count(StoreCorruptError) == 1
    assert len(outbox.damages) == 1
    outbox.close()


def test_only_the_newest_damaged_files_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    for seed in range(ASIDE_MOST + 2):
        file.write_bytes(Random(seed).randbytes(9_000))
        open_outbox(file, ONE, ROOM).close()

    assert [each.name for each in asides(file)] == ["store.db.damaged-3", "store.db.damaged-4"]


def test_a_renewal_stopped_between_its_renames_is_ended(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    outbox = Outbox(file, ONE, ROOM)
    fill(outbox, 3)
    outbox.close()
    file.rename(tmp_path / "store.db.renewed")

    again = Outbox(file, ONE, ROOM)

    assert sequences(again) == {1, 2, 3}
    again.close()


def test_a_file_with_pages_of_another_size_is_opened_and_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("PRAGMA page_size = 4096")
        other.execute("PRAGMA journal_mode = WAL")
    outbox = Outbox(file, ONE, ROOM)
    fill(outbox, BATCHES)
    outbox.close()

    with closing(sqlite3.connect(file)) as other:
        assert other.execute("PRAGMA page_size").fetchone() == (4096,)
    again = Outbox(file, ONE, ROOM)
    fill(again, 1)
    assert sequences(again) == set(range(1, BATCHES + 2))
    again.close()
    assert verify(file) == []


def test_reading_around_the_damage_finds_both_sides(tmp_path: Path) -> None:
    file = tmp_path / "store.db"
    outbox = Outbox(file, ONE, ROOM)
    fill(outbox, BATCHES)
    (channel,) = outbox.channels
    outbox.close()
    middle = pages_of(file) // 2
    overwrite(file, [middle], Random(2))

    with closing(open_damaged(file)) as db:
        found = [row[0] & 0xFFFF for row in batches(db, channel.row_id(1), channel.row_id(BATCHES))]
        cursors = both_ends(db, "channel", "id, newest", ["id"])

    assert found == sorted(found, reverse=True)
    assert BATCHES - 60 < len(found) < BATCHES
    assert cursors == [(channel.id, BATCHES)]
