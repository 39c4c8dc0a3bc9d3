"""Batches into the file, one in the place of several; and small facts."""

from __future__ import annotations

from abc import ABC

from gateway.model.ids import Audience, EpochId
from gateway.model.stream import Stream
from gateway.store.batches import Body
from gateway.store.channels import Channel
from gateway.store.database import transaction
from gateway.store.delivery import Delivery
from gateway.store.history import keep_quarter
from gateway.store.renewing import guarded
from gateway.store.sealing import Epoch


class Inserting(Delivery, ABC):
    """What the outbox does with single batches."""

    _epochs: dict[EpochId, int]
    """Numbers of epochs in this file."""
    history_days: float = 0.0
    """How long the local history is kept; 0: none is."""

    @guarded
    def fact(self, key: str) -> bytes | None:
        """Return what was kept under a key; it lives as long as the file, and in the next one.

        Raises:
            StoreFullError: the card does not answer.
            StoreCorruptError: the file is damaged.
        """
        row = self._db.execute("SELECT value FROM fact WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    @guarded
    def keep_fact(self, key: str, value: bytes) -> None:
        """Keep something under a key.

        Raises:
            StoreFullError: the card takes nothing.
            StoreCorruptError: the file is damaged.
        """
        with transaction(self._db):
            self._db.execute(
                "INSERT INTO fact (key, value) VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET value = excluded.value",
                (key, value),
            )

    @guarded
    def keep_quarter(self, at_ms: int, body: bytes) -> None:
        """Keep a quarter of an hour of the local history.

        Args:
            at_ms: wall clock of its beginning.
            body: as `history.pack_quarter` made it.

        Raises:
            StoreFullError: the card takes nothing.
            StoreCorruptError: the file is damaged.
        """
        with transaction(self._db):
            keep_quarter(self._db, at_ms, body, self.history_days)

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
        bounds = (channel.row_id(first), channel.row_id(last))
        (here,) = self._db.execute(
            "SELECT total(span) FROM batch WHERE id >= ? AND id <= ?", bounds
        ).fetchone()
        if here != last - first + 1:
            return False
        with transaction(self._db):
            gone = self._db.execute(
                "DELETE FROM batch WHERE id >= ? AND id <= ? RETURNING count, length(body)", bounds
            ).fetchall()
            change = self._channels.shrink(channel, gone)
            batch = self._insert(channel, epoch, body, last, span=last - first + 1)
            grown = self._channels.change(channel, body.count, len(batch))
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

    def _insert(
        self, channel: Channel, epoch: Epoch, body: Body, sequence: int, span: int
    ) -> bytes:
        """Seal a body and insert it, inside the transaction; return the sealed batch."""
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
        return batch
