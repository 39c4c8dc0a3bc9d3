"""Gaps: what will not come, kept in the file until a batch has told it."""

from __future__ import annotations

import sqlite3
from dataclasses import astuple

from gateway.store.batches import GapRecord


def note_gap(db: sqlite3.Connection, gap: GapRecord) -> None:
    """Keep a gap until a batch has told it."""
    db.execute(
        "INSERT INTO gap (stream, audience, first, last, first_ms, last_ms, count, reason)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        astuple(gap),
    )
