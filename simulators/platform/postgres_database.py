"""One PostgreSQL database, shared by any number of receivers.

asyncpg (Apache-2.0) speaks the protocol; its loop runs only while a call here waits for an answer.
The readings of a transaction go in by COPY, into the partition of the day on which they came.

Who waits for whom, so that nobody waits in a ring: names of gateways that have no row yet
(advisory locks, in order), rows of gateways (in order), the making of partitions, the counters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from itertools import chain, count, repeat
from typing import Any, Final, TypeVar

import asyncpg

from simulators.platform import schema
from simulators.platform.database import DAY_MS, Line, Stretch
from simulators.platform.ledger import LedgerError, WrongLedgerError

DAYS_AHEAD: Final = 2
"""Partitions made before their day comes."""
CONNECT_TIMEOUT_S: Final = 10.0
COMMAND_TIMEOUT_S: Final = 60.0
CLOSE_TIMEOUT_S: Final = 5.0
SETTINGS: Final[dict[str, str]] = {
    "application_name": "mayak-platform",
    "synchronous_commit": "on",  # an acknowledgement promises that a power cut takes nothing back
    "lock_timeout": "30s",
    # a receiver that was stopped, or whose machine is gone, must not hold its gateways for ever
    "idle_in_transaction_session_timeout": "30s",
}
_MAKING: Final = 0x6D6179616B000001
"""Advisory lock: the tables and partitions are made by one at a time."""
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_PENDING_ROWS: Final = 50_000
_COLUMNS: Final = (
    *("series", "wall_ms", "mono_ms", "batch", "value", "text", "quality", "cause"),
    *("day", "place"),
)
_TEXT: Final = _COLUMNS.index("text")
_FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server's last word came while nobody asked
    OSError,  # TimeoutError is one
    EOFError,
)
_WRONG: Final = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.DuplicateTableError,
    asyncpg.DuplicateObjectError,
)
"""What the same attempt would meet again."""

T = TypeVar("T")


class PostgresDatabase:
    """A database on a server; connects when it is needed, and again after it was lost."""

    exact = 1 << 53
    newest = (
        "JOIN LATERAL (SELECT * FROM reading AS r WHERE r.series = series.id"
        " ORDER BY r.wall_ms DESC, r.batch DESC, r.place DESC LIMIT 1) AS reading ON true"
    )

    def __init__(self, address: str, *, read_only: bool = False) -> None:
        """Take the connection string; nothing is connected yet.

        Args:
            address: `postgresql://user@host:port/database?...`; a password is better kept in the
                file that PGPASSFILE names.
            read_only: make no tables.
        """
        self._address = address
        self._read_only = read_only
        self._loop = asyncio.new_event_loop()
        self._connection: Any = None  # asyncpg carries no types
        self._days: set[date] = set()
        self._pending: list[Iterable[Sequence[object]]] = []
        self._pending_rows = 0

    # -- transactions

    @contextmanager
    def transaction(self, gateways: Iterable[str] = ()) -> Iterator[None]:
        """Commit when the block ends well; the rows of the gateways are locked meanwhile."""
        with self._within("BEGIN ISOLATION LEVEL READ COMMITTED"):
            self._lock(sorted(set(gateways)))
            yield
            self._flush()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all queries of the block see one state of the database."""
        with self._within("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
            yield

    @contextmanager
    def _within(self, begin: str) -> Iterator[None]:
        whole = False
        try:
            self._connect()
            self._execute(begin)
            yield
            self._execute("COMMIT")
            whole = True
        except _FAILURES as error:
            raise LedgerError(_said(error)) from error
        finally:
            self._pending.clear()
            self._pending_rows = 0
            if not whole:
                self._drop()  # whatever state it is in, the server rolls back

    def _lock(self, gateways: Sequence[str]) -> None:
        """Keep others off these gateways until the transaction ends."""
        if not gateways:
            return
        known = self.rows("SELECT name FROM gateway WHERE name = ANY (?::text[])", gateways)
        strangers = sorted(map(_key, {*gateways}.difference(name for (name,) in known)))
        if strangers:
            self.rows("SELECT pg_advisory_xact_lock(k) FROM unnest(?::bigint[]) AS k", strangers)
        self.rows(
            "SELECT id FROM gateway WHERE name = ANY (?::text[]) ORDER BY name FOR NO KEY UPDATE",
            gateways,
        )

    # -- statements

    def rows(self, query: str, *arguments: object) -> list[Line]:
        """Run one statement and return all its rows."""
        found = self._run(self._connection.fetch(_numbered(query), *map(_storable, arguments)))
        return [tuple(record) for record in found]

    def many(self, statement: str, arguments: Iterable[Sequence[object]]) -> None:
        """Run one statement for each set of arguments."""
        lines = [tuple(map(_storable, line)) for line in arguments]
        if lines:
            self._run(self._connection.executemany(_numbered(statement), lines))

    def _execute(self, script: str) -> None:
        self._run(self._connection.execute(script))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    # -- readings

    def next_row(self) -> int:
        """Return 0: rows here have no numbers."""
        return 0

    def add_readings(self, stretch: Stretch, columns: Iterator[Sequence[Iterable[object]]]) -> None:
        """Keep the readings of a batch for the COPY that ends the transaction."""
        day = _day(stretch.arrived_ms)
        self._make_partitions(day)
        place = count()
        for parts in columns:
            texts = parts[_TEXT]
            if isinstance(texts, list):
                parts = (*parts[:_TEXT], [*map(_storable, texts)], *parts[_TEXT + 1 :])  # noqa: PLW2901 - the same parts, storable
            self._pending.append(zip(*parts, repeat(day), place, strict=False))
        self._pending_rows += stretch.rows
        if self._pending_rows >= _PENDING_ROWS:
            self._flush()

    def _flush(self) -> None:
        """Send what waits."""
        if self._pending:
            lines = chain.from_iterable(self._pending)
            self._run(
                self._connection.copy_records_to_table("reading", records=lines, columns=_COLUMNS)
            )
        self._pending.clear()
        self._pending_rows = 0

    def readings(self, stretch: Stretch) -> list[tuple[int, int, int]]:
        """Return series, mono and wall of each reading of a batch, in the order of the batch."""
        return self.rows(
            "SELECT series, mono_ms, wall_ms FROM reading WHERE day = ? AND batch = ?"
            " ORDER BY place",
            *(_day(stretch.arrived_ms), stretch.batch),
        )

    def place(self, stretches: Sequence[Stretch], offset_ms: int) -> None:
        """Set the wall time of these readings to their monotonic time and `offset_ms`."""
        self._flush()
        self.many(
            "UPDATE reading SET wall_ms = mono_ms + ? WHERE day = ? AND batch = ?",
            [(offset_ms, _day(s.arrived_ms), s.batch) for s in stretches],
        )

    def retire(self, stretches: Sequence[Stretch], before_ms: int) -> None:
        """Drop the partitions of the days before that of `before_ms`."""
        del stretches
        for name in self.partitions():
            if name < _partition(_day(before_ms)):
                self._execute(f"DROP TABLE {name}")

    def hold_readings(self) -> None:
        """Keep everybody from adding readings until the transaction ends."""
        self._execute("LOCK TABLE reading IN ACCESS EXCLUSIVE MODE")

    # -- tables and partitions

    def partitions(self) -> list[str]:
        """Return the names of the partitions, oldest first."""
        found = self.rows(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'reading'::regclass ORDER BY 1"
        )
        return [name for (name,) in found]

    def _make_partitions(self, day: date) -> None:
        """See to it that there is one for this day and the next ones."""
        if day in self._days:
            return
        wanted = {date.fromordinal(day.toordinal() + ahead) for ahead in range(DAYS_AHEAD + 1)}
        if not {_partition(each) for each in wanted} <= set(self.partitions()):
            self.rows("SELECT pg_advisory_xact_lock(?)", _MAKING)
            there = set(self.partitions())
            for each in sorted(wanted):
                if _partition(each) not in there:
                    self._execute(_new_partition(each))
        self._days = {day}

    def _connect(self) -> None:
        """Connect unless that is done, and look whether this is a ledger of ours.

        Raises:
            LedgerError: the server cannot be reached; WrongLedgerError when it can be and this
                is no database to use.
        """
        if self._connection is not None and not self._connection.is_closed():
            return
        self._drop()
        try:
            self._connection = self._run(
                asyncpg.connect(
                    self._address,
                    timeout=CONNECT_TIMEOUT_S,
                    command_timeout=COMMAND_TIMEOUT_S,
                    server_settings=SETTINGS,
                )
            )
            self._look()
        except BaseException as error:
            self._drop()
            if isinstance(error, (*_WRONG, ValueError)):  # ValueError: no such connection string
                raise WrongLedgerError(_said(error)) from error
            raise

    def _look(self) -> None:
        if self.rows("SHOW fsync") == [("off",)]:
            msg = "the server runs with fsync off: what it commits, a power cut takes back"
            raise WrongLedgerError(msg)
        if not self._read_only:
            self._execute("BEGIN")
            self.rows("SELECT pg_advisory_xact_lock(?)", _MAKING)
            if not self._is_ledger():
                self._execute(
                    f"{schema.POSTGRES}; CREATE TABLE ledger (version INTEGER NOT NULL);"  # noqa: S608 - a number
                    f" INSERT INTO ledger VALUES ({schema.VERSION})"
                )
            self._execute("COMMIT")
        elif not self._is_ledger():
            msg = "there are no tables of a receiver in this database"
            raise WrongLedgerError(msg)
        [(version,)] = self.rows("SELECT version FROM ledger")
        if version != schema.VERSION:
            msg = f"version {version} of the tables, this receiver knows {schema.VERSION}"
            raise WrongLedgerError(msg)

    def _is_ledger(self) -> bool:
        return bool(self.rows("SELECT to_regclass('ledger') IS NOT NULL")[0][0])

    # -- the connection

    def check(self) -> None:
        """Return when the server answers."""
        with self.snapshot():
            self.rows("SELECT 1")

    def _drop(self) -> None:
        """Cut the connection and forget what was learned of the tables."""
        self._days.clear()
        if self._connection is not None:
            self._connection.terminate()
            self._run(asyncio.sleep(0))  # lets the transport close
            self._connection = None

    def close(self) -> None:
        """Say goodbye and close the loop."""
        if self._connection is not None:
            with suppress(*_FAILURES):  # the server may be gone
                self._run(self._connection.close(timeout=CLOSE_TIMEOUT_S))
            self._drop()
        self._loop.close()


def _said(error: BaseException) -> str:
    return f"PostgreSQL: {str(error) or type(error).__name__}"


def _key(gateway: str) -> int:
    """Return the advisory lock of a gateway that has no row yet."""
    digest = blake2b(gateway.encode(), digest_size=8, person=b"mayak").digest()
    return int.from_bytes(digest, "big", signed=True)


def _day(arrived_ms: int) -> date:
    return date.fromordinal(_EPOCH_DAY + arrived_ms // DAY_MS)


def _partition(day: date) -> str:
    return f"reading_{day:%Y%m%d}"


def _new_partition(day: date) -> str:
    """Return what makes a partition; attached, for that stops nobody who reads or writes."""
    name, after = _partition(day), date.fromordinal(day.toordinal() + 1)
    return (
        f"CREATE TABLE {name} (LIKE reading INCLUDING ALL);"
        f" ALTER TABLE reading ATTACH PARTITION {name} FOR VALUES FROM ('{day}') TO ('{after}')"
    )


def _storable(argument: object) -> object:
    """Return the argument; PostgreSQL keeps no NUL in a text, so its picture stands for it."""
    if isinstance(argument, str) and "\0" in argument:
        return argument.replace("\0", "\N{SYMBOL FOR NULL}")
    return argument


@lru_cache(maxsize=256)
def _numbered(query: str) -> str:
    """Return the statement with `$1`, `$2` where it has `?`."""
    first, *rest = query.split("?")
    return first + "".join(f"${n}{part}" for n, part in enumerate(rest, 1))
