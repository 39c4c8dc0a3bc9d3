"""Programs that are recorded: the real rooms at work, and what they tell the world, as marks.

    python -m tests.powercut.driver WHAT FOLDER [--seed N] [--rounds N] [--bug NAME] ...

A mark is written after the real call has returned; what is only begun is marked before.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from gateway.model import files
from gateway.model.event import Event, Severity
from gateway.model.ids import OPERATIONS
from gateway.model.reading import Reading
from gateway.model.stream import Stream
from gateway.store.batches import GapRecord
from gateway.store.channels import SEQUENCE_BITS, ChannelKey
from gateway.store.migrations import STEPS, migrate
from gateway.store.outbox import Outbox, Parcel, Settled
from gateway.store.sealer import Sealer
from gateway.store.sealing import Identity
from tests import sealing
from tests.clock import HandClock
from tests.powercut import bugs
from tests.powercut.card import CITY, ENTITLED, ROOM, ROWS, STATE_FILE, STORE, content
from tests.powercut.link import digest
from tests.powercut.recording import MARKS

EPOCH_S: Final = 4 * 3600.0
GATHER_S: Final = (0.0, 5.0)
OLD_BATCHES: Final = 5
ROW_CHECKPOINT: Final = 20
ROW_BATCH: Final = 3


@dataclass(slots=True)
class Marks:
    """Says to the recording what was promised."""

    folder: Path
    _file: int = field(init=False)

    def __post_init__(self) -> None:
        """Open the file of marks."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self.folder / MARKS, flags, 0o600)

    def say(self, **what: str | int) -> None:
        """Write one mark, in one call."""
        os.write(self._file, json.dumps(what).encode() + b"\n")

    def announce(self, stream: Stream, audience: str, sequence: int, body: bytes) -> None:
        """Say that a batch is committed."""
        of = digest(body)
        self.say(
            what="announced", stream=int(stream), audience=audience, sequence=sequence, digest=of
        )


@dataclass(slots=True)
class Site:
    """The store's rooms, driven by chance with a seed."""

    options: argparse.Namespace
    outbox: Outbox
    marks: Marks
    rng: Random
    clock: HandClock = field(default_factory=HandClock)
    _told: dict[ChannelKey, int] = field(default_factory=dict)

    def run(self) -> None:
        """Work for some rounds: collect, seal, commit, tell, settle, trim, change the epoch."""
        self.marks.say(what="opened", incarnation=self.outbox.incarnation.hex())
        self._announce()  # as the uplink does: what is there after a start is sent at once
        key = sealing.identity().key
        who = Identity(sealing.GATEWAY, self.outbox.incarnation, self.clock.boot, key)
        gather_s = self.rng.choice(GATHER_S)
        sealer = Sealer(self.outbox, who, {}, self.clock, EPOCH_S, gather_s)
        for _ in range(self.options.rounds):
            self.clock.advance(self.rng.choice((1, 1, 1, 1, 1, 1, 20, EPOCH_S)))
            self._write(sealer)
            self._commit()
            if self.rng.random() < 0.6:  # else batches that nobody took are merged
                self._announce()
            chance = self.rng.random()
            if chance < 0.3:
                self._settle()
            elif chance < 0.4:
                self._remember()
            elif chance < 0.45:
                self._give_up()

    def _write(self, sealer: Sealer) -> None:
        readings = []
        for _ in range(self.rng.choice((0, 1, 3, 30))):
            at = self.clock.advance(0.01)
            cells = tuple(self.rng.randrange(10**6) for _ in sealing.TABLE)
            readings.append(Reading(sealing.METER, sealing.TABLE, at, cells))
        events = []
        if not readings or self.rng.random() < 0.2:
            severity = self.rng.choice((Severity.INFO, Severity.ALARM))
            events.append(Event("door-opened", self.clock.now(), severity))
        sealer.write(readings, events)

    def _commit(self) -> None:
        """Say of each channel how far it is committed."""
        for channel in self.outbox.channels:
            self._say("committed", channel.key, channel.newest)

    def _say(self, what: str, key: ChannelKey, sequence: int) -> None:
        self.marks.say(what=what, stream=int(key[0]), audience=key[1], sequence=sequence)

    def _parcels(self) -> list[Parcel]:
        return self.outbox.parcels(frozenset({OPERATIONS}), self._told, 10_000, ROOM)

    def _announce(self) -> None:
        for parcel in self._parcels():
            self.marks.announce(parcel.stream, parcel.audience, parcel.sequence, parcel.body)
            self._told[parcel.stream, parcel.audience] = parcel.sequence

    def _settle(self) -> None:
        said = []
        for channel in self.outbox.channels:
            known = self.rng.randint(channel.oldest - 1, channel.newest)
            said.append(Settled(channel.stream, channel.audience, known))
        for phase in ("settling", "settled"):
            for each in said:
                self._say(phase, (each.stream, each.audience), each.contiguous)
            if phase == "settling":
                self.outbox.settle(CITY, said)

    def _remember(self) -> None:
        device, learned = f"meter-{self.rng.randrange(3)}", f"{self.rng.random()}"
        self.marks.say(what="remembering", device=device, content=learned)
        self.outbox.remember(device, learned)
        self.marks.say(what="remembered", device=device, content=learned)

    def _give_up(self) -> None:
        channel = self.rng.choice(self.outbox.channels)
        stream, audience = channel.key
        for parcel in self.outbox.parcel(stream, audience, channel.newest, channel.newest):
            for sequence in range(parcel.sequence - parcel.span + 1, parcel.sequence + 1):
                self._say("giving-up", channel.key, sequence)
            self.outbox.give_up(stream, audience, parcel.sequence, GapRecord.REFUSED)


def store(options: argparse.Namespace) -> None:
    """Open the store, which migrates it, and work."""
    marks, rng = Marks(options.folder), Random(options.seed)
    with bugs.checkpoint_every(options.checkpoint), bugs.BUGS[options.bug]():
        for _ in range(options.opens):
            outbox = Outbox(options.folder / STORE, ENTITLED, options.room)
            Site(options, outbox, marks, rng).run()
            outbox.close()


def old(options: argparse.Namespace) -> None:
    """Leave a store of an older schema, as that program would have: the last step is not done.

    The statements are those of the first schema.
    """
    steps = STEPS[:-1]
    marks, path = Marks(options.folder), options.folder / STORE
    path.touch(mode=0o600)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    migrate(db, steps)
    key = sealing.epoch()
    db.execute("BEGIN")
    db.execute("INSERT INTO fact (key, value) VALUES ('incarnation', ?)", (bytes(range(8)),))
    db.execute(
        "INSERT INTO epoch (number, id, audience, made_ms, record) VALUES (1, ?, ?, 0, ?)",
        (key.id, OPERATIONS, key.record),
    )
    bodies = [
        key.seal(sealing.body(number), Stream.DATA, number) for number in range(1, OLD_BATCHES + 1)
    ]
    db.execute(
        "INSERT INTO channel (id, stream, audience, newest, produced, kept, size)"
        " VALUES (1, ?, ?, ?, ?, ?, ?)",
        (
            int(Stream.DATA),
            OPERATIONS,
            OLD_BATCHES,
            10 * OLD_BATCHES,
            10 * OLD_BATCHES,
            sum(map(len, bodies)),
        ),
    )
    db.executemany(
        "INSERT INTO batch (id, span, epoch, count, first_ms, last_ms, body)"
        " VALUES (?, 1, 1, 10, 0, 0, ?)",
        [(1 << SEQUENCE_BITS | number, body) for number, body in enumerate(bodies, start=1)],
    )
    db.execute("COMMIT")
    marks.say(what="opened", incarnation=bytes(range(8)).hex())
    for number, body in enumerate(bodies, start=1):
        marks.announce(Stream.DATA, OPERATIONS, number, body)
    db.close()


def rows(options: argparse.Namespace) -> None:
    """Write rows with plain SQLite: the controls."""
    db = sqlite3.connect(options.folder / ROWS, isolation_level=None)
    db.execute(f"PRAGMA journal_mode = {options.journal}")
    db.execute(f"PRAGMA synchronous = {options.synchronous}")
    db.execute(f"PRAGMA wal_autocheckpoint = {ROW_CHECKPOINT}")
    db.execute("CREATE TABLE IF NOT EXISTS line (id INTEGER PRIMARY KEY, body BLOB)")
    marks = Marks(options.folder)
    for first in range(1, options.rounds * ROW_BATCH, ROW_BATCH):
        db.execute("BEGIN")
        for number in range(first, first + ROW_BATCH):
            db.execute("INSERT INTO line (id, body) VALUES (?, ?)", (number, content(number)))
        db.execute("COMMIT")
        marks.say(row=first + ROW_BATCH - 1)
    db.close()


def state(options: argparse.Namespace) -> None:
    """Write one file again and again with `durable_write`."""
    marks = Marks(options.folder)
    with bugs.BUGS[options.bug]():
        for version in range(1, options.rounds + 1):
            marks.say(what="writing", version=version)
            files.durable_write(options.folder / STATE_FILE, content(version))
            marks.say(what="written", version=version)


WHAT: Final = {"store": store, "old": old, "rows": rows, "state": state}


def main() -> None:
    """Run one program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--opens", type=int, default=1)
    parser.add_argument("--bug", choices=bugs.BUGS, default="none")
    parser.add_argument("--checkpoint", type=int, default=0)
    parser.add_argument("--room", type=int, default=ROOM)
    parser.add_argument("--journal", default="WAL")
    parser.add_argument("--synchronous", default="FULL")
    options = parser.parse_args()
    WHAT[options.what](options)


if __name__ == "__main__":
    main()
