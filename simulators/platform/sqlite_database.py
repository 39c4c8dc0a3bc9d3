"""One SQLite file: WAL, `synchronous = FULL`, one writer at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from simulators.platform import schema
from simulators.platform.database import Line, Stretch
from simulators.platform.ledger import LedgerError, WrongLedgerError
from simulators.platform.strict import INT_LIMIT

PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # an acknowledgement promises that a power cut takes nothing back
    "PRAGMA cache_size = -65536",
    "PRAGMA wal_autocheckpoint = 8192",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA busy_timeout = 10000",
    "PRAGMA temp_store = MEMORY",
)
_INSERT_READING: Final = "INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


class SqliteDatabase:
    """A database that is one file."""

    exact = INT_LIMIT
    newest = (
        "JOIN reading ON reading.rowid = (SELECT r.rowid FROM reading AS r"
        " WHERE r.series = series.id ORDER BY r.wall_ms DESC, r.rowid DESC LIMIT 1)"
    )

    def __init__(self, file: Path, *, read_only: bool = False) -> None:
        """Open `file`, making it when it is not there and `read_only` is false.

        Raises:
            LedgerError: it cannot be opened; WrongLedgerError when it is of another version.
        """
        self._db = _connect(file, read_only=read_only)

    @contextmanager
    def transaction(self, gateways: Iterable[str] = ()) -> Iterator[None]:
        """Commit when the block ends well; whoever else writes to the file waits meanwhile."""
        del gateways
        with self._within("BEGIN IMMEDIATE"):
            yield

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all queries of the block see one state of the file."""
        with self._within("BEGIN"):
            yield

    @contextmanager
    def _within(self, begin: str) -> Iterator[None]:
        try:
            self._db.execute(begin)
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise LedgerError(str(error)) from error
            raise

    def rows(self, query: str, *arguments: object) -> list[Line]:
        """Run one statement and return all its rows."""
        return self._db.execute(query, arguments).fetchall()

    def many(self, statement: str, arguments: Iterable[Sequence[object]]) -> None:
        """Run one statement for each set of arguments."""
        self._db.executemany(statement, arguments)

    def next_row(self) -> int:
        """Return the rowid of the next reading."""
        return int(self.rows("SELECT coalesce(max(rowid), 0) + 1 FROM reading")[0][0])

    def add_readings(self, stretch: Stretch, columns: Iterator[Sequence[Iterable[object]]]) -> None:
        """Store the readings of a batch; their rowids follow one another."""
        del stretch
        for parts in columns:
            self._db.executemany(_INSERT_READING, zip(*parts, strict=False))

    def readings(self, stretch: Stretch) -> list[tuple[int, int, int]]:
        """Return series, mono and wall of each reading of a batch, in the order of the batch."""
        return self.rows(
            "SELECT series, mono_ms, wall_ms FROM reading WHERE rowid BETWEEN ? AND ?"
            " ORDER BY rowid",
            *(stretch.first_row, stretch.first_row + stretch.rows - 1),
        )

    def place(self, stretches: Sequence[Stretch], offset_ms: int) -> None:
        """Set the wall time of these readings to their monotonic time and `offset_ms`."""
        self.many(
            "UPDATE reading SET wall_ms = mono_ms + ? WHERE rowid BETWEEN ? AND ?",
            [(offset_ms, s.first_row, s.first_row + s.rows - 1) for s in stretches],
        )

    def retire(self, stretches: Sequence[Stretch], before_ms: int) -> None:
        """Delete these readings."""
        del before_ms
        self.many(
            "DELETE FROM reading WHERE rowid BETWEEN ? AND ?",
            [(s.first_row, s.first_row + s.rows - 1) for s in stretches],
        )

    def hold_readings(self) -> None:
        """Do nothing: a transaction is alone with the file."""

    def check(self) -> None:
        """Do nothing: a file is there, or its next transaction says so."""

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _connect(file: Path, *, read_only: bool) -> sqlite3.Connection:
    try:
        mode = "ro" if read_only else "rwc"
        connection = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None
        )
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version == 0 and not read_only:
            _create(connection)
        elif version != schema.VERSION:
            connection.close()
            msg = f"{file}: version {version} of the tables, this receiver knows {schema.VERSION}"
            raise WrongLedgerError(msg)
        for pragma in PRAGMAS if not read_only else PRAGMAS[-2:]:
            connection.execute(pragma)
    except sqlite3.Error as error:
        msg = f"{file}: {error}"
        raise LedgerError(msg) from error
    return connection


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript(
        f"BEGIN IMMEDIATE; {schema.SQLITE} PRAGMA user_version = {schema.VERSION}; COMMIT;"
    )
