"""Which sequences of a channel are settled, as unbroken ranges."""

from __future__ import annotations

from simulators.platform.database import Database
from simulators.platform.strict import INT_LIMIT
from simulators.platform.wire import MAX_MISSING


def settle(db: Database, channel: int, first: int, last: int) -> None:
    """Add a range to the settled ones; ranges that touch become one."""
    near = []
    for begin, end in db.rows(
        "SELECT first, last FROM settled WHERE channel = ? AND first <= ? AND last >= ?"
        # no two touch, so only the one that begins next below may reach up to us
        " AND first >= coalesce((SELECT max(first) FROM settled WHERE channel = ?"
        "  AND first <= ?), 0)",
        *(channel, min(last + 1, INT_LIMIT - 1), first - 1, channel, first),
    ):
        near.append((begin, end))
    db.many(
        "DELETE FROM settled WHERE channel = ? AND first = ?",
        [(channel, begin) for begin, _ in near],
    )
    db.rows(
        "INSERT INTO settled VALUES (?, ?, ?)",
        channel,
        min([first, *(begin for begin, _ in near)]),
        max([last, *(end for _, end in near)]),
    )


def settled(db: Database, channel: int) -> tuple[int, list[tuple[int, int]]]:
    """Return up to where all is settled, and what is missing above.

    What lies below the oldest sequence that the gateway still keeps cannot come.
    """
    [(oldest,)] = db.rows("SELECT coalesce(oldest, 1) FROM channel WHERE id = ?", channel)
    end = int(oldest) - 1
    missing: list[tuple[int, int]] = []
    contiguous = end
    for first, last in db.rows(
        "SELECT first, last FROM settled WHERE channel = ? AND last > ? ORDER BY first LIMIT ?",
        *(channel, end, MAX_MISSING + 1),
    ):
        if first > end + 1:
            missing.append((end + 1, first - 1))
        end = max(end, last)
        if not missing:
            contiguous = end
        elif len(missing) == MAX_MISSING:
            break
    return contiguous, missing
