"""What of a poll is worth telling: deadband, heartbeat, change of quality. Pure.

A value is told when it has moved as far as the deadband of its point says since it was told last;
a change of its flag is always told, and so is the first value. A flag without value (BAD) is told
once. After `heartbeat_s` everything is told, moved or not. A table without any deadband passes
through with no work per value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.model.reading import (
    NO_FLAGS,
    Deadband,
    Flag,
    Kind,
    Point,
    PointTable,
    Sample,
    Value,
)

_NUMERIC: Final = frozenset({Kind.NUMBER, Kind.COUNTER, Kind.FLOAT32, Kind.FLOAT64})
_ROUNDING: Final = 1 - 1e-9
"""A move of 0.1 counts as one although 23.1 - 23.0 is a little less in binary."""


@dataclass(frozen=True, slots=True)
class _Threshold:
    """From which move on a number is told: the larger of both; a move of 0 never is."""

    absolute: float
    share: float

    def passed(self, last: Value | None, value: Value | None) -> bool:
        """Say whether `value`, which is not `last`, is far enough from it."""
        if last is None or value is None or isinstance(last, str) or isinstance(value, str):
            return True
        move = abs(value - last)
        # Not a number compares false with everything: told, never swallowed.
        return not move < max(self.absolute, self.share * abs(last))


class Reporter:
    """Remembers what was told of one point table of one device, and picks what to tell next."""

    def __init__(self, table: PointTable, heartbeat_s: float | None = None) -> None:
        """Take the table and the longest silence in seconds; None: no heartbeat."""
        self._size: Final = len(table)
        self._thresholds: Final = tuple(map(_threshold, table))
        self._passes_all: Final = not any(point.deadband is not None for point in table)
        self._tells_each: Final = any(point.deadband is None for point in table)
        self._heartbeat_ms: Final = math.inf if heartbeat_s is None else heartbeat_s * 1000
        self._beat_ms: float = -math.inf
        self._last: list[Value | None] = [None] * self._size
        self._cells: tuple[Value | None, ...] = ()
        self._flags: Mapping[int, Flag] = NO_FLAGS

    def select(self, sample: Sample, mono_ms: int) -> Sample | None:
        """Return what of `sample`, observed at `mono_ms`, is to be told; None when nothing is.

        A cell that is not told is None and has no flag.
        """
        cells, flags = sample.cells, sample.flags
        if mono_ms - self._beat_ms >= self._heartbeat_ms:
            return self._tell_all(sample, mono_ms)
        if self._passes_all:
            before, self._flags = self._flags, flags
            if not flags:
                return sample
            return _without_told_flags(sample, before)
        if cells == self._cells and flags == self._flags and not self._tells_each:
            return None
        return self._tell_moved(cells, flags)

    def _tell_all(self, sample: Sample, mono_ms: int) -> Sample:
        self._beat_ms = mono_ms
        self._cells = sample.cells
        self._flags = sample.flags
        if not self._passes_all:
            self._last = list(sample.cells)
        return sample

    def _tell_moved(
        self, cells: tuple[Value | None, ...], flags: Mapping[int, Flag]
    ) -> Sample | None:
        before, self._flags = self._flags, flags
        self._cells = cells
        last = self._last
        told: list[Value | None] = [None] * self._size
        told_flags: dict[int, Flag] = {}
        any_told = False
        flagged = bool(flags or before)
        for place, value in enumerate(cells):
            flag = flags.get(place) if flagged else None
            if flagged and flag != before.get(place):
                moved = True
            elif value is None:
                moved = False
            else:
                threshold = self._thresholds[place]
                was = last[place]
                moved = threshold is None or (was != value and threshold.passed(was, value))
            if moved:
                any_told = True
                told[place] = last[place] = value
                if flag is not None:
                    told_flags[place] = flag
        return Sample(tuple(told), told_flags or NO_FLAGS) if any_told else None


def _threshold(point: Point) -> _Threshold | None:
    """Return from where on a value of this point is told; None tells every one."""
    if point.deadband is None:
        return None
    if point.kind not in _NUMERIC:
        return _threshold_of(Deadband())
    return _threshold_of(point.deadband)


def _threshold_of(deadband: Deadband) -> _Threshold:
    return _Threshold(deadband.absolute * _ROUNDING, deadband.percent / 100 * _ROUNDING)


def _without_told_flags(sample: Sample, before: Mapping[int, Flag]) -> Sample | None:
    """Leave out each BAD that was told already; values pass. One look at each flag."""
    cells, flags = sample.cells, sample.flags
    kept = {
        place: flag
        for place, flag in flags.items()
        if cells[place] is not None or before.get(place) != flag
    }
    if not kept and cells.count(None) == len(cells):
        return None
    return sample if len(kept) == len(flags) else Sample(cells, kept or NO_FLAGS)
