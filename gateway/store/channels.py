"""Channels: how far each stream of each audience was sealed, and what of it is still here.

The numbers stand in the file and in memory; they change in the file inside a transaction, and in
memory once that is committed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.model.ids import Audience
from gateway.model.stream import Stream

SEQUENCE_BITS: Final = 40
SEQUENCE_MASK: Final = (1 << SEQUENCE_BITS) - 1

DATA_FROM: Final = 1 << 16
"""Ids of channels of readings begin here: the busiest one lies at the end of the table, where
appending touches the fewest pages (12.6 bytes of card a reading; in its middle 14.3)."""

ChannelKey = tuple[Stream, Audience]


@dataclass(slots=True)
class Channel:
    """One stream of one audience, as far as it was sealed."""

    id: int
    stream: Stream
    audience: Audience
    newest: int
    """Highest sequence sealed; 0 before the first."""
    produced: int
    """Values ever sealed."""
    kept: int
    """Values still here."""
    size: int
    """Bytes still here."""
    oldest: int = 1
    """Lowest sequence still here; newest + 1 when none is."""

    @property
    def key(self) -> ChannelKey:
        """Return stream and audience."""
        return self.stream, self.audience

    def row_id(self, sequence: int) -> int:
        """Return the row id of a batch of this channel."""
        return self.id << SEQUENCE_BITS | sequence


@dataclass(frozen=True, slots=True)
class Change:
    """By how much a channel holds more or less."""

    channel: Channel
    count: int
    size: int
    newest: int = 0
    """Highest sequence now; 0: as it was."""
    produced: int = 0


class Channels:
    """All channels of one file."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Load those of which anybody may know."""
        self._db = db
        self._by_key: dict[ChannelKey, Channel] = {}
        rows = db.execute(
            "SELECT id, stream, audience, newest, produced, kept, size"
            " FROM channel WHERE newest > 0"
        )
        for row_id, stream, *counts in rows.fetchall():
            channel = Channel(row_id, Stream(stream), *counts)
            channel.oldest = self._oldest(channel)
            self._by_key[channel.key] = channel
        self._all: Sequence[Channel] = ()
        self._sort()

    @property
    def all(self) -> Sequence[Channel]:
        """Return every channel, most urgent first."""
        return self._all

    def find(self, stream: Stream, audience: Audience) -> Channel | None:
        """Return a channel, or None when nothing was ever sealed in it."""
        return self._by_key.get((stream, audience))

    def find_or_make(self, stream: Stream, audience: Audience) -> Channel:
        """Return a channel, made in the file when there is none; `keep` keeps it in memory too."""
        found = self._by_key.get((stream, audience))
        if found is None:
            floor = DATA_FROM if stream is Stream.DATA else 0
            self._db.execute(
                "INSERT OR IGNORE INTO channel (id, stream, audience)"
                " SELECT 1 + coalesce(max(id), ?), ?, ? FROM channel WHERE id > ? AND id < ?",
                (floor, stream, audience, floor, floor + DATA_FROM),
            )
            (row_id,) = self._db.execute(
                "SELECT id FROM channel WHERE stream = ? AND audience = ?", (stream, audience)
            ).fetchone()
            found = Channel(row_id, stream, audience, 0, 0, 0, 0)
        return found

    def keep(self, channel: Channel) -> None:
        """Keep a channel whose first batch was committed."""
        self._by_key[channel.key] = channel
        self._sort()

    def _sort(self) -> None:
        self._all = sorted(self._by_key.values(), key=lambda c: (c.stream, c.audience))

    def grow(self, channel: Channel, newest: int, count: int, size: int) -> Change:
        """Note in the file a batch more, inside the transaction."""
        self._db.execute(
            "UPDATE channel SET newest = ?, produced = produced + ?, kept = kept + ?,"
            " size = size + ? WHERE id = ?",
            (newest, count, count, size, channel.id),
        )
        return Change(channel, count, size, newest=newest, produced=count)

    def skip(self, channel: Channel, newest: int, count: int) -> Change:
        """Note in the file, inside the transaction, values that no batch will carry."""
        self._db.execute(
            "UPDATE channel SET newest = ?, produced = produced + ? WHERE id = ?",
            (newest, count, channel.id),
        )
        return Change(channel, 0, 0, newest=newest, produced=count)

    def change(self, channel: Channel, count: int, size: int) -> Change:
        """Note in the file, inside the transaction, by how much a channel holds more."""
        self._db.execute(
            "UPDATE channel SET kept = kept + ?, size = size + ? WHERE id = ?",
            (count, size, channel.id),
        )
        return Change(channel, count, size)

    def shrink(self, channel: Channel, gone: Sequence[tuple[int, int]]) -> Change:
        """Note in the file, inside the transaction, what was deleted: `[(count, bytes)]`."""
        return self.change(channel, -sum(row[0] for row in gone), -sum(row[1] for row in gone))

    def apply(self, changes: Iterable[Change]) -> None:
        """Take committed changes over into memory."""
        for change in changes:
            channel = change.channel
            if self._by_key.get(channel.key) is not channel:
                self.keep(channel)
            is_next = change.newest == channel.newest + 1
            was_empty = not channel.size
            channel.newest = max(channel.newest, change.newest)
            channel.produced += change.produced
            channel.kept += change.count
            channel.size += change.size
            if not channel.size:
                channel.oldest = channel.newest + 1
            elif not is_next:
                channel.oldest = self._oldest(channel)
            elif was_empty:
                channel.oldest = channel.newest

    def _oldest(self, channel: Channel) -> int:
        found = self._db.execute(
            "SELECT id - span + 1 FROM batch WHERE id > ? AND id <= ? ORDER BY id LIMIT 1",
            (channel.row_id(0), channel.row_id(channel.newest)),
        ).fetchone()
        return channel.newest + 1 if found is None else int(found[0]) & SEQUENCE_MASK
