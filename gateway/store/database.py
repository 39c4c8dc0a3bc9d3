"""The SQLite file under the store: how it is opened, what a transaction is, whose error."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.model.errors import StoreCorruptError, StoreFullError

PAGE_CACHE_KIB: Final = 2048
BUSY_TIMEOUT_S: Final = 5

_FULL: Final = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
}


def connect(path: Path) -> sqlite3.Connection:
    """Open or make the file: write-ahead log, every commit synced, mode 0600.

    Raises:
        StoreCorruptError: it is no sound database.
        StoreFullError: it cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=True)
        db = sqlite3.connect(
            path, isolation_level=None, timeout=BUSY_TIMEOUT_S, check_same_thread=False
        )
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            db.execute(f"PRAGMA cache_size = -{PAGE_CACHE_KIB}")
        except sqlite3.DatabaseError:
            db.close()
            raise
    except sqlite3.DatabaseError as error:
        raise ours(error) from error
    except OSError as error:
        msg = f"{path}: the store cannot be made: {error.strerror}"
        raise StoreFullError(msg) from error
    return db


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


def ours(error: sqlite3.DatabaseError) -> StoreCorruptError | StoreFullError:
    """Return the library's error as one of ours: no room, or damaged."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _FULL:
        return StoreFullError(f"the store takes nothing: {error}")
    return StoreCorruptError(f"the store is damaged: {error}")
