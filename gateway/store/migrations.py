"""The schema, step after step, each in one transaction: it is done or it is as before."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from gateway.model.errors import ConfigError, Mistake

STEPS: Final[tuple[str, ...]] = (
    """
    CREATE TABLE fact (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;

    CREATE TABLE channel (
        id INTEGER PRIMARY KEY,
        stream INTEGER NOT NULL,
        audience TEXT NOT NULL,
        newest INTEGER NOT NULL DEFAULT 0,
        produced INTEGER NOT NULL DEFAULT 0,
        kept INTEGER NOT NULL DEFAULT 0,
        size INTEGER NOT NULL DEFAULT 0,
        UNIQUE (stream, audience)
    ) STRICT;

    CREATE TABLE epoch (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL UNIQUE,
        audience TEXT NOT NULL,
        made_ms INTEGER NOT NULL,
        record BLOB NOT NULL
    ) STRICT;

    -- id = channel * 2^40 + sequence: a channel lies together, in order, without a second index
    CREATE TABLE batch (
        id INTEGER PRIMARY KEY,
        span INTEGER NOT NULL,
        epoch INTEGER NOT NULL REFERENCES epoch (number),
        count INTEGER NOT NULL,
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;

    CREATE TABLE cursor (
        consumer TEXT NOT NULL,
        channel INTEGER NOT NULL REFERENCES channel (id),
        settled INTEGER NOT NULL,
        PRIMARY KEY (consumer, channel)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE delivered (
        consumer TEXT NOT NULL,
        epoch INTEGER NOT NULL REFERENCES epoch (number) ON DELETE CASCADE,
        PRIMARY KEY (consumer, epoch)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE gap (
        id INTEGER PRIMARY KEY,
        stream INTEGER NOT NULL,
        audience TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        count INTEGER NOT NULL,
        reason INTEGER NOT NULL,
        told INTEGER NOT NULL DEFAULT 0
    ) STRICT;

    CREATE TABLE memory (
        device TEXT PRIMARY KEY,
        content TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- id as in batch; since and until: sequences of the raw batches of that time
    CREATE TABLE rollup (
        id INTEGER PRIMARY KEY,
        epoch INTEGER NOT NULL REFERENCES epoch (number),
        count INTEGER NOT NULL,
        first_ms INTEGER NOT NULL,
        last_ms INTEGER NOT NULL,
        since INTEGER NOT NULL,
        until INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;

    -- for charts on the spot: rollups of points that are not personal, a row a quarter of an hour
    CREATE TABLE history (
        id INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    """,
)


def migrate(db: sqlite3.Connection, steps: tuple[str, ...] = STEPS) -> None:
    """Bring the file to the newest schema, one transaction for each step.

    Args:
        db: with `isolation_level=None`, so that transactions are ours.
        steps: all steps there ever were; the file says how many it has.

    Raises:
        ConfigError: the file is of a newer program; it is left as it is.
        sqlite3.DatabaseError: a step failed (the file is as before that step).
    """
    (done,) = db.execute("PRAGMA user_version").fetchone()
    if done > len(steps):
        ((_, _, file),) = db.execute("PRAGMA database_list").fetchall()
        msg = (
            f"the store was written by a newer Mayak (schema {done}, this one knows up to"
            f" {len(steps)}) and is left as it is: install the newer version again, or name another"
            " file here"
        )
        raise ConfigError([Mistake(Path(file), 0, "store.path", msg)])
    for number, step in enumerate(steps[done:], start=done + 1):
        db.execute("BEGIN IMMEDIATE")
        try:
            for statement in _statements(step):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


def _statements(script: str) -> list[str]:
    statements, part = [], ""
    for line in script.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            statements.append(part.strip())
            part = ""
    return statements
