"""The tables of the receiver, for both databases; `README.md` says what each is for."""

from __future__ import annotations

from typing import Final

VERSION: Final = 3
"""Of the tables: stands in `PRAGMA user_version`, or in the table `ledger`."""

_TABLES: Final = """
CREATE TABLE gateway (
    id {key},
    name TEXT NOT NULL UNIQUE,
    first_ms {integer} NOT NULL,
    incarnation {octets},
    software TEXT
){plain};

CREATE TABLE boot (
    id {key},
    gateway {integer} NOT NULL REFERENCES gateway (id),
    boot {octets} NOT NULL,
    pair_mono_ms {integer},
    pair_wall_ms {integer},
    pair_trust {integer},
    pair_uncertainty_ms {integer},
    UNIQUE (gateway, boot)
){plain};

CREATE TABLE epoch (
    id {key},
    gateway {integer} NOT NULL REFERENCES gateway (id),
    epoch {octets} NOT NULL,
    incarnation {octets} NOT NULL,
    boot {integer} NOT NULL REFERENCES boot (id),
    audience TEXT NOT NULL,
    made_mono_ms {integer} NOT NULL,
    made_wall_ms {integer} NOT NULL,
    made_trust {integer} NOT NULL,
    record {octets} NOT NULL,
    arrived_ms {integer} NOT NULL,
    UNIQUE (gateway, epoch)
){plain};

CREATE TABLE device_key (
    gateway TEXT NOT NULL,
    key {octets} NOT NULL,
    until_ms {integer} NOT NULL,
    PRIMARY KEY (gateway, key)
){by_key};

CREATE TABLE channel (
    id {key},
    gateway {integer} NOT NULL REFERENCES gateway (id),
    incarnation {octets} NOT NULL,
    stream {integer} NOT NULL,
    audience TEXT NOT NULL,
    oldest {integer},
    newest {integer},
    produced {integer},
    kept {integer},
    UNIQUE (gateway, incarnation, stream, audience)
){plain};

CREATE TABLE batch (
    id {key},
    channel {integer} NOT NULL REFERENCES channel (id),
    sequence {integer} NOT NULL,
    span {integer} NOT NULL,
    epoch {integer} NOT NULL REFERENCES epoch (id),
    boot {integer} NOT NULL REFERENCES boot (id),
    wall_ms {integer} NOT NULL,
    length_ms {integer} NOT NULL,
    mono_ms {integer} NOT NULL,
    trust {integer} NOT NULL,
    count {integer} NOT NULL,
    bytes {integer} NOT NULL,
    arrived_ms {integer} NOT NULL,
    first_row {integer} NOT NULL,
    rows {integer} NOT NULL,
    UNIQUE (channel, sequence)
){plain};

CREATE INDEX batch_of_boot ON batch (boot)
WHERE (trust < 2 OR wall_ms + length_ms > arrived_ms + 60000);

CREATE TABLE settled (
    channel {integer} NOT NULL,
    first {integer} NOT NULL,
    last {integer} NOT NULL,
    PRIMARY KEY (channel, first)
){by_key};

CREATE TABLE gap (
    channel {integer} NOT NULL,
    first {integer} NOT NULL,
    last {integer} NOT NULL,
    first_wall_ms {integer} NOT NULL,
    last_wall_ms {integer} NOT NULL,
    count {integer} NOT NULL,
    reason {integer} NOT NULL,
    PRIMARY KEY (channel, first, last)
){by_key};

CREATE TABLE series (
    id {key},
    gateway {integer} NOT NULL REFERENCES gateway (id),
    stream {integer} NOT NULL,
    audience TEXT NOT NULL,
    device TEXT NOT NULL,
    point TEXT NOT NULL,
    unit TEXT NOT NULL,
    kind {integer} NOT NULL,
    states TEXT,
    UNIQUE (gateway, device, point, stream, audience, unit, kind)
){plain};

{reading}

CREATE TABLE event (
    id {key},
    gateway {integer} NOT NULL REFERENCES gateway (id),
    batch {integer} NOT NULL REFERENCES batch (id),
    wall_ms {integer} NOT NULL,
    mono_ms {integer} NOT NULL,
    key TEXT NOT NULL,
    severity {integer} NOT NULL,
    device TEXT,
    args TEXT NOT NULL
){plain};

CREATE INDEX event_of_gateway ON event (gateway, wall_ms);
CREATE INDEX event_of_batch ON event (batch);

CREATE TABLE hello (
    gateway {integer} NOT NULL REFERENCES gateway (id),
    incarnation {octets} NOT NULL,
    boot {octets} NOT NULL,
    mono_ms {integer} NOT NULL,
    wall_ms {integer} NOT NULL,
    trust {integer} NOT NULL,
    software TEXT NOT NULL,
    why {integer} NOT NULL,
    first_ms {integer} NOT NULL,
    last_ms {integer} NOT NULL,
    count {integer} NOT NULL,
    PRIMARY KEY (gateway, incarnation, boot)
){by_key};

CREATE TABLE retired (
    gateway {integer} PRIMARY KEY REFERENCES gateway (id),
    readings {integer} NOT NULL
){by_key};

CREATE TABLE counter (
    gateway TEXT NOT NULL,
    name TEXT NOT NULL,
    count {integer} NOT NULL,
    PRIMARY KEY (gateway, name)
){by_key};

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

_SQLITE_READING: Final = """CREATE TABLE reading (
    series INTEGER NOT NULL,
    wall_ms INTEGER NOT NULL,
    mono_ms INTEGER NOT NULL,
    batch INTEGER NOT NULL,
    value ANY,
    text TEXT,
    quality INTEGER NOT NULL,
    cause INTEGER NOT NULL
) STRICT;

CREATE INDEX reading_of_series ON reading (series, wall_ms);"""

_POSTGRES_READING: Final = """CREATE TABLE reading (
    wall_ms BIGINT NOT NULL,
    mono_ms BIGINT NOT NULL,
    value DOUBLE PRECISION,
    batch BIGINT NOT NULL,
    series INTEGER NOT NULL,
    place INTEGER NOT NULL,
    day DATE NOT NULL,
    quality SMALLINT NOT NULL,
    cause SMALLINT NOT NULL,
    text TEXT
) PARTITION BY RANGE (day);

CREATE INDEX reading_of_series ON reading (series, wall_ms);
CREATE INDEX reading_of_batch ON reading (batch);"""

SQLITE: Final = _TABLES.format(
    key="INTEGER PRIMARY KEY",
    integer="INTEGER",
    octets="BLOB",
    plain=" STRICT",
    by_key=" STRICT, WITHOUT ROWID",
    reading=_SQLITE_READING,
)

POSTGRES: Final = _TABLES.format(
    key="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    integer="BIGINT",
    octets="BYTEA",
    plain="",
    by_key="",
    reading=_POSTGRES_READING,
)
