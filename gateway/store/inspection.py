"""Looking at the file from outside, also while the agent runs. Reads only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import cbor2
from sqlite_utils import Database

from gateway.model.errors import GatewayError
from gateway.model.stream import Stream
from gateway.store.channels import SEQUENCE_BITS, SEQUENCE_MASK
from gateway.store.sealing import wrong_head

RATE_WINDOW_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """One stream of one audience."""

    stream: str
    audience: str
    oldest: int
    newest: int
    batches: int
    kept: int
    size: int
    produced: int
    oldest_utc: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """What the file holds."""

    path: str
    incarnation: str
    channels: tuple[ChannelStatus, ...]
    kept: int
    size: int
    max_mib: int
    file_bytes: int
    gaps: int
    hours_left: float | None
    """At the rate of the newest hour in the file; None when that says nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be."""

    where: str
    what: str


def inspect(path: Path, max_mib: int) -> Status:
    """Return what the file holds.

    Raises:
        GatewayError: there is no store, or it cannot be read.
    """
    with _looking_at(path) as db:
        channels = tuple(
            _channel(db, row) for row in Database(db)["channel"].rows_where("newest > 0")
        )
        (fact,) = db.execute("SELECT value FROM fact WHERE key = 'incarnation'").fetchone()
        (gaps,) = db.execute("SELECT count(*) FROM gap WHERE NOT told").fetchone()
        size = sum(channel.size for channel in channels)
        return Status(
            str(path),
            bytes(fact).hex(),
            channels,
            sum(channel.kept for channel in channels),
            size,
            max_mib,
            sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*")),
            gaps,
            _hours_left(db, max_mib * 2**20 - size),
        )


def verify(path: Path) -> list[Finding]:
    """Check pages, sequences and heads; an empty list means sound.

    Raises:
        GatewayError: there is no store, or it cannot be opened.
    """
    with _looking_at(path) as db:
        try:
            problems = [row[0] for row in db.execute("PRAGMA integrity_check(20)")]
            findings = [Finding(path.name, text) for text in problems if text != "ok"]
            return [*findings, *_check_batches(db), *_check_sequences(db)]
        except sqlite3.DatabaseError as error:
            return [Finding(path.name, f"damaged: {error}")]


def export(path: Path, gateway: str, target: Path) -> int:
    """Write what is kept, still sealed, as a CBOR sequence (RFC 8742) of `[topic, payload]`.

    Returns:
        How many messages were written.

    Raises:
        GatewayError: there is no store, it cannot be read, or the file cannot be written.
    """
    with _looking_at(path) as db:
        try:
            with target.open("wb") as file:
                return _write_all(db, gateway, file)
        except OSError as error:
            msg = f"{target}: cannot be written: {error.strerror}"
            raise GatewayError(msg) from error


def _write_all(db: sqlite3.Connection, gateway: str, file: BinaryIO) -> int:
    count = 0
    for (record,) in db.execute("SELECT record FROM epoch ORDER BY number"):
        cbor2.dump([f"mayak/1/{gateway}/up/epoch", record], file)
        count += 1
    streams = dict(db.execute("SELECT id, stream FROM channel").fetchall())
    for row_id, body in db.execute("SELECT id, body FROM batch ORDER BY id"):
        stream = Stream(streams[row_id >> SEQUENCE_BITS])
        cbor2.dump([f"mayak/1/{gateway}/up/{stream.topic}", body], file)
        count += 1
    return count


@contextmanager
def _looking_at(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file for reading, as it is at one moment: the agent may go on writing.

    Raises:
        GatewayError: there is no store, or it cannot be read.
    """
    if not path.exists():
        msg = f"{path}: there is no store yet; it is made when the agent first runs"
        raise GatewayError(msg)
    try:
        with closing(
            sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5, isolation_level=None
            )
        ) as db:
            db.execute("BEGIN")
            db.execute("SELECT count(*) FROM channel")
            yield db
    except sqlite3.DatabaseError as error:
        msg = f"{path}: not a readable store: {error}"
        raise GatewayError(msg) from error


def _channel(db: sqlite3.Connection, row: dict[str, int]) -> ChannelStatus:
    first = row["id"] << SEQUENCE_BITS
    oldest, batches, oldest_ms = db.execute(
        "SELECT min(id - span + 1), count(*), min(first_ms) FROM batch WHERE id > ? AND id <= ?",
        (first, first | SEQUENCE_MASK),
    ).fetchone()
    return ChannelStatus(
        Stream(row["stream"]).topic,
        str(row["audience"]),
        row["newest"] + 1 if oldest is None else oldest & SEQUENCE_MASK,
        row["newest"],
        batches,
        row["kept"],
        row["size"],
        row["produced"],
        None if oldest_ms is None else datetime.fromtimestamp(oldest_ms / 1000, UTC).isoformat(),
    )


def _hours_left(db: sqlite3.Connection, room: int) -> float | None:
    """Return how long the room lasts at the rate of the newest hour."""
    (newest,) = db.execute("SELECT max(last_ms) FROM batch").fetchone()
    if newest is None:
        return None
    size, since = db.execute(
        "SELECT total(length(body)), min(first_ms) FROM batch WHERE first_ms > ?",
        (newest - RATE_WINDOW_MS,),
    ).fetchone()
    if since is None or newest <= since or not size:
        return None
    return float(max(0, room) / (size / (newest - since)) / 3_600_000)


def _check_batches(db: sqlite3.Connection) -> Iterator[Finding]:
    channels = {row[0]: row[1:] for row in db.execute("SELECT id, stream, audience FROM channel")}
    epochs = dict(db.execute("SELECT number, id FROM epoch").fetchall())
    for row_id, epoch, body in db.execute("SELECT id, epoch, body FROM batch ORDER BY id"):
        channel, sequence = row_id >> SEQUENCE_BITS, row_id & SEQUENCE_MASK
        where = f"channel {channel}, sequence {sequence}"
        if channel not in channels:
            yield Finding(where, "of no channel")
            continue
        stream, audience = channels[channel]
        if (what := wrong_head(body, stream, audience, sequence, epochs.get(epoch))) is not None:
            yield Finding(where, what)


def _check_sequences(db: sqlite3.Connection) -> Iterator[Finding]:
    """Find sequences that are neither here, nor told as a gap, nor settled by anybody."""
    settled = dict(
        db.execute("SELECT channel, max(settled) FROM cursor GROUP BY channel").fetchall()
    )
    for channel, stream, audience, newest in db.execute(
        "SELECT id, stream, audience, newest FROM channel"
    ).fetchall():
        first = channel << SEQUENCE_BITS
        here = db.execute(
            "SELECT (id & ?) - span + 1, id & ? FROM batch WHERE id > ? AND id <= ?",
            (SEQUENCE_MASK, SEQUENCE_MASK, first, first | SEQUENCE_MASK),
        )
        gaps = db.execute(
            "SELECT first, last FROM gap WHERE stream = ? AND audience = ?", (stream, audience)
        )
        for gone in uncovered(settled.get(channel, 0) + 1, newest, [*here, *gaps]):
            what = "{} to {} are gone and not told as a gap".format(*gone)
            yield Finding(f"channel {channel}, sequences", what)


def uncovered(
    first: int, last: int, ranges: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    """Yield what of `first` to `last` lies in none of the ranges, in order. All bounds belong."""
    for begin, end in sorted(ranges):
        if begin > last:
            break
        if begin > first:
            yield first, begin - 1
        first = max(first, end + 1)
    if first <= last:
        yield first, last
