"""A new file in the place of a damaged one, with all that can still be read of it.

The new file is made beside the old one and takes its name when it is whole, so that a power cut on
the way leaves one of the two. The old one stays for an inquiry, until its room is needed.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

from gateway.model.errors import StoreFullError
from gateway.model.ids import Audience, EpochId, Incarnation
from gateway.model.stream import Stream
from gateway.store.aside import remove, swap
from gateway.store.batches import GapRecord
from gateway.store.channels import SEQUENCE_BITS, SEQUENCE_MASK, Channel
from gateway.store.database import connect, transaction
from gateway.store.entitlement import PREFIX
from gateway.store.gaps import note_gap
from gateway.store.migrations import migrate
from gateway.store.retention import GIVEN_UP_FIRST
from gateway.store.salvage import CHUNK, Row, batches, both_ends, open_damaged
from gateway.store.sealing import wrong_head
from gateway.store.trimming import JUMP, Entitled, settled_by_all

INCARNATION_LEN: Final = 8
BEYOND: Final = 4096
"""So many sequences above the newest that the channel names are looked for."""
COLUMNS: Final = {
    "fact": ["key", "value"],
    "channel": ["id", "stream", "audience", "newest", "produced", "kept", "size"],
    "epoch": ["number", "id", "audience", "made_ms", "record"],
    "batch": ["id", "span", "epoch", "count", "first_ms", "last_ms", "body"],
    "cursor": ["consumer", "channel", "settled"],
    "delivered": ["consumer", "epoch"],
    "gap": [
        *("id", "stream", "audience", "first", "last"),
        *("first_ms", "last_ms", "count", "reason", "told"),
    ],
    "memory": ["device", "content"],
    "history": ["id", "at_ms", "body"],
    "rollup": ["id", "epoch", "count", "first_ms", "last_ms", "since", "until", "body"],
}
EpochRow = tuple[int, EpochId, Audience, int, bytes]


@dataclass(frozen=True, slots=True)
class Known:
    """What the program remembers of the file on which it worked."""

    incarnation: Incarnation
    channels: Sequence[Channel]
    epochs: Sequence[EpochRow]
    """Those that are sealed under now."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What a damaged file came to."""

    aside: str
    """Name of the file that was set aside."""
    error: str
    kept: int
    """Values that were saved."""
    lost: int | None
    """Values that were not; None when nothing says how many there were."""
    ranges: int
    """Gaps that tell them."""
    first_ms: int
    """Wall clock of the first and last of them; 0: not known."""
    last_ms: int


@dataclass(slots=True)
class _Tally:
    kept: int = 0
    lost: int = 0
    gaps: list[GapRecord] | None = None


def renew(path: Path, known: Known | None, entitled: Entitled, error: str) -> Damage:
    """Put a sound file in the place of a damaged one; say what was saved and what was lost.

    The incarnation lives on, and with it the sequences, when `known` or the file itself tells how
    far they went; else a new one begins and nothing of the old can be delivered.

    Args:
        path: of the file; nobody has it open.
        known: what the program remembers; None at a start.
        entitled: who must have what.
        error: what was found.

    Raises:
        StoreFullError: no new file can be made; the old one is still there.
    """
    fresh = path.with_name(f"{path.name}.renewed")
    try:
        remove(fresh)
        with closing(open_damaged(path)) as old, closing(connect(fresh)) as new:
            migrate(new)
            tally = _Renewal(old, new, entitled, known).run()
        aside = swap(path, fresh)
    except OSError as failure:
        msg = f"{fresh}: no new store can be made: {failure.strerror}"
        raise StoreFullError(msg) from failure
    except sqlite3.DatabaseError as failure:  # of the new file: what reads the old one never fails
        msg = f"{fresh}: no new store can be made: {failure}"
        raise StoreFullError(msg) from failure
    gaps = tally.gaps or []
    return Damage(
        aside.name,
        error,
        tally.kept,
        None if tally.gaps is None else tally.lost,
        len(gaps),
        min((gap.first_wall_ms for gap in gaps), default=0),
        max((gap.last_wall_ms for gap in gaps), default=0),
    )


class _Renewal:
    """One damaged file into one new one."""

    def __init__(
        self,
        old: sqlite3.Connection,
        new: sqlite3.Connection,
        entitled: Entitled,
        known: Known | None,
    ) -> None:
        self._old = old
        self._new = new
        self._entitled = entitled
        self._remembered = known is not None
        self._known = known or self._read_known()

    def run(self) -> _Tally:
        """Copy what can be read, tell what cannot."""
        with transaction(self._new):
            self._copy_memory()
            if self._known is None:
                self._insert("fact", [("incarnation", secrets.token_bytes(INCARNATION_LEN))])
                return _Tally()
            epochs = self._copy_facts(self._known)
        tally = _Tally(gaps=[])
        urgent_first = sorted(
            self._known.channels, key=lambda c: GIVEN_UP_FIRST.index(c.stream), reverse=True
        )
        room = True
        for channel in urgent_first:
            saved = 0
            if room:
                saved, room = self._copy_batches(channel, epochs)
            self._account(channel, saved, tally)
        if room:
            self._copy_rollups(epochs)
        return tally

    def _read_known(self) -> Known | None:
        facts = {row[0]: row[1] for row in self._read("fact")}
        rows = self._read("channel")
        incarnation = facts.get("incarnation")
        if not isinstance(incarnation, bytes) or len(incarnation) != INCARNATION_LEN or not rows:
            return None
        channels = [
            Channel(row[0], Stream(row[1]), Audience(row[2]), *row[3:])
            for row in rows
            if _of_types(row, "iitiiii") and row[1] in set(Stream)
        ]
        return Known(Incarnation(incarnation), channels, ()) if channels else None

    def _copy_memory(self) -> None:
        rows = self._read("memory")
        self._insert("memory", [row for row in rows if _of_types(row, "tt")])
        rows = self._read("history")
        self._insert("history", [row for row in rows if _of_types(row, "iib")])

    def _copy_facts(self, known: Known) -> dict[int, bytes]:
        """Copy everything but batches; return the ids of the epochs by number."""
        facts = [row for row in self._read("fact") if _of_types(row, "tb")]
        self._insert("fact", [row for row in facts if row[0].startswith(PREFIX)])
        facts = [row for row in self._read("fact") if _of_types(row, "tb")]
        self._insert("fact", [("incarnation", known.incarnation), *facts])
        rows = self._read("epoch")
        epochs = {row[0]: row for row in rows if _of_types(row, "ibtib")}
        epochs.update((row[0], row) for row in known.epochs)
        self._insert("epoch", epochs.values())
        self._insert(
            "channel",
            [(c.id, int(c.stream), c.audience, c.newest, c.produced, 0, 0) for c in known.channels],
        )
        channels = {channel.id: channel for channel in known.channels}
        cursors = [row for row in self._read("cursor", 2) if _of_types(row, "tii")]
        self._insert("cursor", [row for row in cursors if row[1] in channels])
        delivered = [row for row in self._read("delivered", 2) if _of_types(row, "ti")]
        self._insert("delivered", [row for row in delivered if row[1] in epochs])
        self._insert("gap", [row for row in self._read("gap") if _of_types(row, "iitiiiiiii")])
        return {number: row[1] for number, row in epochs.items()}

    def _copy_batches(self, channel: Channel, epochs: dict[int, bytes]) -> tuple[int, bool]:
        """Copy what can be read of a channel; return its values, and whether there is still room.

        What the program itself did not see committed is not taken: its sequence is given anew.
        """
        beyond = 0 if self._remembered else BEYOND
        rows = batches(
            self._old,
            channel.row_id(max(1, channel.oldest)),
            channel.row_id(min(channel.newest + beyond, SEQUENCE_MASK)),
        )
        count = size = 0
        sound = (row for row in rows if _is_batch(row, channel, epochs))
        try:
            while some := _next(sound):
                with transaction(self._new):
                    self._insert("batch", some)
                    count += sum(row[3] for row in some)
                    size += sum(len(row[6]) for row in some)
                    newest = max(channel.newest, some[0][0] & SEQUENCE_MASK)
                    channel = replace(channel, newest=newest)
                    self._new.execute(
                        "UPDATE channel SET newest = ?, kept = ?, size = ? WHERE id = ?",
                        (newest, count, size, channel.id),
                    )
        except StoreFullError:
            (count,) = self._new.execute(
                "SELECT kept FROM channel WHERE id = ?", (channel.id,)
            ).fetchone()
            return count, False
        return count, True

    def _copy_rollups(self, epochs: dict[int, bytes]) -> None:
        """Copy rollups that stand by; nobody was told of them, so what is missing is no gap."""
        known = {row[0]: row for row in self._new.execute("SELECT * FROM channel")}
        for row in self._read("channel"):
            if _of_types(row, "iitiiii") and row[1] == Stream.ROLLUP:
                known.setdefault(row[0], (*row[:3], 0, 0, 0, 0))
        standing_by = [
            row
            for row in self._read("rollup")
            if _of_types(row, "iiiiiiib")
            and row[1] in epochs
            and (channel := known.get(row[0] >> SEQUENCE_BITS)) is not None
            and channel[1] == Stream.ROLLUP
            and channel[3] < row[0] & SEQUENCE_MASK
            and _is_ours(row[7], channel[2], row[0] & SEQUENCE_MASK, epochs[row[1]])
        ]
        try:
            with transaction(self._new):
                self._insert("channel", known.values())
                self._insert("rollup", standing_by)
        except StoreFullError:  # they are the first to do without
            return

    def _account(self, channel: Channel, saved: int, tally: _Tally) -> None:
        """Note as gaps what of a channel was neither saved nor had by everybody."""
        tally.kept += saved
        (newest,) = self._new.execute(
            "SELECT newest FROM channel WHERE id = ?", (channel.id,)
        ).fetchone()
        channel = replace(channel, newest=newest)
        lost = max(0, channel.kept - saved)
        tally.lost += lost
        ranges = list(self._missing(channel, lost))
        gaps = _shared_out(channel, ranges, lost)
        if not self._remembered:
            newest += JUMP
            gaps.append(_gap(channel, (newest - JUMP + 1, newest, 0, 0), 0))
        if tally.gaps is not None:
            tally.gaps += [gap for gap in gaps if gap.count]
        with transaction(self._new):
            for gap in gaps:
                note_gap(self._new, gap)
            self._new.execute("UPDATE channel SET newest = ? WHERE id = ?", (newest, channel.id))

    def _missing(self, channel: Channel, lost: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield ranges of sequences with the wall clock of what lies beside them."""
        here = self._new.execute(
            "SELECT (id & ?) - span + 1, id & ?, first_ms, last_ms FROM batch"
            " WHERE id > ? AND id <= ? ORDER BY id",
            (SEQUENCE_MASK, SEQUENCE_MASK, channel.row_id(0), channel.row_id(channel.newest)),
        ).fetchall()
        told = self._new.execute(
            "SELECT first, last, first_ms, last_ms FROM gap WHERE stream = ? AND audience = ?",
            (int(channel.stream), channel.audience),
        ).fetchall()
        floor = max(settled_by_all(self._new, channel, self._entitled), channel.oldest - 1)
        if not self._remembered and not floor and not lost and here:
            floor = here[0][0] - 1  # nothing says that there was anything older
        end = (channel.newest + 1, channel.newest + 1, 0, 0)
        covered = [(floor, floor, 0, 0), *sorted(here + told), end]
        last, last_ms = floor, 0
        for before, after in pairwise(covered):
            if before[1] >= last:
                last, last_ms = before[1], before[3]
            if after[0] > last + 1:
                yield last + 1, after[0] - 1, last_ms or after[2], after[2] or last_ms

    def _read(self, table: str, key: int = 1) -> list[Row]:
        columns = COLUMNS[table]
        return both_ends(self._old, table, ", ".join(columns), columns[:key])

    def _insert(self, table: str, rows: Iterable[Row]) -> None:
        columns = COLUMNS[table]
        places = ", ".join("?" * len(columns))
        self._new.executemany(
            f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({places})",  # noqa: S608 - our own names
            rows,
        )


def _shared_out(
    channel: Channel, ranges: Sequence[tuple[int, int, int, int]], lost: int
) -> list[GapRecord]:
    """Return gaps that together tell `lost` values, by how long each range is."""
    total = sum(last - first + 1 for first, last, *_ in ranges)
    gaps, left = [], lost
    for place, each in enumerate(ranges):
        length = each[1] - each[0] + 1
        share = left if place == len(ranges) - 1 else lost * length // total
        left -= share
        gaps.append(_gap(channel, each, share))
    return gaps


def _gap(channel: Channel, where: tuple[int, int, int, int], count: int) -> GapRecord:
    return GapRecord(int(channel.stream), channel.audience, *where, count, GapRecord.DAMAGED)


def _is_batch(row: Row, channel: Channel, epochs: dict[int, bytes]) -> bool:
    """Say whether a row is one of our batches, as far as that shows without the key."""
    if not _of_types(row, "iiiiiib"):
        return False
    row_id, span, epoch, body = row[0], int(row[1]), row[2], row[6]
    sequence = row_id & SEQUENCE_MASK
    return (
        0 < span <= sequence
        and epoch in epochs
        and wrong_head(body, channel.stream, channel.audience, sequence, epochs[epoch]) is None
    )


def _is_ours(body: bytes, audience: Audience, sequence: int, epoch: bytes) -> bool:
    return wrong_head(body, Stream.ROLLUP, audience, sequence, epoch) is None


_TYPES: Final = {"i": int, "t": str, "b": bytes}


def _of_types(row: Row, types: str) -> bool:
    """Say whether a row holds what its table should: a number is never negative here."""
    return len(row) == len(types) and all(
        isinstance(value, _TYPES[kind]) and not (isinstance(value, int) and value < 0)
        for value, kind in zip(row, types, strict=True)
    )


def _next(rows: Iterator[Row]) -> list[Row]:
    return list(islice(rows, CHUNK))
