"""Sealed rollups in the file: unsent while their raw readings are there, in their place when not.

They lie in a table of their own, with sequences of the stream `rollup` of which nobody was told
yet. When raw batches have to go, those of the same time become batches of that stream; when the raw
ones were acknowledged they are dropped unsent. All of it inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from gateway.model.ids import Audience
from gateway.model.stream import Stream
from gateway.store.batches import Body, GapRecord
from gateway.store.channels import SEQUENCE_MASK, Change, Channel, Channels
from gateway.store.gaps import note_gap
from gateway.store.sealing import Epoch


class StandingIn:
    """The rollups of one file."""

    def __init__(self, db: sqlite3.Connection, channels: Channels) -> None:
        """Take the file and its channels."""
        self._db: Final = db
        self._channels: Final = channels
        self._newest: Final[dict[Audience, int]] = {}
        self._given_up: Final[dict[Audience, int]] = {}
        """Highest raw sequence that had to go since the start."""
        self._any = bool(db.execute("SELECT EXISTS (SELECT 1 FROM rollup)").fetchone()[0])

    def keep(self, epoch: Epoch, number: int, body: Body, raw: tuple[int, int]) -> list[Change]:
        """Seal and keep the rollups of one time.

        Args:
            epoch: to seal under.
            number: of the epoch in this file.
            body: what is inside.
            raw: first and last sequence of the raw batches of that time.
        """
        audience = epoch.audience
        channel = self._channels.find_or_make(Stream.ROLLUP, audience)
        sequence = 1 + max(channel.newest, self._newest.get(audience, 0), self._highest(channel))
        self._db.execute(
            "INSERT INTO rollup (id, epoch, count, first_ms, last_ms, since, until, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                channel.row_id(sequence),
                number,
                body.count,
                body.first.wall_ms,
                body.first.wall_ms + body.length_ms,
                *raw,
                epoch.seal(body, Stream.ROLLUP, sequence),
            ),
        )
        self._newest[audience] = sequence
        self._any = True
        return self.promote(audience, self._given_up.get(audience, 0))

    def promote(self, audience: Audience, given_up: int) -> list[Change]:
        """Let the rollups of raw batches up to a sequence take their place.

        Sequences of those that were dropped before are told as a gap without values.
        """
        self._given_up[audience] = max(given_up, self._given_up.get(audience, 0))
        if not self._any:
            return []
        channel = self._channels.find_or_make(Stream.ROLLUP, audience)
        rows = self._db.execute(
            "SELECT id, count, length(body), first_ms FROM rollup"
            " WHERE id > ? AND id <= ? AND since <= ? ORDER BY id",
            (*_bounds(channel), given_up),
        ).fetchall()
        if not rows:
            return []
        first, last = rows[0][0] & SEQUENCE_MASK, rows[-1][0] & SEQUENCE_MASK
        if first > channel.newest + 1:
            hole = (int(Stream.ROLLUP), audience, channel.newest + 1, first - 1)
            note_gap(self._db, GapRecord(*hole, rows[0][3], rows[0][3], 0, GapRecord.NOT_NEEDED))
        self._db.execute(
            "INSERT INTO batch (id, span, epoch, count, first_ms, last_ms, body)"
            " SELECT id, 1, epoch, count, first_ms, last_ms, body FROM rollup"
            " WHERE id BETWEEN ? AND ? ORDER BY id",
            (rows[0][0], rows[-1][0]),
        )
        self._db.execute("DELETE FROM rollup WHERE id BETWEEN ? AND ?", (rows[0][0], rows[-1][0]))
        count = sum(row[1] for row in rows)
        return [self._channels.grow(channel, last, count, sum(row[2] for row in rows))]

    def drop(self, audience: Audience, safe: int) -> None:
        """Drop the rollups of raw batches up to a sequence: everybody has those."""
        if not self._any:
            return
        bounds = _bounds(self._channels.find_or_make(Stream.ROLLUP, audience))
        while (row := self._oldest(bounds)) is not None and row[1] <= safe:
            self._db.execute("DELETE FROM rollup WHERE id = ?", (row[0],))

    def needed_epochs(self, audience: Audience) -> list[int]:
        """Return the number of the oldest epoch that a rollup of an audience needs, if any does."""
        (number,) = self._db.execute(
            "SELECT min(rollup.epoch) FROM rollup JOIN epoch ON epoch.number = rollup.epoch"
            " WHERE epoch.audience = ?",
            (audience,),
        ).fetchone()
        return [] if number is None else [number]

    def _oldest(self, bounds: tuple[int, int]) -> tuple[int, int] | None:
        """Return id and last raw sequence of the oldest rollup between two row ids."""
        row: tuple[int, int] | None = self._db.execute(
            "SELECT id, until FROM rollup WHERE id > ? AND id <= ? ORDER BY id LIMIT 1", bounds
        ).fetchone()
        return row

    def _highest(self, channel: Channel) -> int:
        (highest,) = self._db.execute(
            "SELECT max(id) FROM rollup WHERE id > ? AND id <= ?", _bounds(channel)
        ).fetchone()
        return 0 if highest is None else int(highest) & SEQUENCE_MASK


def _bounds(channel: Channel) -> tuple[int, int]:
    return channel.row_id(0), channel.row_id(SEQUENCE_MASK)
