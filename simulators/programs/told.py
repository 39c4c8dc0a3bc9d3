"""The events that a platform holds, read from its database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from simulators.platform.databases import open_database

EVENTS: Final = (
    "SELECT event.key, event.device, event.args, event.wall_ms, event.mono_ms, event.severity,"
    " event.batch, batch.arrived_ms FROM event JOIN batch ON event.batch = batch.id"
    " ORDER BY event.id"
)


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """One event as the platform has it."""

    key: str
    device: str | None
    args: Mapping[str, Any]  # Any: text, number or bool
    wall_ms: int
    mono_ms: int
    severity: int
    batch: int
    arrived_ms: int
    """When its batch came."""


def told_events(where: str | Path) -> list[ToldEvent]:
    """Return all events in the order in which they were stored.

    Args:
        where: file or connection string, as `mayak platform run --db` takes it.

    Raises:
        LedgerError: it cannot be read.
    """
    with closing(open_database(where, read_only=True)) as database, database.snapshot():
        rows = database.rows(EVENTS)
    return [ToldEvent(row[0], row[1], json.loads(row[2]), *map(int, row[3:])) for row in rows]
