"""Looking at the file from outside, also while the agent runs. Reads only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import cbor2
from sqlite_utils import Database

from gateway.keys.cose import ALG, CHACHA20_POLY1305, PARTIAL_IV, TAG_ENCRYPT0
from gateway.model.errors import GatewayError
from gateway.model.stream import Stream
from gateway.store.channels import SEQUENCE_BITS, SEQUENCE_MASK
from gateway.store.sealing import HEAD, VERSION

RATE_WINDOW_MS: Final = 3_600_000
HEAD_LEN: Final = 11


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
    with closing(_open(path)) as db:
        channels = tuple(_channel(db, row) for row in Database(db)["channel"].rows)
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
    with closing(_open(path)) as db:
        try:
            problems = [row[0] for row in db.execute("PRAGMA integrity_check(20)")]
            findings = [Finding(path.name, text) for text in problems if text != "ok"]
            return findings + list(_check_batches(db))
        except sqlite3.DatabaseError as error:
            return [Finding(path.name, f"damaged: {error}")]


def export(path: Path, gateway: str, target: Path) -> int:
    """Write what is kept, still sealed, as a CBOR sequence (RFC 8742) of `[topic, payload]`.

    Returns:
        How many messages were written.
    """
    count = 0
    with closing(_open(path)) as db, target.open("wb") as file:
        for (record,) in db.execute("SELECT record FROM epoch ORDER BY number"):
            cbor2.dump([f"mayak/1/{gateway}/up/epoch", record], file)
            count += 1
        streams = dict(db.execute("SELECT id, stream FROM channel").fetchall())
        for row_id, body in db.execute("SELECT id, body FROM batch ORDER BY id"):
            stream = Stream(streams[row_id >> SEQUENCE_BITS])
            cbor2.dump([f"mayak/1/{gateway}/up/{stream.topic}", body], file)
            count += 1
    return count


def _open(path: Path) -> sqlite3.Connection:
    if not path.exists():
        msg = f"{path}: there is no store yet; it is made when the agent first runs"
        raise GatewayError(msg)
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
        db.execute("SELECT count(*) FROM channel")
    except sqlite3.DatabaseError as error:
        msg = f"{path}: not a readable store: {error}"
        raise GatewayError(msg) from error
    return db


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
    told = {
        (row[0], row[1], sequence)
        for row in db.execute("SELECT stream, audience, first, last FROM gap")
        for sequence in range(row[2], row[3] + 1)
    }
    last: dict[int, int] = {}
    for row_id, span, epoch, body in db.execute(
        "SELECT id, span, epoch, body FROM batch ORDER BY id"
    ):
        channel, sequence = row_id >> SEQUENCE_BITS, row_id & SEQUENCE_MASK
        where = f"channel {channel}, sequence {sequence}"
        if channel not in channels:
            yield Finding(where, "of no channel")
            continue
        stream, audience = channels[channel]
        for missing in range(last.get(channel, sequence - span) + 1, sequence - span + 1):
            if (stream, audience, missing) not in told:
                yield Finding(where, f"sequence {missing} before it is gone and not told as a gap")
        last[channel] = sequence
        if (what := _wrong_head(body, stream, audience, sequence, epochs.get(epoch))) is not None:
            yield Finding(where, what)


def _wrong_head(
    body: bytes, stream: int, audience: str, sequence: int, epoch: bytes | None
) -> str | None:
    try:
        message = cbor2.loads(body)
        protected = cbor2.loads(message.value[0])
        head = protected[HEAD]
    except (cbor2.CBORDecodeError, ValueError, AttributeError, TypeError, LookupError):
        return "is not a sealed batch"
    if message.tag != TAG_ENCRYPT0 or protected[ALG] != CHACHA20_POLY1305 or head[0] != VERSION:
        return "is not a sealed batch of this version"
    if int.from_bytes(protected[PARTIAL_IV], "big") != sequence or len(head) != HEAD_LEN:
        return "says another sequence"
    if (head[2], head[3]) != (audience, stream):
        return "says another channel"
    if epoch is None or head[4] != epoch:
        return "its epoch record is not here"
    return None
