"""What can still be read of a damaged file. Reads only; never fails because of the damage.

SQLite refuses to read beyond a damaged page. What lies on its other side is reached from the other
end, or, for batches, by halving the range of row ids until the bad place is all that is left out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

CHUNK: Final = 16
"""Batches that are read at once."""
PROBES_MOST: Final = 400_000
"""Reads that may fail before the rest of a range is left: a bad inner page hides many rows."""

Row = tuple[Any, ...]  # Any: a column of a file that may hold anything


def open_damaged(path: Path) -> sqlite3.Connection:
    """Open a file to read what is left of it; opening itself reads nothing."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.text_factory = lambda raw: raw.decode("utf-8", "replace")
    return db


def both_ends(db: sqlite3.Connection, table: str, columns: str, key: Sequence[str]) -> list[Row]:
    """Return the rows of a small table that can be read, from its beginning and from its end.

    Args:
        db: the damaged file.
        table: its name.
        columns: as in SQL, the key first.
        key: the columns of the primary key, in order.
    """
    found: dict[Row, Row] = {}
    for order in ("ASC", "DESC"):
        by = ", ".join(f"{column} {order}" for column in key)
        statement = f"SELECT {columns} FROM {table} ORDER BY {by}"  # noqa: S608 - our own names
        for row in _until_damage(db, statement):
            if row[: len(key)] in found and order == "DESC":
                break
            found[row[: len(key)]] = row
    return sorted(found.values(), key=lambda row: tuple(map(str, row[: len(key)])))


def batches(db: sqlite3.Connection, first: int, last: int) -> Iterator[Row]:
    """Yield the rows of `batch` between two row ids that can be read, the newest first.

    Args:
        db: the damaged file.
        first: lowest row id.
        last: highest row id.
    """
    ranges, failed = [(first, last)], 0
    while ranges and failed < PROBES_MOST:
        low, high = ranges.pop()
        rows = _read(db, low, high)
        if rows is None:
            failed += 1
            if low < high:
                middle = (low + high) // 2
                ranges += [(low, middle), (middle + 1, high)]
            continue
        yield from rows
        if len(rows) == CHUNK:
            ranges.append((low, rows[-1][0] - 1))


def _read(db: sqlite3.Connection, low: int, high: int) -> list[Row] | None:
    statement = (
        "SELECT id, span, epoch, count, first_ms, last_ms, body FROM batch"
        " WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT ?"
    )
    return attempt(lambda: db.execute(statement, (low, high, CHUNK)).fetchall())


def attempt(read: Callable[[], list[Row]]) -> list[Row] | None:
    """Return what a read gives, or None when the damage does not let it."""
    try:
        return read()
    except (sqlite3.DatabaseError, OverflowError):
        return None


def _until_damage(db: sqlite3.Connection, statement: str) -> Iterator[Row]:
    """Yield rows until there are no more, or the damage begins."""
    try:
        yield from db.execute(statement)
    except sqlite3.DatabaseError:
        return
