"""`gpio-counter`: pulses of a meter on a pin, added up over restarts.

The pulses are counted here, edge by edge, so the total knows no roll-over. It is kept whenever it
was told (`RememberingDriver`); pulses that come while the agent does not run, or while the chip is
gone, are not seen by anybody: `gaps` counts how often that may have happened.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from drivers.gpio.chip import GpioChip
from drivers.gpio.debounce import Change
from drivers.gpio.options import DebounceMs, GlitchUs, InputPin, PullOption
from drivers.gpio.pin import SteadyPin
from drivers.media.edges import Pull
from gateway.model.driver import Manifest, PollGroup
from gateway.model.ids import PointId
from gateway.model.options import About, Checked, Limits, Options
from gateway.model.reading import Cause, Flag, Kind, Point, PointTable, Quality, Sample
from gateway.model.units import is_unit

_MEMORY: Final = ("pulses", "gaps")


def _known_unit(unit: str, _before: Mapping[str, Any], _site_dir: object) -> None:
    if not is_unit(unit):
        msg = f"{unit!r} is not a UCUM code in use here"
        raise ValueError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterConfig(Options):
    """Options of one pulse input."""

    pin: InputPin
    pull: PullOption = "up"
    active_low: Annotated[
        bool, About("a pulse is a low level, as a contact to ground with pull = up")
    ] = True
    debounce_ms: DebounceMs = 5.0
    glitch_us: GlitchUs = 0
    pulses_per_unit: Annotated[
        float, Limits(gt=0, le=1e9), About("pulses that make one unit of the total")
    ] = 1.0
    unit: Annotated[
        str, Checked(_known_unit), About("UCUM code of the total: kW.h, m3, L, {count}")
    ] = "{count}"
    initial: Annotated[
        float, Limits(ge=0, le=1e12), About("what the meter showed at the first start, in the unit")
    ] = 0.0
    period_s: Annotated[
        float, Limits(gt=0, le=3600), About("how often the total is told and kept, in seconds")
    ] = 10.0


class GpioCounter:
    """One pulse input. A `PolledDriver` and a `RememberingDriver`."""

    def __init__(self, config: CounterConfig, chip: GpioChip) -> None:
        """Take the options and the chip.

        Raises:
            ValueError: the pin is used already.
        """
        self._config: Final = config
        self._pin: Final = SteadyPin(
            chip, config.pin, Pull(config.pull), config.debounce_ms, config.glitch_us
        )
        self._group: Final = PollGroup(
            "pulses",
            PointTable(
                Point(
                    PointId("total"),
                    unit=config.unit,
                    kind=Kind.NUMBER,
                    scale=1 / config.pulses_per_unit,
                    offset=config.initial,
                ),
                Point(PointId("pulses"), unit="{count}", kind=Kind.COUNTER),
                Point(PointId("rate"), unit="Hz"),
                Point(PointId("gaps"), unit="{count}", kind=Kind.COUNTER),
                Point(PointId("unnoticed"), unit="{count}", kind=Kind.COUNTER),
            ),
            config.period_s,
        )
        self._pulses = 0
        self._gaps = 0
        self._kept = (0, 0)
        self._opened = False
        self._last_ns: int | None = None
        """When the last pulse began."""
        self._apart_ns: int | None = None
        """How far apart the last two were."""
        self._pin.attend(self._began, self._changed)

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the one group."""
        return (self._group,)

    async def poll(self, group: PollGroup) -> Sample:
        """Look at the pin and tell what was counted.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        tick, _ = await self._pin.look()
        config = self._config
        total = config.initial + self._pulses / config.pulses_per_unit
        rate = self._rate_hz(tick)
        cells = (total, self._pulses, rate, self._gaps, self._pin.unnoticed)
        if rate is not None:
            return Sample(cells)
        place = group.table.index(PointId("rate"))
        return Sample(cells, {place: Flag(Quality.BAD, Cause.NO_VALUE)})

    def _rate_hz(self, now_ns: int) -> float | None:
        """Return pulses a second: as the last two came, or fewer when the next one is late."""
        if self._last_ns is None or self._apart_ns is None:
            return None
        return 1e9 / max(self._apart_ns, now_ns - self._last_ns, 1)

    def _began(self) -> None:
        """Begin to count; what came before is nobody's."""
        if self._opened or self._pulses or self._gaps:
            self._gaps += 1
        self._opened = True
        self._last_ns = self._apart_ns = None

    def _changed(self, change: Change, _before_ns: int) -> None:
        if change.level == self._config.active_low:
            return
        self._pulses += 1
        if self._last_ns is not None:
            self._apart_ns = max(1, change.since_ns - self._last_ns)
        self._last_ns = change.since_ns

    # Memory

    @property
    def learned(self) -> bool:
        """Say whether there is something that was not kept yet."""
        return self._kept != (self._pulses, self._gaps)

    def memory(self) -> Mapping[str, Any]:  # Any: plain JSON values
        """Return what was counted."""
        self._kept = (self._pulses, self._gaps)
        return dict(zip(_MEMORY, self._kept, strict=True))

    def recall(self, memory: Mapping[str, Any]) -> None:  # Any: plain JSON values
        """Go on from what was counted in an earlier life."""
        pulses, gaps = (memory.get(name) for name in _MEMORY)
        if type(pulses) is int and type(gaps) is int and min(pulses, gaps) >= 0:
            self._pulses, self._gaps = pulses, gaps
            self._kept = (pulses, gaps)


def _address(config: CounterConfig) -> Hashable:
    return config.pin


MANIFEST: Final = Manifest(
    name="gpio-counter", media=("gpio",), config=CounterConfig, build=GpioCounter, address=_address
)
