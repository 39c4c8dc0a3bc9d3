"""What the link reads of the file: the next batches, repeats, epoch records, cursors."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Mapping
from typing import Final

from gateway.model.ids import Audience, ConsumerId
from gateway.model.stream import Stream
from gateway.store.channels import SEQUENCE_MASK, ChannelKey, Channels
from gateway.store.parcels import HandOut, Parcel
from gateway.store.renewing import RenewingFile, guarded

LOOKED_AT: Final = 64
"""So many of the newest batches of a channel tell the time; an older one is no later."""


class Delivery(RenewingFile, ABC):
    """The reading side of the outbox."""

    _channels: Channels
    _hand_out: HandOut

    def more(
        self,
        audiences: frozenset[Audience],
        after: Mapping[ChannelKey, int],
        least_urgent: Stream = Stream.MEDIA,
        now_s: float = math.inf,
    ) -> bool:
        """Say whether `parcels` would return any; from memory, so on any thread."""
        return any(
            channel.audience in audiences
            and channel.stream <= least_urgent
            and after.get(channel.key, 0) < self._hand_out.last_free(channel, now_s)
            for channel in self._channels.all
        )

    def holds_back(self, now_s: float) -> bool:
        """Say whether a batch waits for a moment to come; from memory, so on any thread."""
        return any(
            self._hand_out.last_free(channel, now_s) < channel.newest
            for channel in self._channels.all
        )

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
        for channel in self._channels.all:
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
                self._hand_out.note(channel.key, sequence)
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
            self._hand_out.note(channel.key, row_id & SEQUENCE_MASK)
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

    @guarded
    def newest_time_ms(self) -> int:
        """Return the newest wall time that records here say; a clock never set says 1970."""
        found = self._db.execute("SELECT max(made_ms) FROM epoch").fetchone()
        for channel in self._channels.all:
            found += self._db.execute(
                "SELECT max(last_ms) FROM (SELECT last_ms FROM batch WHERE id > ? AND id <= ?"
                " ORDER BY id DESC LIMIT ?)",
                (channel.row_id(0), channel.row_id(channel.newest), LOOKED_AT),
            ).fetchone()
        return max((wall_ms for wall_ms in found if wall_ms is not None), default=0)
