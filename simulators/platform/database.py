"""What a database must do for the ledger: small, so that SQLite and PostgreSQL stand behind it.

The statements of the ledger are written once, in what both understand: `?` for an argument,
RETURNING, ON CONFLICT with its target named. Where readings lie is each database's own affair.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

Line = tuple[Any, ...]  # Any: what a query returns is known to who wrote it
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where the readings of one batch lie."""

    batch: int
    arrived_ms: int
    first_row: int
    rows: int


class Database(Protocol):
    """One connection. Everything happens within `transaction` or `snapshot`."""

    exact: int
    """Integers n with -exact <= n < exact stand exactly in the column `value`."""
    newest: str
    """The join that puts beside each row of `series` its newest one of `reading`."""

    def transaction(self, gateways: Iterable[str]) -> AbstractContextManager[None]:
        """Commit, durably, when the block ends well; else roll all of it back.

        Until then nobody else changes what belongs to one of `gateways`, and what others have
        committed of them is seen.

        Raises:
            LedgerError: from the block or the commit, when the database fails.
        """
        ...

    def snapshot(self) -> AbstractContextManager[None]:
        """Let all queries of the block see one state of the database.

        Raises:
            LedgerError: the database fails.
        """
        ...

    def rows(self, query: str, *arguments: object) -> list[Line]:
        """Run one statement and return all its rows."""
        ...

    def many(self, statement: str, arguments: Iterable[Sequence[object]]) -> None:
        """Run one statement for each set of arguments."""
        ...

    def next_row(self) -> int:
        """Return what `first_row` of the next batch is to be."""
        ...

    def add_readings(self, stretch: Stretch, columns: Iterator[Sequence[Iterable[object]]]) -> None:
        """Store the readings of a batch, given as `rows.parts_of` gives them."""
        ...

    def readings(self, stretch: Stretch) -> list[tuple[int, int, int]]:
        """Return series, mono and wall of each reading of a batch, in the order of the batch."""
        ...

    def place(self, stretches: Sequence[Stretch], offset_ms: int) -> None:
        """Set the wall time of these readings to their monotonic time and `offset_ms`."""
        ...

    def retire(self, stretches: Sequence[Stretch], before_ms: int) -> None:
        """Delete these readings: all that arrived before `before_ms`, the start of a day."""
        ...

    def hold_readings(self) -> None:
        """Keep everybody from adding readings until the transaction ends."""
        ...

    def check(self) -> None:
        """Return when the database answers.

        Raises:
            LedgerError: it does not.
        """
        ...

    def close(self) -> None:
        """Close the connection; nothing is pending outside a transaction."""
        ...
