"""The tables of the receiver in SQLite. `README.md` beside this file says what each is for."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from simulators.platform.ledger import LedgerError

VERSION: Final = 1
"""Stands in `PRAGMA user_version`."""

PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # an acknowledgement promises that a power cut takes nothing back
    "PRAGMA cache_size = -65536",
    "PRAGMA wal_autocheckpoint = 8192",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA busy_timeout = 10000",
    "PRAGMA temp_store = MEMORY",
)

TABLES: Final = """
CREATE TABLE gateway (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    first_ms INTEGER NOT NULL,
    incarnation BLOB,
    software TEXT
) STRICT;

CREATE TABLE boot (
    id INTEGER PRIMARY KEY,
    gateway INTEGER NOT NULL REFERENCES gateway (id),
    boot BLOB NOT NULL,
    pair_mono_ms INTEGER,
    pair_wall_ms INTEGER,
    pair_trust INTEGER,
    UNIQUE (gateway, boot)
) STRICT;

CREATE TABLE epoch (
    id INTEGER PRIMARY KEY,
    gateway INTEGER NOT NULL REFERENCES gateway (id),
    epoch BLOB NOT NULL,
    incarnation BLOB NOT NULL,
    boot INTEGER NOT NULL REFERENCES boot (id),
    audience TEXT NOT NULL,
    made_mono_ms INTEGER NOT NULL,
    made_wall_ms INTEGER NOT NULL,
    made_trust INTEGER NOT NULL,
    record BLOB NOT NULL,
    arrived_ms INTEGER NOT NULL,
    UNIQUE (gateway, epoch)
) STRICT;

CREATE TABLE channel (
    id INTEGER PRIMARY KEY,
    gateway INTEGER NOT NULL REFERENCES gateway (id),
    incarnation BLOB NOT NULL,
    stream INTEGER NOT NULL,
    audience TEXT NOT NULL,
    oldest INTEGER,
    newest INTEGER,
    produced INTEGER,
    kept INTEGER,
    UNIQUE (gateway, incarnation, stream, audience)
) STRICT;

CREATE TABLE batch (
    id INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL REFERENCES channel (id),
    sequence INTEGER NOT NULL,
    span INTEGER NOT NULL,
    epoch INTEGER NOT NULL REFERENCES epoch (id),
    boot INTEGER NOT NULL REFERENCES boot (id),
    wall_ms INTEGER NOT NULL,
    length_ms INTEGER NOT NULL,
    mono_ms INTEGER NOT NULL,
    trust INTEGER NOT NULL,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    arrived_ms INTEGER NOT NULL,
    first_row INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    UNIQUE (channel, sequence)
) STRICT;

CREATE INDEX batch_of_boot ON batch (boot) WHERE trust = 0;

CREATE TABLE settled (
    channel INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (channel, first)
) STRICT, WITHOUT ROWID;

CREATE TABLE gap (
    channel INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    first_wall_ms INTEGER NOT NULL,
    last_wall_ms INTEGER NOT NULL,
    count INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    PRIMARY KEY (channel, first, last)
) STRICT, WITHOUT ROWID;

CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    gateway INTEGER NOT NULL REFERENCES gateway (id),
    stream INTEGER NOT NULL,
    audience TEXT NOT NULL,
    device TEXT NOT NULL,
    point TEXT NOT NULL,
    unit TEXT NOT NULL,
    kind INTEGER NOT NULL,
    states TEXT,
    UNIQUE (gateway, device, point, stream, audience, unit, kind)
) STRICT;

CREATE TABLE reading (
    series INTEGER NOT NULL,
    wall_ms INTEGER NOT NULL,
    mono_ms INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    value ANY,
    text TEXT,
    quality INTEGER NOT NULL,
    cause INTEGER NOT NULL
) STRICT;

CREATE INDEX reading_of_series ON reading (series, wall_ms);

CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    gateway INTEGER NOT NULL REFERENCES gateway (id),
    batch INTEGER NOT NULL REFERENCES batch (id),
    wall_ms INTEGER NOT NULL,
    mono_ms INTEGER NOT NULL,
    key TEXT NOT NULL,
    severity INTEGER NOT NULL,
    device TEXT,
    args TEXT NOT NULL
) STRICT;

CREATE INDEX event_of_gateway ON event (gateway, wall_ms);
CREATE INDEX event_of_batch ON event (batch);

CREATE TABLE hello (
    gateway INTEGER NOT NULL REFERENCES gateway (id),
    incarnation BLOB NOT NULL,
    boot BLOB NOT NULL,
    mono_ms INTEGER NOT NULL,
    wall_ms INTEGER NOT NULL,
    trust INTEGER NOT NULL,
    software TEXT NOT NULL,
    why INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (gateway, incarnation, boot)
) STRICT, WITHOUT ROWID;

CREATE TABLE counter (
    gateway TEXT NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (gateway, name)
) STRICT, WITHOUT ROWID;

CREATE VIEW history AS
SELECT
    gateway.name AS gateway, series.device, series.point, series.unit,
    reading.wall_ms, reading.mono_ms, boot.boot, batch.trust,
    reading.value, reading.text, reading.quality, reading.cause,
    batch.sequence, batch.arrived_ms
FROM reading
JOIN series ON series.id = reading.series
JOIN gateway ON gateway.id = series.gateway
JOIN batch ON batch.id = reading.batch
JOIN boot ON boot.id = batch.boot;
"""


def connect(file: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the database, making it when it is not there and `read_only` is false.

    Raises:
        LedgerError: it is no database of this receiver, or of another version.
    """
    try:
        mode = "ro" if read_only else "rwc"
        connection = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None
        )
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version == 0 and not read_only:
            _create(connection)
        elif version != VERSION:
            msg = f"{file}: version {version} of the tables, this receiver knows {VERSION}"
            raise LedgerError(msg)
        for pragma in PRAGMAS if not read_only else PRAGMAS[-2:]:
            connection.execute(pragma)
    except sqlite3.Error as error:
        msg = f"{file}: {error}"
        raise LedgerError(msg) from error
    return connection


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
