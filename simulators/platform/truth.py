"""What the twins served against what is stored: the judge that believes neither side's counters."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from simulators.platform.database import Database
from simulators.platform.databases import open_database

TRUTH_POINT: Final = "answers"
"""The point by which a twin numbers the reads it answered."""


@dataclass(frozen=True, slots=True)
class TruthReport:
    """What the twins served against what is stored."""

    served: int
    stored: int
    forgiven: int
    """Not stored, and within a window, or not certain to have arrived."""
    missing: Sequence[tuple[str, int]]
    """Twin and number."""
    doubled: Sequence[tuple[str, int]]
    """Twin and number, stored more often than served."""

    @property
    def clean(self) -> bool:
        """Say whether all is there, and once."""
        return not self.missing and not self.doubled


def check_truth(where: str | Path, truth: Path, forgive: Path | None = None) -> TruthReport:
    """Check that each number a twin served was stored as a value of `<twin>.answers`.

    Args:
        where: the receiver's database, a path or a connection string.
        truth: JSON lines `{"twin", "number", "wall_ms", "mono_ms"}`, and `"certain": false` where
            only the other end can know whether the answer came in time.
        forgive: JSON lines `{"from_ms", "to_ms"}`: what was served then (wall time of the twin)
            need not be there; a kill may cost the last second.

    Raises:
        LedgerError: it is no ledger, or cannot be read.
        OSError, ValueError, KeyError: a file of lines cannot be read or a line is not of that form.
    """
    windows = [(int(w["from_ms"]), int(w["to_ms"])) for w in _lines(forgive)]
    served: dict[str, Counter[int]] = defaultdict(Counter)
    excused: set[tuple[str, int]] = set()
    for line in _lines(truth):
        twin, number, wall = str(line["twin"]), int(line["number"]), int(line["wall_ms"])
        served[twin][number] += 1
        in_window = any(begin <= wall <= end for begin, end in windows)
        if in_window or not line.get("certain", True):
            excused.add((twin, number))
    db = open_database(where, read_only=True)
    try:
        with db.snapshot():
            found = {twin: _answers(db, twin) for twin in served}
    finally:
        db.close()
    every = sorted((twin, number) for twin, numbers in served.items() for number in numbers)
    absent = [pair for pair in every if pair[1] not in found[pair[0]]]
    return TruthReport(
        served=len(every),
        stored=len(every) - len(absent),
        forgiven=sum(pair in excused for pair in absent),
        missing=[pair for pair in absent if pair not in excused],
        doubled=[(t, n) for t, n in every if found[t].get(n, 0) > served[t][n]],
    )


def _answers(db: Database, device: str) -> dict[int, int]:
    """Return how often each number is stored, at most over the streams."""
    rows = db.rows(
        "SELECT number, max(n) FROM ("
        " SELECT CAST(value AS BIGINT) AS number, count(*) AS n FROM reading"
        " JOIN series ON series.id = reading.series"
        " WHERE device = ? AND point = ? AND value IS NOT NULL GROUP BY series.stream, number)"
        " AS counted GROUP BY number",
        *(device, TRUTH_POINT),
    )
    return dict(rows)


def _lines(file: Path | None) -> list[dict[str, Any]]:  # Any: plain JSON values
    """Return the lines; one cut short at the end, by a kill, is none."""
    if file is None:
        return []
    whole, _, _ = file.read_text().rpartition("\n")
    return [json.loads(line) for line in whole.splitlines() if line.strip()]
