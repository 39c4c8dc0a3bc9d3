"""The last word of every device, for whoever asks on the spot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.model.clock import Clock
from gateway.model.ids import PERSONAL, DeviceId
from gateway.model.reading import Flag, Point, PointTable, Reading, Value


@dataclass(slots=True)
class Latest:
    """A mailbox that keeps, for each group of each device, what was told last of each point."""

    _readings: dict[tuple[DeviceId, PointTable], Reading] = field(default_factory=dict)

    def deliver(self, reading: Reading) -> None:
        """Take a reading; never waits. Cells that it leaves out keep what was there."""
        key = (reading.device, reading.table)
        before = self._readings.get(key)
        if before is not None and None in reading.cells:
            reading = _merged(before, reading)
        self._readings[key] = reading

    def of(self, device: DeviceId) -> Iterator[Reading]:
        """Return the last reading of each group of a device."""
        return (reading for (owner, _), reading in self._readings.items() if owner == device)

    def readings(self) -> list[Reading]:
        """Return the last reading of each group of every device."""
        return list(self._readings.values())

    def devices(self) -> list[DeviceId]:
        """Return every device that was heard of, in the order of its first reading."""
        return list(dict.fromkeys(device for device, _ in self._readings))


def _merged(before: Reading, reading: Reading) -> Reading:
    told_bad = {place for place in reading.flags if reading.cells[place] is None}
    cells = tuple(
        old if new is None and place not in told_bad else new
        for place, (old, new) in enumerate(zip(before.cells, reading.cells, strict=True))
    )
    kept: dict[int, Flag] = {
        place: flag
        for place, flag in before.flags.items()
        if reading.cells[place] is None and place not in told_bad
    }
    return replace(reading, cells=cells, flags={**kept, **reading.flags})


def as_rows(reading: Reading, clock: Clock) -> list[dict[str, Any]]:  # Any: JSON values
    """Return a reading as JSON rows: point, value, unit, quality, cause, age_s.

    Personal points are named without their value: they leave the gateway only sealed.
    """
    age_s = max(0, clock.now().mono_ms - reading.at.mono_ms) / 1000
    rows = []
    for place, point in enumerate(reading.table):
        value, flag = reading.cells[place], reading.flags.get(place)
        if value is None and flag is None:
            continue
        shown = None if point.audience == PERSONAL else value
        rows.append(
            {
                "device": reading.device,
                "point": point.name,
                "value": shown,
                "state": _state_name(point, shown),
                "unit": point.unit,
                "quality": "good" if flag is None else flag.quality.name.lower(),
                "cause": "" if flag is None else flag.cause.name.lower(),
                "age_s": age_s,
                "writable": point.writable,
            }
        )
    return rows


def _state_name(point: Point, value: Value | None) -> str | None:
    return point.states.get(value) if isinstance(value, int) else None
