"""Places the readings of a boot whose clock was not set on the true time line."""

from __future__ import annotations

import sqlite3

from simulators.platform.columns import TimePair


def place(db: sqlite3.Connection, boot: int, gateway: int, pair: TimePair) -> None:
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
    low, high = db.execute(
        "SELECT min(w), max(w + length_ms) FROM (SELECT length_ms,"
        " CASE WHEN ? IS NULL THEN wall_ms ELSE mono_ms + ? END AS w"
        " FROM batch WHERE boot = ? AND trust = 0)",
        (mono, 0 if mono is None else wall - mono, boot),
    ).fetchone()
    if low is None:
        return
    db.execute(
        "UPDATE reading SET wall_ms = mono_ms + ? WHERE wall_ms BETWEEN ? AND ?"
        " AND series IN (SELECT id FROM series WHERE gateway = ?)"
        " AND batch IN (SELECT id FROM batch WHERE boot = ? AND trust = 0)",
        (offset, low, high, gateway, boot),
    )
    db.execute(
        "UPDATE event SET wall_ms = mono_ms + ?"
        " WHERE batch IN (SELECT id FROM batch WHERE boot = ? AND trust = 0)",
        (offset, boot),
    )
