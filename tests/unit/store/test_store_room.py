"""A card that is full, forbids writing, or fails to sync: what goes, what stays, what is told."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from gateway.model.errors import StoreCorruptError, StoreFullError
from gateway.model.ids import OPERATIONS, ConsumerId
from gateway.model.stream import Stream
from gateway.store import outbox as outbox_module
from gateway.store.inspection import verify
from gateway.store.outbox import Outbox
from gateway.store.relief import BALLAST_BYTES
from gateway.store.sealing import Epoch
from tests.sealing import body, epoch

CITY = ConsumerId("city")
ONE = {OPERATIONS: frozenset({CITY})}
EVERYTHING = frozenset({OPERATIONS})
PLENTY = 2**26
ROUND = 20
BODY = body()


class Site:
    """A store that gets the same again and again."""

    def __init__(self, file: Path, room: int = PLENTY) -> None:
        self.outbox = Outbox(file, ONE, room)
        self.epoch: Epoch = epoch()
        self.outbox.add_epoch(self.epoch, 0)
        self.added = 0

    def add(self, count: int = ROUND) -> None:
        full = replace(BODY, packed=os.urandom(2_000))
        bodies = [(Stream.DATA, self.epoch, full)] * count
        self.added += len(self.outbox.add(bodies))

    def balance(self) -> None:
        """Hold what is here and what was told against what was added."""
        (channel,) = self.outbox.channels
        gaps = [gap for _, gap in self.outbox.untold_gaps()]
        here = self.outbox.parcels(EVERYTHING, {}, 10**6, 2**30)
        assert channel.newest == self.added
        assert len(here) + sum(gap.last - gap.first + 1 for gap in gaps) == self.added
        assert channel.kept + sum(gap.count for gap in gaps) == channel.produced


@pytest.fixture
def small_card(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    card = tmp_path / "card"
    card.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", card], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("mounting a file system of 6 MiB needs more rights than these")
    yield card
    subprocess.run(["umount", "--lazy", card], check=True)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


def test_a_file_at_its_bound_gives_up_the_oldest_and_goes_on(tmp_path: Path) -> None:
    site = Site(tmp_path / "store.db", room=2**18)
    site.outbox.remember("meter-1", "x" * 1_150_000)  # leaves hardly any room beside it

    for _ in range(40):
        site.add()

    site.balance()
    assert site.outbox.untold_gaps()
    assert verify(tmp_path / "store.db") == []
    site.outbox.close()


def test_a_full_card_costs_the_oldest_and_no_sequence(small_card: Path) -> None:
    site = Site(small_card / "store.db")
    for _ in range(300):
        site.add()

    site.balance()
    assert site.outbox.untold_gaps()
    site.outbox.close()
    assert verify(small_card / "store.db") == []


def test_a_card_filled_by_others_takes_no_more_than_the_ballast(small_card: Path) -> None:
    site = Site(small_card / "store.db")
    site.add()
    filler = small_card / "filler"
    room = os.statvfs(small_card)
    filler.write_bytes(bytes(room.f_bavail * room.f_frsize))
    assert not os.statvfs(small_card).f_bavail

    for _ in range(40):
        site.add()
    site.balance()

    filler.unlink()
    for _ in range(120):
        site.add(1)
    assert (small_card / "store.db.ballast").stat().st_size == BALLAST_BYTES
    site.outbox.close()


def test_a_limit_on_files_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    site = Site(tmp_path / "store.db")
    site.add()
    with no_file_larger_than(1_300_000):
        while committed := site.added:
            try:
                site.add()
            except StoreFullError:
                break
    site.epoch = epoch()
    site.outbox.add_epoch(site.epoch, 0)
    site.add()

    site.balance()
    assert site.added == committed + ROUND
    site.outbox.close()


def test_a_failed_sync_is_not_tried_again_on_the_same_file(tmp_path: Path) -> None:
    site = Site(tmp_path / "store.db")
    site.add()

    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    real = outbox_module.transaction  # type: ignore[attr-defined]  # where the outbox looks it up
    failed: list[sqlite3.Connection] = []

    def failing(db: sqlite3.Connection) -> AbstractContextManager[None]:
        if not failed:
            failed.append(db)
            raise error
        return real(db)

    with patch.object(outbox_module, "transaction", failing), pytest.raises(StoreCorruptError):
        site.add()
    site.epoch = epoch()
    site.outbox.add_epoch(site.epoch, 0)
    site.add()

    assert site.outbox.damages[0].lost == 0
    site.balance()
    site.outbox.close()
