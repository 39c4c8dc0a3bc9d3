"""Sealed batches in SQLite until the platform has them: one file, one connection, one thread.

Every change is one transaction with `synchronous=FULL`: after it a power cut costs nothing.
Sequences count from 1 within the life of the file, its *incarnation*.
"""

from __future__ import annotations

import logging
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from gateway.model.errors import StoreCorruptError, StoreFullError
from gateway.model.ids import Audience, ConsumerId, EpochId, Incarnation
from gateway.model.stream import Stream
from gateway.store.batches import Body, GapRecord
from gateway.store.channels import SEQUENCE_MASK, Change, Channel, ChannelKey, Channels
from gateway.store.database import connect, ours, random_fact, transaction
from gateway.store.entitlement import Beginning, enrol
from gateway.store.migrations import migrate
from gateway.store.parcels import Added, HandOut, Parcel, Settled
from gateway.store.renewal import INCARNATION_LEN, EpochRow, Known, take_over
from gateway.store.renewing import RenewingFile, guarded
from gateway.store.retention import Held, to_free
from gateway.store.sealing import Epoch
from gateway.store.trimming import Entitled, Trimming

__all__ = ["Added", "Entitled", "Outbox", "Parcel", "Settled"]

_log = logging.getLogger(__name__)


class Outbox(RenewingFile):
    """The file. Every method blocks: call them on the store's thread."""

    def __init__(self, path: Path, entitled: Entitled, max_bytes: int) -> None:
        """Open or make the file.

        Args:
            path: of the database.
            entitled: who must have what.
            max_bytes: room for sealed batches; the oldest of the least urgent stream goes first.

        Raises:
            StoreCorruptError: the file is no sound database.
            StoreFullError: there is no room to make it.
        """
        super().__init__(path, entitled)
        self._max_bytes = max_bytes
        self._epochs: dict[EpochId, int] = {}
        self._sealing: dict[Audience, EpochRow] = {}
        self._hand_out = HandOut()
        self.open()

    def close(self) -> None:
        """Close the file; the write-ahead log is folded in."""
        self._db.close()

    def known(self) -> Known:
        """Return what the program remembers of the file."""
        return Known(self.incarnation, self._channels.all, tuple(self._sealing.values()))

    def open(self) -> None:
        """Open the file at the path.

        Raises:
            StoreCorruptError: it is no sound database.
            StoreFullError: there is no room to make it.
        """
        take_over(self._path)
        self._db = connect(self._path)
        try:
            migrate(self._db)
            self.incarnation = Incarnation(random_fact(self._db, "incarnation", INCARNATION_LEN))
            self._channels = Channels(self._db)
            self._trimming = Trimming(self._db, self._channels, self._entitled)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise ours(error) from error
        try:
            self._enrol()
        except BaseException:
            self._db.close()
            raise

    @property
    def channels(self) -> Sequence[Channel]:
        """Return every channel there is, most urgent first."""
        return self._channels.all

    def hours_left(self, bytes_per_s: float | None) -> float | None:
        """Return how long the room lasts at `bytes_per_s` when nothing is taken away, or None."""
        if not bytes_per_s:
            return None
        size = sum(channel.size for channel in self.channels)
        return max(0, self._max_bytes - size) / bytes_per_s / 3600

    @guarded
    def add_epoch(self, epoch: Epoch, made_ms: int) -> None:
        """Keep the record of a new epoch, before any batch of it."""
        with transaction(self._db):
            (number,) = self._db.execute(
                "INSERT INTO epoch (id, audience, made_ms, record) VALUES (?, ?, ?, ?)"
                " RETURNING number",
                (epoch.id, epoch.audience, made_ms, epoch.record),
            ).fetchone()
        self._epochs[epoch.id] = number
        self._sealing[epoch.audience] = (number, epoch.id, epoch.audience, made_ms, epoch.record)

    @guarded
    def add(
        self, bodies: Iterable[tuple[Stream, Epoch, Body]], told: Iterable[int] = ()
    ) -> list[Added]:
        """Give each body the next sequence of its channel, seal it, commit all at once.

        Args:
            bodies: with their stream and epoch (one that was added).
            told: ids of gaps (see `untold_gaps`) that the bodies tell: they are told no more.

        Returns:
            What each became.

        Raises:
            StoreFullError: the card takes nothing; nothing was changed.
            StoreCorruptError: the file is damaged; nothing was changed.
        """
        grown: list[Change] = []
        added: list[Added] = []
        written: dict[ChannelKey, Channel] = {}
        with transaction(self._db):
            for stream, epoch, body in bodies:
                key = stream, epoch.audience
                channel = written.get(key) or self._channels.find_or_make(*key)
                written[key] = channel
                sequence = channel.newest + 1 + sum(change.channel is channel for change in grown)
                size = self._insert(channel, epoch, body, sequence, span=1)
                added.append(Added(sequence, size))
                grown.append(self._channels.grow(channel, sequence, body.count, size))
            self._db.executemany("UPDATE gap SET told = 1 WHERE id = ?", ((gap,) for gap in told))
        self.went_well()
        # From here on it is committed: what goes wrong below must not look as if it were not.
        for channel in written.values():
            self._channels.keep(channel)
        for change in grown:
            change.channel.newest += 1
            change.channel.produced += change.count
            change.channel.kept += change.count
            change.channel.size += change.size
        try:
            self._make_room()
        except (StoreFullError, StoreCorruptError, sqlite3.DatabaseError) as error:
            _log.warning("no-room-made", extra={"error": str(error)})
        return added

    @guarded
    def merge(self, stream: Stream, epoch: Epoch, body: Body, first: int, last: int) -> bool:
        """Put one batch in the place of the batches `first ... last`, if none of them went out.

        Args:
            stream: of them all.
            epoch: of them all.
            body: all that is in them.
            first: lowest sequence.
            last: highest sequence: that of the new batch.

        Returns:
            Whether it was done; otherwise all is as it was.

        Raises:
            StoreFullError: the card takes nothing; nothing was changed.
            StoreCorruptError: the file is damaged; nothing was changed.
        """
        channel = self._channels.find(stream, epoch.audience)
        if (
            channel is None
            or first <= self._hand_out.highest(channel.key)
            or first < channel.oldest
        ):
            return False
        with transaction(self._db):
            gone = self._db.execute(
                "DELETE FROM batch WHERE id >= ? AND id <= ? RETURNING count, length(body)",
                (channel.row_id(first), channel.row_id(last)),
            ).fetchall()
            change = self._channels.shrink(channel, gone)
            size = self._insert(channel, epoch, body, last, span=last - first + 1)
            grown = self._channels.change(channel, body.count, size)
        self._channels.apply([change, grown])
        return True

    def hold_back(self, stream: Stream, audience: Audience, first: int, until_s: float) -> None:
        """Hand out no batch from `first` on before a moment: more will be merged with it.

        Args:
            stream: of the channel.
            audience: of the channel.
            first: sequence.
            until_s: monotonic seconds; an earlier hold on the channel is forgotten.
        """
        self._hand_out.hold_back((stream, audience), first, until_s)

    def handed_out(self, stream: Stream, audience: Audience) -> int:
        """Return the highest sequence that was ever handed out in this life of the program."""
        return self._hand_out.highest((stream, audience))

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

    @guarded
    def parcels(
        self,
        audiences: frozenset[Audience],
        after: Mapping[ChannelKey, int],
        count: int,
        size: int,
        least_urgent: Stream = Stream.MEDIA,
        now_s: float = math.inf,
    ) -> list[Parcel]:
        """Return the next batches to send, most urgent stream first, in order within a channel.

        Args:
            audiences: what the consumer is entitled to.
            after: the highest sequence that is out, per channel; without one from the oldest.
            count: how many at the most.
            size: bytes at the most, but one batch always.
            least_urgent: less urgent streams stay behind.
            now_s: monotonic seconds: what is held back longer than that stays.
        """
        chosen: list[Parcel] = []
        for channel in self.channels:
            done = after.get(channel.key, 0)
            if channel.stream > least_urgent or len(chosen) >= count:
                break
            last = self._hand_out.last_free(channel, now_s)
            if channel.audience not in audiences or done >= last:
                continue
            rows = self._db.execute(
                "SELECT id, span, epoch, body FROM batch WHERE id > ? AND id <= ?"
                " ORDER BY id LIMIT ?",
                (channel.row_id(done), channel.row_id(last), count - len(chosen)),
            )
            for row_id, span, epoch, body in rows:
                size -= len(body)
                if chosen and size < 0:
                    rows.close()
                    return chosen
                sequence = row_id & SEQUENCE_MASK
                self._hand_out.note(channel, sequence)
                chosen.append(Parcel(channel.stream, channel.audience, sequence, span, epoch, body))
        return chosen

    @guarded
    def parcel(self, stream: Stream, audience: Audience, first: int, last: int) -> list[Parcel]:
        """Return the batches of one channel that cover `first ... last` and are still here."""
        channel = self._channels.find(stream, audience)
        if channel is None:
            return []
        rows = self._db.execute(
            "SELECT id, span, epoch, body FROM batch"
            " WHERE id >= ? AND id <= ? AND id - span < ? ORDER BY id",
            (channel.row_id(first), channel.row_id(channel.newest), channel.row_id(last)),
        ).fetchall()
        for row_id, *_ in rows:
            self._hand_out.note(channel, row_id & SEQUENCE_MASK)
        return [Parcel(stream, audience, row[0] & SEQUENCE_MASK, *row[1:]) for row in rows]

    @guarded
    def epoch_record(self, number: int) -> bytes | None:
        """Return the record of an epoch, or None when it is gone."""
        row = self._db.execute("SELECT record FROM epoch WHERE number = ?", (number,)).fetchone()
        return None if row is None else row[0]

    @guarded
    def delivered_epochs(self, consumer: ConsumerId) -> set[int]:
        """Return the numbers of the epochs whose records the consumer has."""
        rows = self._db.execute("SELECT epoch FROM delivered WHERE consumer = ?", (consumer,))
        return {number for (number,) in rows}

    @guarded
    def cursors(self, consumer: ConsumerId) -> dict[ChannelKey, int]:
        """Return the highest contiguous sequence that the consumer has, per channel."""
        rows = self._db.execute(
            "SELECT channel, settled FROM cursor WHERE consumer = ?", (consumer,)
        ).fetchall()
        settled = dict(rows)
        return {c.key: settled.get(c.id, 0) for c in self._channels.all}

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
        touched: list[Channel] = []
        with transaction(self._db):
            for said in channels:
                channel = self._channels.find(said.stream, said.audience)
                if channel is None:
                    continue
                if said.contiguous > channel.newest:
                    self._trimming.jump(channel, said.contiguous)
                self._db.execute(
                    "INSERT INTO cursor (consumer, channel, settled) VALUES (?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET settled = max(settled, excluded.settled)",
                    (consumer, channel.id, min(said.contiguous, channel.newest)),
                )
                touched.append(channel)
            trimmed = self._trim(touched)
            self._db.executemany(
                "INSERT OR IGNORE INTO delivered (consumer, epoch)"
                " SELECT ?, number FROM epoch WHERE id = ?",
                [(consumer, epoch) for epoch in epochs],
            )
            self._db.executemany(
                "DELETE FROM delivered WHERE consumer = ?"
                " AND epoch = (SELECT number FROM epoch WHERE id = ?)",
                [(consumer, epoch) for epoch in wanted],
            )
        self._channels.apply(trimmed)

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

    def _insert(self, channel: Channel, epoch: Epoch, body: Body, sequence: int, span: int) -> int:
        """Seal a body and insert it, inside the transaction; return its bytes."""
        batch = epoch.seal(body, channel.stream, sequence, span)
        first_ms = body.first.wall_ms
        self._db.execute(
            "INSERT INTO batch (id, span, epoch, count, first_ms, last_ms, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                channel.row_id(sequence),
                span,
                self._epochs[epoch.id],
                body.count,
                first_ms,
                first_ms + body.length_ms,
                batch,
            ),
        )
        return len(batch)

    def _live(self, audience: Audience) -> list[int]:
        """Return the numbers of the epochs that are sealed under now."""
        return [self._sealing[audience][0]] if audience in self._sealing else []

    def _make_room(self) -> None:
        held = [Held(c.id, c.stream, c.size) for c in self._channels.all]
        plan = dict(to_free(held, self._max_bytes))
        if not plan:
            return
        for channel in self._channels.all:
            if channel.id in plan:
                with transaction(self._db):
                    last = self._trimming.last_of(channel, plan[channel.id])
                    gone = self._trimming.give_up(channel, channel.row_id(0), last, GapRecord.ROOM)
                self._channels.apply(gone)
