"""The newest state of every source: where differences start, and what is told after an outage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.model.reading import Cells, Flag, Reading
from gateway.store.catalogue import Source


@dataclass(slots=True)
class Newest:
    """What is known of each source: of every point the cell and flag that were told last.

    A point that has not moved is not told again, so what was told last of it still holds at the
    moment of the newest reading of its source.
    """

    _readings: dict[Source, Reading] = field(default_factory=dict)

    def take(self, reading: Reading) -> None:
        """Take over what a reading tells; readings of a source come in order of time."""
        source = reading.device, reading.table
        if None in reading.cells and (before := self._readings.get(source)) is not None:
            reading = _merged(before, reading)
        self._readings[source] = reading

    def cells(self, source: Source) -> Cells:
        """Return the cells of a source; nothing before its first reading."""
        reading = self._readings.get(source)
        return () if reading is None else reading.cells

    def readings(self) -> list[Reading]:
        """Return one reading of each source that was ever read, in order of time."""
        return sorted(self._readings.values(), key=_mono_ms)


def _merged(before: Reading, reading: Reading) -> Reading:
    """Return a reading with what was told before where nothing is told now."""
    if not before.flags and not reading.flags:
        cells = tuple(
            old if new is None else new
            for old, new in zip(before.cells, reading.cells, strict=True)
        )
        return Reading(reading.device, reading.table, reading.at, cells)
    flags = dict(_flags(before, reading))
    cells = tuple(
        old if new is None and place not in reading.flags else new
        for place, (old, new) in enumerate(zip(before.cells, reading.cells, strict=True))
    )
    return Reading(reading.device, reading.table, reading.at, cells, flags)


def _flags(before: Reading, reading: Reading) -> Iterator[tuple[int, Flag]]:
    for place, flag in before.flags.items():
        if reading.cells[place] is None and place not in reading.flags:
            yield place, flag
    yield from reading.flags.items()


def _mono_ms(reading: Reading) -> int:
    return reading.at.mono_ms
