"""What leaves the file: what every consumer has, and what had to go and is told as a gap.

Everything here runs inside the caller's transaction.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.model.ids import Audience, ConsumerId
from gateway.model.stream import Stream
from gateway.store.batches import GapRecord
from gateway.store.channels import SEQUENCE_MASK, Change, Channel, Channels
from gateway.store.gaps import note_gap
from gateway.store.standing_in import StandingIn
from gateway.store.waiting import Missed

_log = logging.getLogger(__name__)

JUMP: Final = 1 << 16
"""How far sequences jump when nobody knows the newest: more than a write-ahead log holds."""
CONFIRMED_MOST: Final = 1 << 32
"""How far ahead of what was sealed an acknowledgement may be."""

Entitled = Mapping[Audience, frozenset[ConsumerId]]
"""Which consumers have to have a batch of an audience before it may be deleted."""


class Trimming:
    """Deletes from one file."""

    def __init__(
        self,
        db: sqlite3.Connection,
        channels: Channels,
        entitled: Entitled,
        rollups: StandingIn,
    ) -> None:
        """Take the file, its channels, who must have what, and what stands in for raw readings."""
        self._rollups: Final = rollups
        self._db: Final = db
        self._channels: Final = channels
        self._entitled: Final = entitled
        self._dropped_below: Final[dict[Audience, int]] = {}
        """Where nothing is left to drop until other epochs are sealed under."""

    def trim(self, channel: Channel) -> list[Change]:
        """Delete what every entitled consumer has."""
        safe = settled_by_all(self._db, channel, self._entitled)
        gone = self._db.execute(
            "DELETE FROM batch WHERE id > ? AND id <= ? RETURNING count, length(body)",
            (channel.row_id(0), channel.row_id(safe)),
        ).fetchall()
        self._db.execute(
            "DELETE FROM gap WHERE told AND stream = ? AND audience = ? AND last <= ?",
            (int(channel.stream), channel.audience, safe),
        )
        if channel.stream is Stream.DATA:
            self._rollups.drop(channel.audience, safe)
        return [self._channels.shrink(channel, gone)] if gone else []

    def drop_epochs(self, audience: Audience, live: Iterable[int]) -> None:
        """Delete epochs older than the oldest one that a batch needs or that is still sealed under.

        Args:
            audience: whose.
            live: numbers of the epochs under which batches are sealed now.
        """
        live = list(live)
        floor = min(live, default=None)
        if floor is not None and self._dropped_below.get(audience) == floor:
            return
        needed = [
            row[0]
            for channel in self._channels.all
            if channel.audience == audience
            for row in self._db.execute(
                "SELECT epoch FROM batch WHERE id > ? AND id <= ? ORDER BY id LIMIT 1",
                (channel.row_id(0), channel.row_id(channel.newest)),
            )
        ]
        (newest,) = self._db.execute(
            "SELECT max(number) FROM epoch WHERE audience = ?", (audience,)
        ).fetchone()
        oldest = min([newest, *needed, *live, *self._rollups.needed_epochs(audience)])
        self._db.execute("DELETE FROM epoch WHERE audience = ? AND number < ?", (audience, oldest))
        if oldest == floor:
            self._dropped_below[audience] = oldest

    def last_of(self, channel: Channel, size: int) -> int:
        """Return the row id up to which the oldest batches take at least `size` bytes."""
        rows = self._db.execute(
            "SELECT id, length(body) FROM batch WHERE id > ? AND id <= ? ORDER BY id",
            (channel.row_id(0), channel.row_id(channel.newest)),
        )
        last = channel.row_id(0)
        while size > 0 and (row := rows.fetchone()):
            last, length = row
            size -= length
        rows.close()
        return int(last)

    def jump(self, channel: Channel, confirmed: int) -> None:
        """Go on beyond what a consumer has although it is not here: the file went back in time.

        Sequences that were given already must not be given again: what has them would be dropped
        as repeats. An acknowledgement too far ahead is not believed.
        """
        if confirmed >= channel.newest + CONFIRMED_MOST:
            return
        newest = confirmed + JUMP
        _log.error("store-went-back", extra={"newest": channel.newest, "confirmed": confirmed})
        gap = (int(channel.stream), channel.audience, confirmed + 1, newest, 0, 0, 0)
        note_gap(self._db, GapRecord(*gap, GapRecord.DAMAGED))
        self._db.execute("UPDATE channel SET newest = ? WHERE id = ?", (newest, channel.id))
        channel.newest = newest

    def miss(self, channel: Channel, missed: Missed) -> Change:
        """Let one sequence stand for values that were never sealed, and note it as a gap."""
        sequence = channel.newest + 1
        where = (int(channel.stream), channel.audience, sequence, sequence)
        bounds = (missed.first_ms, missed.last_ms, missed.count)
        note_gap(self._db, GapRecord(*where, *bounds, GapRecord.NOT_STORED))
        return self._channels.skip(channel, sequence, missed.count)

    def give_up(self, channel: Channel, first: int, last: int, reason: int) -> list[Change]:
        """Delete a range of batches, by row id, and note the gap."""
        bounds = (first, last)
        found = self._db.execute(
            "SELECT min(id), max(id), min(first_ms), max(last_ms), sum(count), count(*)"
            " FROM batch WHERE id >= ? AND id <= ?",
            bounds,
        ).fetchone()
        if not found[5]:
            return []
        (span,) = self._db.execute("SELECT span FROM batch WHERE id = ?", (found[0],)).fetchone()
        gap = GapRecord(
            int(channel.stream),
            channel.audience,
            (found[0] & SEQUENCE_MASK) - span + 1,
            found[1] & SEQUENCE_MASK,
            found[2],
            found[3],
            found[4],
            reason,
        )
        note_gap(self._db, gap)
        gone = self._db.execute(
            "DELETE FROM batch WHERE id >= ? AND id <= ? RETURNING count, length(body)", bounds
        ).fetchall()
        changes = [self._channels.shrink(channel, gone)]
        if channel.stream is Stream.DATA:
            changes += self._rollups.promote(channel.audience, gap.last)
        return changes


def settled_by_all(db: sqlite3.Connection, channel: Channel, entitled: Entitled) -> int:
    """Return the highest sequence of a channel up to which every entitled consumer has all."""
    owed = entitled.get(channel.audience, frozenset())
    rows = db.execute("SELECT consumer, settled FROM cursor WHERE channel = ?", (channel.id,))
    settled = dict(rows.fetchall())
    return min((settled.get(consumer, 0) for consumer in owed), default=0)
