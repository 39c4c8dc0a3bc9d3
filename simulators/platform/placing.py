"""Places the readings of a boot whose clock was not set on the true time line."""

from __future__ import annotations

from simulators.platform.columns import TimePair
from simulators.platform.database import Database, Stretch


def place(db: Database, boot: int, pair: TimePair) -> None:
    """Keep the best pair of a boot (most trusted, then earliest) and place what was unset."""
    [(mono, wall, trust)] = db.rows(
        "SELECT pair_mono_ms, pair_wall_ms, pair_trust FROM boot WHERE id = ?", boot
    )
    better = (pair.at.trust, -pair.at.mono, -pair.at.wall)
    if not pair.at.trust or (mono is not None and better <= (trust, -mono, -wall)):
        return
    db.rows(
        "UPDATE boot SET pair_mono_ms = ?, pair_wall_ms = ?, pair_trust = ? WHERE id = ?",
        *(pair.at.mono, pair.at.wall, pair.at.trust, boot),
    )
    offset = pair.at.wall - pair.at.mono
    unset = db.rows(
        "SELECT id, arrived_ms, first_row, rows FROM batch WHERE boot = ? AND trust = 0", boot
    )
    db.place([Stretch(*row) for row in unset], offset)
    db.many(
        "UPDATE event SET wall_ms = mono_ms + ? WHERE batch = ?",
        [(offset, row[0]) for row in unset],
    )
