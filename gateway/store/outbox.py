"""Sealed batches in SQLite until the platform has them: one file, one connection, one thread.

Every change is one transaction with `synchronous=FULL`: after it a power cut costs nothing.
Sequences count from 1 within the life of the file, its *incarnation*.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gateway.model.errors import StoreFullError
from gateway.model.ids import Audience, ConsumerId, EpochId, Incarnation
from gateway.model.stream import Stream
from gateway.store.aside import take_over
from gateway.store.batches import Body, GapRecord
from gateway.store.channels import Change, Channel, ChannelKey, Channels
from gateway.store.database import connect, ours, random_fact, transaction
from gateway.store.entitlement import Beginning, enrol
from gateway.store.inserting import Inserting
from gateway.store.lock import Lock
from gateway.store.migrations import migrate
from gateway.store.parcels import Added, HandOut, Parcel, Settled
from gateway.store.relief import Relief
from gateway.store.renewal import INCARNATION_LEN, EpochRow, Known
from gateway.store.renewing import guarded
from gateway.store.room import Room
from gateway.store.sealing import Epoch
from gateway.store.settling import Hearsay, Said, settle
from gateway.store.standing_in import StandingIn
from gateway.store.tray import Tray
from gateway.store.trimming import Entitled, Trimming
from gateway.store.waiting import Missed

__all__ = ["Added", "Entitled", "Outbox", "Parcel", "Settled"]


class Outbox(Inserting):
    """The file. Every method blocks: call them on the store's thread."""

    def __init__(
        self,
        path: Path,
        entitled: Entitled,
        max_bytes: int,
        *,
        lock: Lock | None = None,
        at_once: bool = True,
    ) -> None:
        """Open or make the file.

        Args:
            path: of the database.
            entitled: who must have what.
            max_bytes: room for sealed batches; the oldest of the least urgent stream goes first.
            lock: keeps everybody else from the file; taken before it is opened.
            at_once: whether to open it now; else the first use does, and until the card lets it
                everything raises StoreFullError, and nothing seems to be kept.

        Raises:
            ConfigError: the file is of a newer program.
            StoreCorruptError: the file is no sound database.
            StoreFullError: there is no room to make it.
        """
        super().__init__(path, entitled, lock)
        self._max_bytes = max_bytes
        self._epochs: dict[EpochId, int] = {}
        self._sealing: dict[tuple[Audience, str], EpochRow] = {}
        self._hand_out = HandOut()
        self._hearsay = Hearsay()
        self._trays: tuple[Tray, ...] = ()
        self._relief = Relief(path)
        self.incarnation = Incarnation(bytes(INCARNATION_LEN))
        """Of the file; zeros until it was opened."""
        self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        migrate(self._db)
        self._channels = Channels(self._db)
        if at_once:
            self.take_lock()
            self.open()
            self.is_open = True

    def close(self) -> None:
        """Close the file; the write-ahead log is folded in."""
        self._db.close()
        if self._lock is not None:
            self._lock.free()

    def known(self) -> Known:
        """Return what the program remembers of the file."""
        return Known(self.incarnation, self._channels.all, tuple(self._sealing.values()))

    def open(self) -> None:
        """Open the file at the path; on a full card what lies beside it makes room.

        Raises:
            ConfigError: it is of a newer program.
            StoreCorruptError: it is no sound database.
            StoreFullError: there is no room to make it.
        """
        try:
            self._open()
        except StoreFullError:
            if not self._relief.give_when_full():
                raise
            self._open()
            self._room.be_short()

    def _open(self) -> None:
        take_over(self._path)
        self._db = connect(self._path)
        try:
            migrate(self._db)
            self.incarnation = Incarnation(random_fact(self._db, "incarnation", INCARNATION_LEN))
            self._channels = Channels(self._db)
            self._rollups = StandingIn(self._db, self._channels)
            self._trimming = Trimming(self._db, self._channels, self._entitled, self._rollups)
            self._room = Room(
                self._db, self._channels, self._trimming, self._relief, self._max_bytes
            )
            self._enrol()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise ours(error) from error
        except BaseException:
            self._db.close()
            raise

    @property
    def channels(self) -> Sequence[Channel]:
        """Return every channel there is, most urgent first."""
        return self._channels.all

    def hours_left(self, bytes_per_s: float | None) -> float | None:
        """Return how long the room lasts at `bytes_per_s` when nothing is taken away, or None."""
        if not self.is_open or not bytes_per_s:
            return None
        return self._room.left_bytes / bytes_per_s / 3600

    @guarded
    def add_epoch(self, epoch: Epoch, made_ms: int, lane: str = "") -> None:
        """Keep the record of a new epoch, before any batch of it; it follows that of its lane.

        Raises:
            StoreFullError: the card takes nothing; nothing was changed.
            StoreCorruptError: the file is damaged; nothing was changed.
        """
        row = (epoch.id, epoch.audience, made_ms, epoch.record)
        try:
            number = self._insert_epoch(row)
        except StoreFullError:
            if not self._room.relieve(len(epoch.record)):
                raise
            number = self._insert_epoch(row)
        self._epochs[epoch.id] = number
        self._sealing[epoch.audience, lane] = (number, *row)

    def _insert_epoch(self, row: tuple[EpochId, Audience, int, bytes]) -> int:
        with transaction(self._db):
            (number,) = self._db.execute(
                "INSERT INTO epoch (id, audience, made_ms, record) VALUES (?, ?, ?, ?)"
                " RETURNING number",
                row,
            ).fetchone()
        return int(number)

    @guarded
    def add(
        self,
        bodies: Iterable[tuple[Stream, Epoch, Body]],
        told: Iterable[int] = (),
        missed: Iterable[Missed] = (),
    ) -> list[Added]:
        """Give each body the next sequence of its channel, seal it, commit all at once.

        Args:
            bodies: with their stream and epoch (one that was added).
            told: ids of gaps (see `untold_gaps`) that the bodies tell: they are told no more.
            missed: what no batch will carry: each takes one sequence, which becomes a gap.

        Returns:
            What each became.

        Raises:
            StoreFullError: the card takes nothing; nothing was changed.
            StoreCorruptError: the file is damaged; nothing was changed.
        """
        bodies, told, missed = list(bodies), list(told), list(missed)
        try:
            added = self._commit(bodies, told, missed)
        except StoreFullError:
            if not self._room.relieve(sum(len(body.packed) for *_, body in bodies)):
                raise
            # The same under the same sequences: nothing is sealed twice that differs.
            added = self._commit(bodies, told, missed)
        self.went_well()
        self._room.after_commit()
        return added

    def _commit(
        self,
        bodies: Sequence[tuple[Stream, Epoch, Body]],
        told: Sequence[int],
        missed: Sequence[Missed],
    ) -> list[Added]:
        grown: list[Change] = []
        added: list[Added] = []
        fresh: list[Parcel] = []
        written: dict[ChannelKey, Channel] = {}
        said = self._hearsay.so_far()
        with transaction(self._db):
            settled = self._settled(said) if said else []
            for each in missed:
                channel = self._channels.find_or_make(Stream.DATA, each.audience)
                written[channel.key] = channel
                grown.append(self._trimming.miss(channel, each))
            for stream, epoch, body in bodies:
                key = stream, epoch.audience
                channel = written.get(key) or self._channels.find_or_make(*key)
                written[key] = channel
                sequence = channel.newest + 1 + sum(change.channel is channel for change in grown)
                batch = self._insert(channel, epoch, body, sequence, span=1)
                number = self._epochs[epoch.id]
                fresh.append(Parcel(stream, epoch.audience, sequence, 1, number, batch))
                added.append(Added(sequence, len(batch)))
                grown.append(self._channels.grow(channel, sequence, body.count, len(batch)))
            self._db.executemany("UPDATE gap SET told = 1 WHERE id = ?", ((gap,) for gap in told))
        self._hearsay.forget(len(said))
        for tray in self._trays:  # before anybody can see that there is more
            for parcel in tray.put(fresh):
                self._hand_out.note((parcel.stream, parcel.audience), parcel.sequence)
        self._channels.apply([*settled, *grown])
        return added

    def add_tray(self, tray: Tray) -> None:
        """Put what is committed from now on into a tray as well, while it is open; any thread."""
        self._trays = (*self._trays, tray)

    def drop_tray(self, tray: Tray) -> None:
        """Put nothing into a tray any more; any thread."""
        self._trays = tuple(each for each in self._trays if each is not tray)

    @guarded
    def keep_rollup(self, epoch: Epoch, body: Body, raw: tuple[int, int]) -> None:
        """Seal and keep the rollups of one time, which go out only when its raw batches cannot.

        Args:
            epoch: one that was added.
            body: what is inside.
            raw: first and last sequence of the raw batches of that time.
        """
        with transaction(self._db):
            changes = self._rollups.keep(epoch, self._epochs[epoch.id], body, raw)
        self._channels.apply(changes)

    def newest(self, stream: Stream, audience: Audience) -> int:
        """Return the highest sequence sealed; 0 before the first."""
        channel = self._channels.find(stream, audience)
        return 0 if channel is None else channel.newest

    @guarded
    def untold_gaps(self) -> list[tuple[int, GapRecord]]:
        """Return the gaps that no batch has told yet, with their ids.

        Raises:
            StoreFullError: the card does not answer.
            StoreCorruptError: the file is damaged.
        """
        rows = self._db.execute(
            "SELECT id, stream, audience, first, last, first_ms, last_ms, count, reason"
            " FROM gap WHERE NOT told"
        ).fetchall()
        return [(row[0], GapRecord(*row[1:])) for row in rows]

    def beginnings(self, consumer: ConsumerId) -> Mapping[ChannelKey, Beginning]:
        """Return where the channels stood when a consumer joined a store that was in use.

        What was sealed before is not for it.
        """
        return self._enrolled.beginnings.get(consumer, {})

    @guarded
    def settle(
        self,
        consumer: ConsumerId,
        channels: Iterable[Settled],
        epochs: Iterable[EpochId] = (),
        wanted: Iterable[EpochId] = (),
    ) -> None:
        """Take what a consumer says it has, delete what all entitled have. Nothing moves back.

        Args:
            consumer: who says so.
            channels: what it holds.
            epochs: records it holds.
            wanted: records it lacks although batches of them came.
        """
        said = Said(consumer, tuple(channels), frozenset(epochs), frozenset(wanted))
        self._hearsay.note(said)
        self._settle_what_was_said()

    def settle_soon(
        self, consumer: ConsumerId, channels: Iterable[Settled], epochs: Iterable[EpochId]
    ) -> None:
        """Do as `settle` does, with the next commit; from any thread, and without waiting."""
        self._hearsay.note(Said(consumer, tuple(channels), frozenset(epochs)))

    @property
    def has_hearsay(self) -> bool:
        """Say whether `settle_soon` has taken what is not in the file yet; from any thread."""
        return bool(self._hearsay)

    @guarded
    def settle_now(self) -> None:
        """Bring what `settle_soon` took into the file: no commit has come that did."""
        self._settle_what_was_said()

    def _settle_what_was_said(self) -> None:
        said = self._hearsay.so_far()
        if not said:
            return
        with transaction(self._db):
            trimmed = self._settled(said)
        self._hearsay.forget(len(said))
        self._channels.apply(trimmed)

    def _settled(self, said: Sequence[Said]) -> list[Change]:
        return settle(self._db, self._channels, self._trimming, self._trim, said)

    def _enrol(self) -> None:
        """Take over who is entitled now; what was kept for nobody else goes."""
        with transaction(self._db):
            self._enrolled = enrol(self._db, self._entitled, self._channels.all)
            left = self._channels.all if self._enrolled.somebody_left else []
            trimmed = self._trim(left)
        self._channels.apply(trimmed)

    def _trim(self, channels: Iterable[Channel]) -> list[Change]:
        """Delete, inside the transaction, what every entitled consumer has of some channels."""
        trimmed = [change for channel in channels for change in self._trimming.trim(channel)]
        for audience in {change.channel.audience for change in trimmed}:
            self._trimming.drop_epochs(audience, self._live(audience))
        return trimmed

    @guarded
    def give_up(self, stream: Stream, audience: Audience, sequence: int, reason: int) -> None:
        """Tell one batch as a gap and delete it: it cannot be delivered."""
        channel = self._channels.find(stream, audience)
        if channel is None:
            return
        with transaction(self._db):
            row_id = channel.row_id(sequence)
            gone = self._trimming.give_up(channel, row_id, row_id, reason)
        self._channels.apply(gone)

    @guarded
    def remember(self, device: str, content: str) -> None:
        """Keep what a driver learned."""
        with transaction(self._db):
            self._db.execute(
                "INSERT INTO memory (device, content) VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET content = excluded.content",
                (device, content),
            )

    @guarded
    def memories(self) -> dict[str, str]:
        """Return what every driver learned."""
        return dict(self._db.execute("SELECT device, content FROM memory").fetchall())

    def _live(self, audience: Audience) -> list[int]:
        """Return the numbers of the epochs that are sealed under now."""
        return [row[0] for (whose, _), row in self._sealing.items() if whose == audience]
