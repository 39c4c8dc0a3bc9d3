"""`gpio-pwm`: a lamp or a fan that is set by the duty cycle of a pin, gently if wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from drivers.gpio.chip import GpioChip
from drivers.gpio.options import InputPin
from drivers.gpio.ramp import Ramp
from drivers.gpio.uses import Rest
from gateway.model.driver import Manifest, PollGroup
from gateway.model.errors import BusUnavailableError, CommandRefusedError
from gateway.model.ids import PointId
from gateway.model.options import About, Limits, Options
from gateway.model.reading import Kind, Point, PointTable, Sample, Value

STEP_S: Final = 0.05
"""Between two steps of a ramp."""
DUTY: Final = PointId("duty")
FULL: Final = 100.0

Percent = Annotated[float, Limits(ge=0, le=FULL)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PwmConfig(Options):
    """Options of one pulsed output."""

    pin: InputPin
    frequency_hz: Annotated[
        float,
        Limits(ge=1, le=10_000),
        About("frequency in hertz; pigpio takes the nearest of its 18: point frequency tells"),
    ] = 200.0
    inverted: Annotated[bool, About("a low level is on: 0 % is always high")] = False
    start: Annotated[Percent, About("percent when the agent has started")] = 0.0
    stop: Annotated[
        Percent | None, About("percent when the agent stops; left out: it is left as it is")
    ] = 0.0
    back: Annotated[
        Percent | None,
        About("percent when the chip was gone and is back; left out: as it was told last"),
    ] = None
    ramp_s: Annotated[float, Limits(ge=0, le=60), About("seconds from 0 to 100 %; 0: at once")] = (
        0.0
    )
    period_s: Annotated[
        float, Limits(gt=0, le=3600), About("how often it is read back, in seconds")
    ] = 10.0


class GpioPwm:
    """One pulsed output. A `PolledDriver` and a `CommandableDriver`."""

    def __init__(self, config: PwmConfig, chip: GpioChip) -> None:
        """Take the options and the chip.

        Raises:
            ValueError: the pin is used already.
        """
        self._config: Final = config
        self._chip: Final = chip
        rest = Rest(
            self._turned(config.start),
            None if config.stop is None else self._turned(config.stop),
            None if config.back is None else self._turned(config.back),
        )
        chip.drive(config.pin, rest, frequency_hz=config.frequency_hz)
        chip.when_lost(self._lost)
        self._group: Final = PollGroup(
            "pwm",
            PointTable(
                Point(
                    DUTY,
                    unit="%",
                    kind=Kind.NUMBER,
                    scale=0.01,
                    writable=True,
                    low=0,
                    high=FULL,
                ),
                Point(PointId("target"), unit="%", kind=Kind.NUMBER, scale=0.01),
                Point(PointId("frequency"), unit="Hz"),
            ),
            config.period_s,
        )
        self._target: float | None = None
        """What it was told last; None: nothing since the chip was opened."""
        self._timer: asyncio.TimerHandle | None = None
        self._arrived: asyncio.Future[None] | None = None

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the one group."""
        return (self._group,)

    async def poll(self, group: PollGroup) -> Sample:  # noqa: ARG002  there is one
        """Read duty cycle and frequency back.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        duty, frequency = await self._chip.dimmed(self._config.pin)
        duty = self._turned(duty)
        return Sample((duty, duty if self._target is None else self._target, frequency))

    async def write(self, point: PointId, value: Value) -> Value:
        """Go to a duty cycle, over the ramp, and return what was read back at its end.

        Cancelled, the ramp goes on; a later write takes over, and this one returns where it is.

        Raises:
            CommandRefusedError: no such point, not writable, or the value is not 0 to 100.
            DeviceRejectedError: the chip refuses; nothing was changed.
            BusUnavailableError: the chip is gone; nobody knows whether it was done.
        """
        if point != DUTY:
            why = "cannot be written" if point in self._group.table else "there is no such point"
            msg = f"{point}: {why}"
            raise CommandRefusedError(msg)
        if isinstance(value, bool | str) or not 0 <= value <= FULL:
            msg = f"{DUTY}: {value!r} is not 0 to 100 %"
            raise CommandRefusedError(msg)
        wanted = float(value)
        now = self._turned((await self._chip.dimmed(self._config.pin))[0])
        self._stop()
        self._target = wanted
        ramp = Ramp(now, wanted, self._config.ramp_s)
        if ramp.takes_s > STEP_S:
            loop = asyncio.get_running_loop()
            self._arrived = arrived = loop.create_future()
            self._go(ramp, loop.time())
            await asyncio.shield(arrived)  # cancelled, the ramp goes on
            if self._target != wanted:
                return self._turned((await self._chip.dimmed(self._config.pin))[0])
        return self._turned(await self._chip.dim(self._config.pin, self._turned(wanted)))

    def _turned(self, percent: float) -> float:
        return FULL - percent if self._config.inverted else percent

    def _go(self, ramp: Ramp, began_s: float) -> None:
        loop = asyncio.get_running_loop()
        elapsed_s = loop.time() - began_s
        self._chip.set_soon(self._config.pin, self._turned(round(ramp.at(elapsed_s), 2)))
        if elapsed_s >= ramp.takes_s:
            self._stop()
        else:
            self._timer = loop.call_later(STEP_S, self._go, ramp, began_s)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        arrived, self._arrived = self._arrived, None
        if arrived is not None and not arrived.done():
            arrived.set_result(None)

    def _lost(self, _error: BusUnavailableError) -> None:
        """End the ramp where it ends: that is what it was told."""
        if self._timer is not None and self._target is not None:
            self._chip.set_soon(self._config.pin, self._turned(self._target))
        self._stop()
        if self._config.back is not None:
            self._target = None


def _address(config: PwmConfig) -> Hashable:
    return config.pin


MANIFEST: Final = Manifest(
    name="gpio-pwm", media=("gpio",), config=PwmConfig, build=GpioPwm, address=_address
)
