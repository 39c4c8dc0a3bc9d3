"""A start on a card that is full or read-only: the store begins when the card takes it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.model.errors import GatewayError, StoreFullError
from gateway.model.ids import OPERATIONS, ConsumerId
from gateway.model.stream import Stream
from gateway.store.inspection import verify
from gateway.store.outbox import Outbox
from gateway.store.store import open_outbox
from tests.sealing import body, epoch

CITY = ConsumerId("city")
ONE = {OPERATIONS: frozenset({CITY})}
ROOM = 2**24
EVERYTHING = frozenset({OPERATIONS})


class Card:
    """A small file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "store.db"
        self.filler = folder / "filler"

    def read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", self.folder], check=True)

    def writable(self) -> None:
        subprocess.run(["mount", "-o", "remount,rw", self.folder], check=True)

    def fill(self) -> None:
        room = os.statvfs(self.folder)
        self.filler.write_bytes(bytes(room.f_bavail * room.f_frsize))

    def free(self) -> None:
        self.filler.unlink()


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    folder = tmp_path / "card"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("mounting a file system of 6 MiB needs more rights than these")
    yield Card(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


def add(outbox: Outbox, count: int) -> None:
    key = epoch()
    outbox.add_epoch(key, 0)
    outbox.add([(Stream.DATA, key, body())] * count)


def sequences(outbox: Outbox) -> list[int]:
    return [parcel.sequence for parcel in outbox.parcels(EVERYTHING, {}, 10_000, ROOM)]


TROUBLE: dict[str, tuple[Callable[[Card], None], Callable[[Card], None]]] = {
    "read-only": (Card.read_only, Card.writable),
    "full": (Card.fill, Card.free),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_an_empty_card_that_takes_nothing_gets_its_store_when_it_does(
    card: Card, trouble: str
) -> None:
    begin, end = TROUBLE[trouble]
    begin(card)
    outbox = open_outbox(card.store, ONE, ROOM)
    with pytest.raises(StoreFullError):
        add(outbox, 1)
    assert not outbox.is_open
    assert (outbox.channels, outbox.hours_left(1.0)) == ([], None)

    end(card)
    add(outbox, 2)

    assert outbox.is_open
    assert any(outbox.incarnation)
    assert sequences(outbox) == [1, 2]
    outbox.close()
    assert verify(card.store) == []


@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_store_of_before_is_gone_on_with_when_the_card_takes_writes(
    card: Card, trouble: str
) -> None:
    begin, end = TROUBLE[trouble]
    before = open_outbox(card.store, ONE, ROOM)
    add(before, 3)
    before.close()
    card.store.with_name("store.db.ballast").unlink()
    begin(card)

    outbox = open_outbox(card.store, ONE, ROOM)
    with pytest.raises(StoreFullError):
        add(outbox, 1)
    end(card)
    add(outbox, 1)

    assert outbox.incarnation == before.incarnation
    assert sequences(outbox) == [1, 2, 3, 4]
    assert outbox.damages == []
    outbox.close()


def test_a_start_on_a_full_card_lives_on_what_the_ballast_had(card: Card) -> None:
    before = open_outbox(card.store, ONE, ROOM)
    add(before, 3)
    before.close()
    card.fill()

    outbox = open_outbox(card.store, ONE, ROOM)
    for _ in range(400):
        add(outbox, 10)

    assert outbox.is_open
    (channel,) = outbox.channels
    assert channel.newest == 4_003
    outbox.close()
    assert verify(card.store) == []


def test_a_damaged_store_on_a_read_only_card_is_replaced_once_that_is_possible(card: Card) -> None:
    card.store.write_bytes(b"this is no database" * 500)
    card.read_only()
    outbox = open_outbox(card.store, ONE, ROOM)
    card.writable()
    for _ in range(100):
        try:
            add(outbox, 1)
        except StoreFullError:
            continue
        break

    assert [damage.lost for damage in outbox.damages] == [None]
    assert sequences(outbox) == [1]
    outbox.close()


def test_two_agents_never_work_on_one_store(card: Card) -> None:
    first = open_outbox(card.store, ONE, ROOM)
    with pytest.raises(GatewayError, match="another agent works on"):
        open_outbox(card.store, ONE, ROOM)

    first.close()
    open_outbox(card.store, ONE, ROOM).close()


def test_who_waits_for_the_card_does_not_take_the_store_of_another(card: Card) -> None:
    card.read_only()
    waits = open_outbox(card.store, ONE, ROOM)
    card.writable()
    other = open_outbox(card.store, ONE, ROOM)

    with pytest.raises(GatewayError, match="another agent works on"):
        add(waits, 1)
    other.close()
    waits.close()
