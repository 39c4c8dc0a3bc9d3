"""`gpio-input`: a contact on a pin. Told at each change, and looked at now and then as a check."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from drivers.gpio.chip import GpioChip
from drivers.gpio.debounce import Change
from drivers.gpio.options import CheckPeriod, DebounceMs, GlitchUs, InputPin, PullOption
from drivers.gpio.pin import SteadyPin
from drivers.media.edges import Pull
from gateway.model.driver import Ear, Manifest, PollGroup
from gateway.model.ids import PointId
from gateway.model.options import About, Options
from gateway.model.reading import Kind, Point, PointTable, Sample

CHECKS_MISSED: Final = 3
"""So many checks without an answer, and the contact is no longer believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputConfig(Options):
    """Options of one contact."""

    pin: InputPin
    pull: PullOption = "up"
    active_low: Annotated[
        bool, About("it is active at a low level, as a contact to ground with pull = up")
    ] = True
    debounce_ms: DebounceMs = 20.0
    glitch_us: GlitchUs = 0
    check_s: CheckPeriod = 10.0


class GpioInput:
    """One contact. A `ListeningDriver` and a `PolledDriver`."""

    def __init__(self, config: InputConfig, chip: GpioChip) -> None:
        """Take the options and the chip.

        Raises:
            ValueError: the pin is used already.
        """
        self._config: Final = config
        pull = Pull(config.pull)
        self._pin: Final = SteadyPin(chip, config.pin, pull, config.debounce_ms, config.glitch_us)
        self._told: Final = PollGroup(
            "input",
            PointTable(
                Point(PointId("active"), kind=Kind.BOOL),
                Point(PointId("changes"), unit="{count}", kind=Kind.COUNTER),
                Point(PointId("lasted"), unit="s", kind=Kind.NUMBER, scale=0.001),
            ),
            CHECKS_MISSED * config.check_s,
            told=True,
        )
        self._check: Final = PollGroup(
            "check",
            PointTable(
                Point(PointId("level"), kind=Kind.BOOL),
                Point(PointId("held"), unit="s", kind=Kind.NUMBER, scale=0.001),
                Point(PointId("unnoticed"), unit="{count}", kind=Kind.COUNTER),
            ),
            config.check_s,
        )
        self._ear: Ear | None = None
        self._changes = 0
        self._lasted_s = 0.0
        self._pin.attend(self._tell, self._changed)

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return what is told, and what is looked at."""
        return (self._told, self._check)

    def attend(self, ear: Ear) -> None:
        """Tell the ear each change from now on."""
        self._ear = ear

    async def poll(self, group: PollGroup) -> Sample:  # noqa: ARG002  only one group is asked
        """Look at the pin, and tell again what is believed of it.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        tick, level = await self._pin.look()
        self._tell()
        held_s = max(0, tick - self._pin.since_ns) / 1e9
        return Sample((level, held_s, self._pin.unnoticed))

    def _changed(self, change: Change, before_ns: int) -> None:
        self._changes += 1
        self._lasted_s = max(0, change.since_ns - before_ns) / 1e9
        self._say(level=change.level)

    def _tell(self) -> None:
        self._say(level=self._pin.level)

    def _say(self, *, level: bool) -> None:
        if self._ear is not None:
            active = level != self._config.active_low
            self._ear.heard(self._told, Sample((active, self._changes, self._lasted_s)))


def _address(config: InputConfig) -> Hashable:
    return config.pin


MANIFEST: Final = Manifest(
    name="gpio-input", media=("gpio",), config=InputConfig, build=GpioInput, address=_address
)
