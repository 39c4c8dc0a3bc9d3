"""A bounded local history for charts, of points that are not personal.

The last hours by the minute lie in memory: what each point said at the end of the minute. Quarters
of an hour lie on the card, for `store.history_days`: the rollups that are made anyway, once more,
not sealed, one row for each quarter. 0 days keep nothing on the card.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cbor2
import zstandard

from gateway.model.clock import Clock, Instant, Trust
from gateway.model.errors import GatewayError
from gateway.model.ids import PERSONAL, DeviceId, PointId
from gateway.model.reading import Point, Reading, Value

MINUTE_MS: Final = 60_000
QUARTER_MS: Final = 900_000
MINUTES_KEPT: Final = 180
"""In memory: 8 bytes each a point, so 1.4 MB for 1,000 points."""
BYTES_MOST: Final = 4 * 2**20
"""Of quarters on the card: a month of 1,000 points or so."""
ROW_MOST: Final = 4 * 2**20
"""Of one quarter, unpacked."""
_PARTS: Final = ("min", "max", "mean", "last", "count")

Key = tuple[DeviceId, PointId]


@dataclass(frozen=True, slots=True)
class Sample:
    """One point over one stretch of time."""

    at_ms: int
    """Wall clock of its beginning."""
    length_ms: int
    least: float | None
    greatest: float | None
    mean: float | None
    last: Value | None
    count: int
    """Values that were told in it; 0: only what was so at its end is known."""


def is_shown(point: Point) -> bool:
    """Say whether a point may be kept here."""
    return point.audience != PERSONAL


@dataclass(slots=True)
class Minutes:
    """The last hours in memory; used on the event loop."""

    newest: Callable[[], Iterable[Reading]]
    """Gives the newest reading of each source, with what was told before where it tells nothing."""
    clock: Clock
    _ends: list[int] = field(default_factory=list)
    """Wall clock of each look, the same for all points."""
    _values: dict[Key, array[float]] = field(default_factory=dict)

    async def run(self) -> None:
        """Look at the end of each minute until cancelled."""
        while True:
            now_ms = self.clock.now().wall_ms
            await asyncio.sleep((MINUTE_MS - now_ms % MINUTE_MS) / 1000)
            self.look(self.clock.now())

    def look(self, now: Instant) -> None:
        """Take what every point says now; a clock that nobody set tells no time of day."""
        if now.trust is Trust.UNSET:
            return
        if self._ends and now.wall_ms <= self._ends[-1]:  # it was set back: begin anew
            self._ends.clear()
            self._values.clear()
        before = len(self._ends)
        self._ends.append(now.wall_ms)
        for reading in self.newest():
            for point, cell in zip(reading.table, reading.cells, strict=True):
                if is_shown(point) and isinstance(cell, int | float):
                    column = self._values.get((reading.device, point.name))
                    if column is None:
                        column = array("d", [math.nan] * before)
                        self._values[reading.device, point.name] = column
                    if len(column) == before:
                        column.append(_float(cell))
        for column in self._values.values():
            if len(column) == before:
                column.append(math.nan)
        self._forget()

    def of(self, device: DeviceId, point: PointId, since_ms: int) -> list[Sample]:
        """Return what a point said since a moment of the wall clock, the oldest first."""
        column = self._values.get((device, point), array("d"))
        first = bisect_left(self._ends, since_ms)
        return [
            Sample(end_ms - MINUTE_MS, MINUTE_MS, value, value, value, value, 0)
            for end_ms, value in zip(self._ends[first:], column[first:], strict=False)
            if not math.isnan(value)
        ]

    def _forget(self) -> None:
        gone = len(self._ends) - MINUTES_KEPT
        if gone > 0:
            del self._ends[:gone]
            for key, column in list(self._values.items()):
                del column[:gone]
                if all(map(math.isnan, column[-1:])) and all(map(math.isnan, column)):
                    del self._values[key]


def pack_quarter(rollups: Iterable[Reading]) -> tuple[int, bytes] | None:
    """Return the rollups of one time as a row: its wall clock and body; None when nothing is shown.

    Args:
        rollups: readings of tables as `gateway.store.rollups` makes them.
    """
    points: dict[DeviceId, dict[str, list[Value | None]]] = {}
    begins = []
    for rollup in rollups:
        if rollup.at.trust is Trust.UNSET:
            continue
        begins.append(rollup.at.wall_ms)
        for derived, cell in zip(rollup.table, rollup.cells, strict=True):
            name, _, part = derived.name.rpartition(".")
            if not is_shown(derived) or isinstance(cell, str) or cell is None:
                continue
            parts = points.setdefault(rollup.device, {}).setdefault(name, [None] * len(_PARTS))
            parts[_PARTS.index(part)] = cell
    told = {
        device: numbers
        for device, named in points.items()
        if (numbers := {name: parts for name, parts in named.items() if _is_number(parts)})
    }
    if not told:
        return None
    quarter_ms = min(begins) // QUARTER_MS * QUARTER_MS
    return quarter_ms, zstandard.compress(cbor2.dumps(told))


def _is_number(parts: Sequence[Value | None]) -> bool:
    return any(part is not None for part in parts[:-1])  # of a text only the count is there


def samples_of(rows: Iterable[tuple[int, bytes]], device: DeviceId, point: PointId) -> list[Sample]:
    """Return what the rows say of one point, the oldest first; a row that is damaged says nothing.

    Args:
        rows: wall clock and body, as packed.
        device: whose.
        point: which.
    """
    found = []
    for at_ms, body in rows:
        parts = _unpacked(body).get(device, {})
        parts = parts.get(point) if isinstance(parts, Mapping) else None
        if not isinstance(parts, Sequence) or len(parts) != len(_PARTS):
            continue
        least, greatest, mean, last, count = parts
        found.append(
            Sample(
                at_ms,
                QUARTER_MS,
                _number(least),
                _number(greatest),
                _number(mean),
                last if isinstance(last, bool | int | float) else None,
                count if isinstance(count, int) else 0,
            )
        )
    return sorted(found, key=lambda sample: sample.at_ms)


def kept(store: Path, device: DeviceId, point: PointId, since_ms: int) -> list[Sample]:
    """Return the quarters of a point on the card, also while the agent writes there.

    Raises:
        GatewayError: there is no store, or it cannot be read.
    """
    if not store.exists():
        msg = f"{store}: there is no store yet; it is made when the agent first runs"
        raise GatewayError(msg)
    try:
        uri = f"{store.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=5)) as db:
            rows = db.execute(
                "SELECT at_ms, body FROM history WHERE at_ms > ?", (since_ms - QUARTER_MS,)
            ).fetchall()
    except sqlite3.DatabaseError as error:
        msg = f"{store}: not a readable store: {error}"
        raise GatewayError(msg) from error
    return samples_of(rows, device, point)


def joined(quarters: Sequence[Sample], minutes: Sequence[Sample]) -> list[Sample]:
    """Return quarters up to where the minutes begin, then the minutes."""
    if not minutes:
        return list(quarters)
    begin_ms = minutes[0].at_ms
    return [q for q in quarters if q.at_ms + q.length_ms <= begin_ms] + list(minutes)


def keep_quarter(db: sqlite3.Connection, at_ms: int, body: bytes, days: float) -> None:
    """Keep one row, inside the caller's transaction; the oldest go for age and for want of room.

    Args:
        db: the file.
        at_ms: wall clock of the quarter.
        body: as packed.
        days: how long rows are kept.
    """
    db.execute("INSERT INTO history (at_ms, body) VALUES (?, ?)", (at_ms, body))
    db.execute("DELETE FROM history WHERE at_ms < ?", (at_ms - round(days * 86_400_000),))
    size = 0
    for row_id, length in db.execute(
        "SELECT id, length(body) FROM history ORDER BY id DESC"
    ).fetchall():
        size += length
        if size > BYTES_MOST:
            db.execute("DELETE FROM history WHERE id <= ?", (row_id,))
            return


def _unpacked(body: bytes) -> Mapping[Any, Any]:  # Any: a file that may hold anything
    try:
        content = cbor2.loads(
            zstandard.ZstdDecompressor().decompress(body, max_output_size=ROW_MOST)
        )
    except (ValueError, zstandard.ZstdError, cbor2.CBORError, RecursionError, MemoryError):
        return {}
    return content if isinstance(content, Mapping) else {}


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) else None


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.nan
