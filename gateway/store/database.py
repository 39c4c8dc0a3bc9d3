"""The SQLite file under the store: how it is opened, what a transaction is, whose error."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.model.errors import StoreCorruptError, StoreFullError

PAGE_CACHE_KIB: Final = 512
PAGE_BYTES: Final = 1024
"""Of a new file; one that is there keeps its own. A commit changes some six pages for one or two of
content: with 1024 a reading costs 13.2 bytes of card, with 2048 20.4, with 4096 22.1 (20 devices x
50 registers at 1 s; 224, 291 and 424 at 3 x 10; 6.4, 7.8 and 10.2 at 40 x 100)."""
LOG_BYTES: Final = 512 * 1024
"""So much in the write-ahead log is folded in; the ballast must hold it."""
OVERHEAD_BYTES: Final = 2**20
"""Of the file beside its batches: epoch records, cursors, gaps, what drivers learned."""
BUSY_TIMEOUT_S: Final = 5

_FULL: Final = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
}

_DAMAGED: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}

_FOR_GOOD: Final = {
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
    sqlite3.SQLITE_IOERR_CORRUPTFS,
}
"""Errors of the card after which this file is not to be trusted: after a failed sync nobody knows
what of it is there, and a second sync may succeed without writing it."""


def connect(path: Path) -> sqlite3.Connection:
    """Open or make the file: write-ahead log, every commit synced, mode 0600.

    Raises:
        StoreCorruptError: it is no sound database.
        StoreFullError: it cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
        _sync_what_was_left(path)
        db = sqlite3.connect(
            path, isolation_level=None, timeout=BUSY_TIMEOUT_S, check_same_thread=False
        )
        try:
            db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            db.execute(f"PRAGMA cache_size = -{PAGE_CACHE_KIB}")
            db.execute(f"PRAGMA wal_autocheckpoint = {pages_in(db, LOG_BYTES)}")
            db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        except sqlite3.DatabaseError:
            db.close()
            raise
    except sqlite3.DatabaseError as error:
        raise ours(error) from error
    except OSError as error:
        msg = f"{path}: the store cannot be made: {error.strerror}"
        raise StoreFullError(msg) from error
    return db


def _sync_what_was_left(path: Path) -> None:
    """Sync the write-ahead log of a program that was killed.

    What it had written but not synced counts as committed when the file is opened again: it would
    be sent, and a power cut could still take it, and its sequence would then name something else.
    """
    log = path.with_name(f"{path.name}-wal")
    for each in (log, path.parent):
        if log.exists():
            descriptor = os.open(each, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done inside, or undo all of it.

    Raises:
        StoreCorruptError: the file is damaged.
        StoreFullError: the card takes nothing.
    """
    try:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
    except sqlite3.DatabaseError as error:
        raise ours(error) from error


def pragma(db: sqlite3.Connection, name: str) -> int:
    """Return the number that a pragma gives."""
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


def pages_for(db: sqlite3.Connection, max_bytes: int) -> int:
    """Return how many pages so many bytes of batches need, with what goes with them."""
    return pages_in(db, max_bytes + max_bytes // 4 + OVERHEAD_BYTES)


def pages_in(db: sqlite3.Connection, size: int) -> int:
    """Return how many whole pages of this file so many bytes are."""
    return size // pragma(db, "page_size")


def cap(db: sqlite3.Connection, pages: int) -> None:
    """Let the file have so many pages at the most; it is not made smaller."""
    db.execute(f"PRAGMA max_page_count = {pages}")


def fold_in(db: sqlite3.Connection) -> bool:
    """Fold the write-ahead log into the file and empty it; say whether that gave room."""
    busy, pages, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy and pages > 0


def random_fact(db: sqlite3.Connection, key: str, length: int) -> bytes:
    """Return the random bytes that the file keeps under a key; made when first asked for."""
    db.execute(
        "INSERT OR IGNORE INTO fact (key, value) VALUES (?, ?)", (key, secrets.token_bytes(length))
    )
    (value,) = db.execute("SELECT value FROM fact WHERE key = ?", (key,)).fetchone()
    return bytes(value)


def is_damage(error: sqlite3.DatabaseError, db: sqlite3.Connection) -> bool:
    """Say whether the file has to be replaced; where the error leaves it open, look at the file.

    Args:
        error: what a statement raised.
        db: on which it was raised.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    if code & 0xFF in _DAMAGED or code in _FOR_GOOD:
        return True
    if code & 0xFF in _FULL:
        return False
    try:
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as failure:
        code = int(getattr(failure, "sqlite_errorcode", 0))
        return code & 0xFF in _DAMAGED or code in _FOR_GOOD
    return bool(found != "ok")


def ours(error: sqlite3.DatabaseError) -> StoreCorruptError | StoreFullError:
    """Return the library's error as one of ours: no room, or damaged."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _FULL and code not in _FOR_GOOD:
        return StoreFullError(f"the store takes nothing: {error}")
    return StoreCorruptError(f"the store is damaged: {error}")
