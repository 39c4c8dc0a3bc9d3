"""Mistakes that the certificate must catch: each is put into the running code, never into a file.

Every one has been made by somebody: a setting for speed, an answer too early, a sync forgotten.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final
from unittest.mock import patch

from gateway.model import files
from gateway.store import channels, database, migrations, outbox

COMMIT_EVERY: Final = 3

Bug = Callable[[], AbstractContextManager[object]]


def _with_pragma(pragma: str) -> AbstractContextManager[object]:
    real = outbox.connect  # type: ignore[attr-defined]  # where the outbox looks it up

    def connect(path: Path) -> sqlite3.Connection:
        db: sqlite3.Connection = real(path)
        db.execute(pragma)
        return db

    return patch.object(outbox, "connect", connect)


def checkpoint_every(pages: int) -> AbstractContextManager[object]:
    """Let the write-ahead log begin again after so many pages. No mistake: only more of it.

    Args:
        pages: 0 leaves it as it is.
    """
    return _with_pragma(f"PRAGMA wal_autocheckpoint = {pages}") if pages else nullcontext()


def _synchronous_off() -> AbstractContextManager[object]:
    return _with_pragma("PRAGMA synchronous = OFF")


def _synchronous_normal() -> AbstractContextManager[object]:
    return _with_pragma("PRAGMA synchronous = NORMAL")


def _told_before_commit() -> AbstractContextManager[object]:
    """Commit only now and then: what `add` returned for is not all committed."""
    calls = 0

    @contextmanager
    def transaction(db: sqlite3.Connection) -> Iterator[None]:
        nonlocal calls
        if not db.in_transaction:
            db.execute("BEGIN IMMEDIATE")
        yield
        calls += 1
        if calls % COMMIT_EVERY == 0:
            db.execute("COMMIT")

    return patch.object(outbox, "transaction", transaction)


def _migration_in_pieces() -> AbstractContextManager[object]:
    def migrate(db: sqlite3.Connection) -> None:
        (done,) = db.execute("PRAGMA user_version").fetchone()
        for number, step in enumerate(migrations.STEPS[done:], start=done + 1):
            for statement in migrations._statements(step):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")

    return patch.object(outbox, "migrate", migrate)


def _sequence_from_what_is_left() -> AbstractContextManager[object]:
    """Count on from the newest batch that is still there, not from the channel's own number."""
    real = channels.Channels.__init__

    def load(self: channels.Channels, db: sqlite3.Connection) -> None:
        real(self, db)
        for channel in self.all:
            (row_id,) = db.execute(
                "SELECT max(id) FROM batch WHERE id > ? AND id <= ?",
                (channel.row_id(0), channel.row_id(channels.SEQUENCE_MASK)),
            ).fetchone()
            channel.newest = 0 if row_id is None else row_id & channels.SEQUENCE_MASK

    return patch.object(channels.Channels, "__init__", load)


def _log_of_the_killed_not_synced() -> AbstractContextManager[object]:
    """Hand out what a killed program had written and not synced."""

    def leave(_path: Path) -> None:
        """Sync nothing."""

    return patch.object(database, "_sync_what_was_left", leave)


def _nothing(_descriptor: int) -> None:
    """Sync nothing."""


def _file_without_sync() -> AbstractContextManager[object]:
    return patch.object(files.os, "fsync", _nothing)  # type: ignore[attr-defined]


def _file_without_folder_sync() -> AbstractContextManager[object]:
    real, calls = files.os.fsync, 0  # type: ignore[attr-defined]

    def every_other(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls % 2:  # first the file, then the folder
            real(descriptor)

    return patch.object(files.os, "fsync", every_other)  # type: ignore[attr-defined]


def _file_in_place() -> AbstractContextManager[object]:
    def write(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            files.os.fsync(file.fileno())  # type: ignore[attr-defined]

    return patch.object(files, "durable_write", write)


IN_STORE: Final[Mapping[str, Bug]] = {
    "synchronous-off": _synchronous_off,
    "synchronous-normal": _synchronous_normal,
    "told-before-commit": _told_before_commit,
    "migration-in-pieces": _migration_in_pieces,
    "sequence-from-what-is-left": _sequence_from_what_is_left,
    "log-of-the-killed-not-synced": _log_of_the_killed_not_synced,
}
WHILE_JUDGING: Final = frozenset({"sequence-from-what-is-left"})
"""Mistakes of the program that starts after the cut."""
IN_FILES: Final[Mapping[str, Bug]] = {
    "file-without-sync": _file_without_sync,
    "file-without-folder-sync": _file_without_folder_sync,
    "file-in-place": _file_in_place,
}
BUGS: Final[Mapping[str, Bug]] = {**IN_STORE, **IN_FILES, "none": nullcontext}
