"""`modbus-pulses`: a module that counts pulses of meters, with totals that outlive its counters.

The module debounces and counts; what it says is added up here (`drivers.media.pulse_total`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from drivers.media.framing import ByteLine
from drivers.media.pulse_total import Kept, Look, PulseTotal
from drivers.modbus.driver import MANIFEST as MODBUS
from drivers.modbus.driver import Modbus
from drivers.modbus.fields import MappedPoint, Span
from drivers.modbus.pulses.config import (
    RESETS,
    CounterOptions,
    PulsesConfig,
    PulsesDevice,
    prepare,
    size_of,
)
from gateway.model.driver import Manifest, PollGroup
from gateway.model.ids import Audience, PointId
from gateway.model.reading import (
    Cause,
    Deadband,
    Flag,
    Kind,
    Point,
    PointTable,
    Quality,
    Sample,
    Value,
)

DOUBTED: Final = Flag(Quality.UNCERTAIN, Cause.IMPLAUSIBLE)
"""The total is what it was: the counter says more than can have come, or has just begun anew."""
NOT_COUNTED: Final = Flag(Quality.BAD, Cause.NO_VALUE)
Told = tuple[Value | None, Flag | None]
_MATTERS: Final = frozenset({Look.FIRST, Look.RESET, Look.REPLACED})


class Counter:
    """One counter of the module and its total."""

    def __init__(self, options: CounterOptions, mapped: MappedPoint, place: int) -> None:
        """Take its options, what it is, and its place in the table of its group."""
        self.options: Final = options
        self._point: Final = mapped.point
        self._size: Final = size_of(options, mapped)
        self.place: Final = place
        self.total = PulseTotal(self._size, options.max_per_s)
        self.looked_s: float | None = None
        """When it was looked at last so that it counted; None: in this life never."""

    @property
    def points(self) -> tuple[Point, Point]:
        """Return the total, and how often the counter began anew."""
        options = self.options
        audience = Audience(options.audience)
        return (
            Point(
                PointId(options.name),
                unit=options.unit,
                kind=Kind.NUMBER,
                scale=1 / options.pulses_per_unit,
                offset=options.initial,
                audience=audience,
            ),
            Point(
                PointId(options.name + RESETS),
                unit="{count}",
                kind=Kind.COUNTER,
                audience=audience,
                deadband=Deadband(),
            ),
        )

    def recall(self, kept: Mapping[str, Any]) -> None:  # Any: plain JSON values
        """Go on from what was kept, if it fits."""
        found = Kept.load(kept)
        if found is not None and found.raw < self._size:
            self.total = PulseTotal(self._size, self.options.max_per_s, found)

    def look(
        self, sample: Sample, now_s: float
    ) -> tuple[Look | None, tuple[Value | None, Flag | None]]:
        """Take what the module says; return what it turned out to be, and the total.

        Args:
            sample: of the group it is in.
            now_s: seconds of the loop.
        """
        cell = sample.cells[self.place]
        if cell is None or isinstance(cell, str):
            return None, (None, sample.flags.get(self.place, NOT_COUNTED))
        raw = round((cell - self._point.offset) / self._point.scale)
        if not 0 <= raw < self._size:
            return None, (None, Flag(Quality.BAD, Cause.OUT_OF_RANGE))
        elapsed_s = None if self.looked_s is None else now_s - self.looked_s
        look = self.total.take(raw, elapsed_s)
        if look is not Look.DOUBTFUL:
            self.looked_s = now_s
        doubt = DOUBTED if look in (Look.DOUBTFUL, Look.RESET, Look.REPLACED) else None
        return look, (self._value(), doubt)

    def _value(self) -> float:
        kept = self.total.kept
        pulses = 0 if kept is None else kept.total
        scale = 1 / self.options.pulses_per_unit
        return pulses * scale + self.options.initial

    @property
    def resets(self) -> int:
        """Return how often it began anew."""
        return 0 if self.total.kept is None else self.total.kept.resets


class ModbusPulses:
    """One module. What a `Modbus` device is, and its totals.

    Totals are kept when a counter began anew, and else now and then: as long as the module retains
    its counters what was not kept is added at the next look.
    """

    def __init__(self, device: PulsesDevice, line: ByteLine) -> None:
        """Take the options of the module with its register map, and the line it is on.

        Raises:
            ValueError: the unit identifier or the framing does not go with this kind of line.
        """
        self._modbus: Final = Modbus(device.modbus, line)
        self._keep_every_s: Final = device.options.keep_every_s
        self._inner: Final[dict[PollGroup, PollGroup]] = {}
        self._counters: Final[dict[PollGroup, list[Counter]]] = {}
        for inner in self._modbus.groups:
            counters = [
                Counter(each, device.modbus.map.points[PointId(each.point)], place)
                for each in device.options.counter
                for place, point in enumerate(inner.table)
                if point.name == each.point
            ]
            own = [point for counter in counters for point in counter.points]
            group = PollGroup(inner.name, PointTable(*inner.table, *own), inner.period_s)
            self._inner[group] = inner
            self._counters[group] = counters
        self._all: Final = [each for counters in self._counters.values() for each in counters]
        self._kept: dict[str, Kept] = {}
        self._kept_s = float("-inf")
        self._matters = False

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the poll groups of the module, its totals among them."""
        return tuple(self._inner)

    @property
    def reads(self) -> Mapping[str, Sequence[Span]]:
        """Return what is asked for in each group: for people."""
        return self._modbus.reads

    async def poll(self, group: PollGroup) -> Sample:
        """Ask for one group, and add up what its counters say.

        Raises:
            DeviceError: as `Modbus.poll`.
        """
        told = await self._modbus.poll(self._inner[group])
        now_s = asyncio.get_running_loop().time()
        cells: list[Value | None] = [*told.cells]
        flags = dict(told.flags)
        for counter in self._counters[group]:
            look, (total, flag) = counter.look(told, now_s)
            self._matters = self._matters or look in _MATTERS
            if flag is not None:
                flags[len(cells)] = flag
            cells += (total, counter.resets)
        return Sample(tuple(cells), flags)

    async def write(self, point: PointId, value: Value) -> Value:
        """Set a point of the module; see `Modbus.write`. A total cannot be written.

        Raises:
            CommandRefusedError: no such point, not writable, or the value is not one it can take.
            DeviceError: as `Modbus.write`.
        """
        return await self._modbus.write(point, value)

    # Memory

    @property
    def learned(self) -> bool:
        """Say whether there is something to keep now."""
        if self._matters or self._modbus.learned:
            return True
        due_s = self._kept_s + self._keep_every_s
        return asyncio.get_running_loop().time() >= due_s and self._totals() != self._kept

    def memory(self) -> Mapping[str, Any]:  # Any: plain JSON values
        """Return the totals, and what the module taught of its reads."""
        self._kept = self._totals()
        self._kept_s = asyncio.get_running_loop().time()
        self._matters = False
        totals = {name: kept.dump() for name, kept in self._kept.items()}
        return {"modbus": self._modbus.memory(), "totals": totals}

    def recall(self, memory: Mapping[str, Any]) -> None:  # Any: plain JSON values
        """Take both back; a total whose counter is another one by now begins anew."""
        modbus, totals = memory.get("modbus"), memory.get("totals")
        if isinstance(modbus, Mapping):
            self._modbus.recall(modbus)
        if not isinstance(totals, Mapping):
            return
        for counter in self._all:
            kept = totals.get(counter.options.name)
            if isinstance(kept, Mapping):
                counter.recall(kept)
        self._kept = self._totals()

    def _totals(self) -> dict[str, Kept]:
        return {
            counter.options.name: counter.total.kept
            for counter in self._all
            if counter.total.kept is not None
        }


MANIFEST: Final = Manifest(
    name="modbus-pulses",
    media=MODBUS.media,
    config=PulsesConfig,
    build=ModbusPulses,
    address=MODBUS.address,
    prepare=prepare,
)
