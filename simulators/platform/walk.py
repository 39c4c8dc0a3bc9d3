"""One walk over all stored readings in the order of their sequences: doubled, reordered, late.

Batches are read one after another in the order in which the gateway sealed them, whatever the order
in which they came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from simulators.platform.database import Database, Stretch

STATE: Final = 2
"""Code of the stream `state`."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Counts of readings by gateway."""

    duplicated: Counter[str] = field(default_factory=Counter)
    """Of one point of one stream, at the same moment of the same boot, beyond the first."""
    reordered: Counter[str] = field(default_factory=Counter)
    """Whose monotonic time is before that of an earlier sequence of the same point."""
    late: Counter[str] = field(default_factory=Counter)
    """Committed late, where the time at which they were observed can be trusted."""


def walk(db: Database, late_after_ms: int) -> Marks:
    """Return the marks of all gateways.

    Args:
        db: within a snapshot.
        late_after_ms: how much later than observed a reading may be committed.
    """
    marks = Marks()
    last: dict[int, int] = {}
    # Whoever has said nothing between two outages has the same newest state after both.
    suspects: set[tuple[int, int]] = set()
    line = channel_before = None
    for name, boot, stream, audience, channel, placed, *where in db.rows(
        "SELECT gateway.name, batch.boot, stream, audience, channel,"
        " batch.trust > 0 OR boot.pair_mono_ms IS NOT NULL,"
        " batch.id, batch.arrived_ms, first_row, batch.rows"
        " FROM batch JOIN channel ON channel.id = batch.channel"
        " JOIN gateway ON gateway.id = channel.gateway JOIN boot ON boot.id = batch.boot"
        " ORDER BY batch.boot, stream, audience, channel, batch.sequence"
    ):
        stretch = Stretch(*where)
        if (boot, stream, audience) != line:
            line, channel_before = (boot, stream, audience), channel
            last.clear()
        elif channel != channel_before:
            # Two stores in one boot: their sequences say nothing of each other.
            suspects.update((series, boot) for series in last)
            channel_before = channel
            last.clear()
        part = db.readings(stretch) if stretch.rows else []
        behind, doubtful = _behind(part, last)
        marks.reordered[name] += behind
        if stream != STATE:
            suspects.update((series, boot) for series in doubtful)
        if placed:
            latest = stretch.arrived_ms - late_after_ms
            marks.late[name] += sum(1 for _, _, wall in part if wall < latest)
    for series, boot in suspects:
        name, count = _doubled(db, series, boot)
        marks.duplicated[name] += count
    return marks


def _behind(part: Iterable[tuple[int, int, int]], last: dict[int, int]) -> tuple[int, set[int]]:
    """Return how many rows go back in time, and the series in which a row does not go forward."""
    behind, doubtful = 0, set()
    for series, mono, _ in part:
        before = last.get(series, -1)
        if mono > before:
            last[series] = mono
        else:
            doubtful.add(series)
            behind += mono < before
    return behind, doubtful


def _doubled(db: Database, series: int, boot: int) -> tuple[str, int]:
    [(name, count)] = db.rows(
        "SELECT gateway.name, coalesce((SELECT CAST(sum(n - 1) AS BIGINT) FROM ("
        " SELECT count(*) AS n FROM reading JOIN batch ON batch.id = reading.batch"
        " WHERE reading.series = series.id AND batch.boot = ?"
        " GROUP BY reading.mono_ms) AS moments), 0)"
        " FROM series JOIN gateway ON gateway.id = series.gateway WHERE series.id = ?",
        *(boot, series),
    )
    return str(name), int(count)
