"""Places the readings of a boot whose clock was not set on the true time line."""

from __future__ import annotations

import sqlite3

from simulators.platform.columns import TimePair


def place(db: sqlite3.Connection, boot: int, pair: TimePair) -> None:
    """Keep the best pair of a boot (most trusted, then earliest) and place what was unset."""
    mono, wall, trust = db.execute(
        "SELECT pair_mono_ms, pair_wall_ms, pair_trust FROM boot WHERE id = ?", (boot,)
    ).fetchone()
    better = (pair.at.trust, -pair.at.mono, -pair.at.wall)
    if not pair.at.trust or (mono is not None and better <= (trust, -mono, -wall)):
        return
    db.execute(
        "UPDATE boot SET pair_mono_ms = ?, pair_wall_ms = ?, pair_trust = ? WHERE id = ?",
        (pair.at.mono, pair.at.wall, pair.at.trust, boot),
    )
    offset = pair.at.wall - pair.at.mono
    unset = db.execute(
        "SELECT id, first_row, first_row + rows - 1 FROM batch WHERE boot = ? AND trust = 0",
        (boot,),
    ).fetchall()
    db.executemany(
        "UPDATE reading SET wall_ms = mono_ms + ? WHERE rowid BETWEEN ? AND ?",
        [(offset, first, last) for _, first, last in unset],
    )
    db.executemany(
        "UPDATE event SET wall_ms = mono_ms + ? WHERE batch = ?",
        [(offset, batch) for batch, _, _ in unset],
    )
