"""`gpio-output`: a relay on a pin. Set with proof, pulsed for a bounded time, safe by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from drivers.gpio.chip import GpioChip
from drivers.gpio.options import InputPin, OutputPin, PullOption
from drivers.gpio.uses import Rest
from drivers.media.edges import Pull
from gateway.model.driver import Manifest, PollGroup, Priority
from gateway.model.errors import BusUnavailableError, CommandRefusedError
from gateway.model.ids import PointId
from gateway.model.options import About, Limits, Options
from gateway.model.reading import (
    NO_FLAGS,
    Cause,
    Flag,
    Kind,
    Point,
    PointTable,
    Quality,
    Sample,
    Value,
)

ON: Final = PointId("on")
PULSE: Final = PointId("pulse")
PROOF: Final = PointId("proof")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputConfig(Options):
    """Options of one output."""

    pin: OutputPin
    active_low: Annotated[bool, About("a low level switches it on")] = False
    start: Annotated[
        Literal["off", "on"], About("what it is when the agent has started and opened the chip")
    ] = "off"
    stop: Annotated[
        Literal["off", "on", "hold"],
        About("what it becomes when the agent stops; hold: it is left as it is"),
    ] = "off"
    back: Annotated[
        Literal["off", "on", "last"],
        About("what it becomes when the chip was gone and is back; last: what it was told last"),
    ] = "off"
    max_pulse_s: Annotated[
        float, Limits(gt=0, le=3600), About("longest pulse that may be asked for, in seconds")
    ] = 10.0
    proof_pin: Annotated[
        InputPin | None, About("input that shows whether it really switched; left out: none")
    ] = None
    proof_pull: PullOption = "up"
    proof_active_low: Annotated[
        bool, About("the input shows a low level when it is on, as a contact to ground")
    ] = True
    proof_timeout_s: Annotated[
        float, Limits(gt=0, le=60), About("how long it may take to show, in seconds")
    ] = 1.0
    period_s: Annotated[
        float, Limits(gt=0, le=3600), About("how often it is read back, in seconds")
    ] = 10.0


class GpioOutput:
    """One output. A `PolledDriver` and a `CommandableDriver`."""

    def __init__(self, config: OutputConfig, chip: GpioChip) -> None:
        """Take the options and the chip.

        Raises:
            ValueError: a pin is used already.
        """
        self._config: Final = config
        self._chip: Final = chip
        stop = None if config.stop == "hold" else self._level(on=config.stop == "on")
        back = None if config.back == "last" else self._level(on=config.back == "on")
        chip.drive(config.pin, Rest(float(self._level(on=config.start == "on")), stop, back))
        if config.proof_pin is not None:
            try:
                chip.watch(config.proof_pin, self._proven, pull=Pull(config.proof_pull))
            except ValueError as error:
                msg = f"proof_pin: {error}"
                raise ValueError(msg) from error
        chip.when_lost(self._lost)
        points = [
            Point(ON, kind=Kind.BOOL, writable=True),
            Point(PULSE, unit="s", kind=Kind.NUMBER, scale=0.001, writable=True),
        ]
        if config.proof_pin is not None:
            points.append(Point(PROOF, kind=Kind.BOOL))
        self._group: Final = PollGroup("output", PointTable(*points), config.period_s)
        self._writing: Final = asyncio.Lock()
        self._shown: asyncio.Event = asyncio.Event()
        self._proof_level = False
        self._pulse: asyncio.TimerHandle | None = None

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the one group."""
        return (self._group,)

    async def poll(self, group: PollGroup) -> Sample:  # noqa: ARG002  there is one
        """Read the output back, and its proof.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        on = await self._read()
        left_s = 0.0
        if self._pulse is not None:
            left_s = max(0.0, self._pulse.when() - asyncio.get_running_loop().time())
        if self._config.proof_pin is None:
            return Sample((on, left_s))
        shown = await self._read_proof(self._config.proof_pin, Priority.POLL)
        # While it is being switched the two may differ; otherwise one of them is wrong.
        doubted = shown != on and not self._writing.locked() and self._pulse is None
        place = self._group.table.index(PROOF)
        flags = {place: Flag(Quality.UNCERTAIN, Cause.IMPLAUSIBLE)} if doubted else NO_FLAGS
        return Sample((on, left_s, shown), flags)

    async def write(self, point: PointId, value: Value) -> Value:
        """Switch it, or pulse it, and return what was read back of the pin or of its proof.

        Raises:
            CommandRefusedError: no such point, not writable, or no value for it.
            DeviceRejectedError: the chip refuses; nothing was moved.
            BusUnavailableError: the chip is gone; nobody knows whether it was done.
        """
        async with self._writing:
            match point:
                case "on":
                    wanted = _as_bool(value)
                    self._end_pulse()
                    return await self._switch(on=wanted)
                case "pulse":
                    length_s = self._as_length(value)
                    self._end_pulse()
                    on = await self._switch(on=True)
                    loop = asyncio.get_running_loop()
                    self._pulse = loop.call_later(length_s, self._pulse_over)
                    return length_s if on else 0.0
                case _:
                    why = "cannot be written" if point == PROOF else "there is no such point"
                    msg = f"{point}: {why}"
                    raise CommandRefusedError(msg)

    def _as_length(self, value: Value) -> float:
        longest = self._config.max_pulse_s
        if isinstance(value, bool | str) or not 0 < value <= longest:
            msg = f"{PULSE}: {value!r} is no length: more than 0, at most {longest} s (max_pulse_s)"
            raise CommandRefusedError(msg)
        return float(value)

    def _level(self, *, on: bool) -> bool:
        return on != self._config.active_low

    async def _read(self) -> bool:
        return await self._chip.read(self._config.pin) != self._config.active_low

    async def _switch(self, *, on: bool) -> bool:
        self._shown.clear()
        level = await self._chip.write(self._config.pin, level=self._level(on=on))
        back = level != self._config.active_low
        proof_pin = self._config.proof_pin
        if proof_pin is None or back != on:
            return back
        try:
            async with asyncio.timeout(self._config.proof_timeout_s):
                while (self._proof_level != self._config.proof_active_low) != on:
                    self._shown.clear()
                    await self._shown.wait()
        except TimeoutError:
            pass  # what it shows now is the proof, whatever it is
        return await self._read_proof(proof_pin, Priority.COMMAND)

    async def _read_proof(self, pin: int, priority: Priority) -> bool:
        return await self._chip.read(pin, priority) != self._config.proof_active_low

    def _proven(self, _tick_ns: int, level: bool, *, first: bool) -> None:  # noqa: ARG002, FBT001
        self._proof_level = level
        self._shown.set()

    def _pulse_over(self) -> None:
        self._pulse = None
        self._chip.set_soon(self._config.pin, float(self._level(on=False)))

    def _end_pulse(self) -> None:
        if self._pulse is not None:
            self._pulse.cancel()
            self._pulse = None

    def _lost(self, _error: BusUnavailableError) -> None:
        """Let no pulse go on when the chip is back."""
        if self._pulse is not None:
            self._end_pulse()
            self._chip.set_soon(self._config.pin, float(self._level(on=False)))


def _as_bool(value: Value) -> bool:
    if isinstance(value, bool) or value in (0, 1):
        return bool(value)
    msg = f"{ON}: {value!r} is neither on nor off"
    raise CommandRefusedError(msg)


def _address(config: OutputConfig) -> Hashable:
    return config.pin


MANIFEST: Final = Manifest(
    name="gpio-output", media=("gpio",), config=OutputConfig, build=GpioOutput, address=_address
)
