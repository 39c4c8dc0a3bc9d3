"""Lets the readings of old days go; what was produced, stored and lost is still known after it."""

from __future__ import annotations

from simulators.platform.database import Database, Stretch


def retire(db: Database, before_ms: int) -> int:
    """Drop the readings of all batches that arrived before `before_ms`, the start of a day in UTC.

    Days are those of arrival: what a gateway kept for months is not dropped as it comes in, and no
    clock of a board decides what is old.

    Returns:
        How many readings went.

    Raises:
        LedgerError: the database failed; nothing has gone.
    """
    with db.transaction(()):
        db.hold_readings()
        old = db.rows(
            "SELECT batch.id, batch.arrived_ms, first_row, batch.rows, channel.gateway FROM batch"
            " JOIN channel ON channel.id = batch.channel"
            " WHERE batch.arrived_ms < ? AND batch.rows > 0 ORDER BY batch.id",
            before_ms,
        )
        gone: dict[int, int] = {}
        for _, _, _, rows, gateway in old:
            gone[gateway] = gone.get(gateway, 0) + rows
        db.retire([Stretch(*line[:4]) for line in old], before_ms)
        db.many(
            "INSERT INTO retired VALUES (?, ?) ON CONFLICT (gateway)"
            " DO UPDATE SET readings = retired.readings + excluded.readings",
            sorted(gone.items()),
        )
        db.rows("UPDATE batch SET rows = 0 WHERE arrived_ms < ? AND rows > 0", before_ms)
    return sum(gone.values())
