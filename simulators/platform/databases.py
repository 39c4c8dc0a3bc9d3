"""Opens the database that `--db` names: a file, or a PostgreSQL server by connection string."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from simulators.platform.database import Database
from simulators.platform.ledger import WrongLedgerError
from simulators.platform.sql_ledger import SqlLedger
from simulators.platform.sqlite_database import SqliteDatabase

SCHEMES: Final = ("postgresql://", "postgres://")


def open_database(where: str | Path, *, read_only: bool = False) -> Database:
    """Open a database; a server is connected to at the first use.

    Args:
        where: a path, or a connection string (`postgresql://...`).
        read_only: look only: make neither file nor tables.

    Raises:
        LedgerError: it cannot be opened, or asyncpg is not installed.
    """
    if isinstance(where, Path) or not where.startswith(SCHEMES):
        return SqliteDatabase(Path(where), read_only=read_only)
    try:
        from simulators.platform.postgres_database import PostgresDatabase  # noqa: PLC0415 - optional
    except ImportError as error:
        msg = f"PostgreSQL needs the extra `platform` (pip install 'mayak[platform]'): {error}"
        raise WrongLedgerError(msg) from error
    return PostgresDatabase(where, read_only=read_only)


def open_ledger(where: str | Path) -> SqlLedger:
    """Open the ledger of a receiver, making it when there is none.

    Raises:
        LedgerError: it cannot be opened.
    """
    return SqlLedger(open_database(where))


def shown(where: str | Path) -> str:
    """Return what may stand in a log: without user, password and options."""
    if isinstance(where, Path) or not where.startswith(SCHEMES):
        return str(where)
    parts = urlsplit(where)
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"
