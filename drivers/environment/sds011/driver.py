"""One SDS011: asked, or telling by itself.

Source: Nova Fitness, Laser Dust Sensor Control Protocol V1.3 (2015-07-20).
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from drivers.environment.sds011 import codec
from drivers.environment.sds011.codec import ANY_SENSOR, MEASUREMENT, Frame, Number
from drivers.environment.sds011.framing import Answer
from drivers.media.characters import Characters
from drivers.media.framing import ByteLine
from drivers.media.stream import Stream
from gateway.model.driver import Ear, Manifest, PollGroup, Priority
from gateway.model.errors import CommandRefusedError, FrameError
from gateway.model.ids import PointId
from gateway.model.options import About, Limits
from gateway.model.reading import (
    NO_FLAGS,
    Cause,
    Deadband,
    Flag,
    Kind,
    Point,
    PointTable,
    Quality,
    Sample,
    Value,
    all_bad,
)

HIGHEST: Final = 999.9
"""ug/m3, the range of the sensor (SDS011 product specification: 0.0 to 999.9)."""
SETTLES_S: Final = 30.0
"""After it begins to work the values are stable (V1.3, 3, 4))."""
LONGEST_PERIOD_MIN: Final = 30
"""V1.3, 3, 5) Set working period: 0 to 30 minutes."""
SHORTEST_PERIOD_S: Final = 3.0
DEVICE_PERIOD_S: Final = 300.0
BELIEVED_S: Final = 10.0
"""A sensor that works all the time tells once a second."""

PM2_5: Final = PointId("pm2_5")
PM10: Final = PointId("pm10")
FIRMWARE: Final = PointId("firmware")
REPORTING: Final = PointId("reporting")
WORKING: Final = PointId("working")
WORKING_PERIOD: Final = PointId("working_period")
SENSOR: Final = PointId("sensor")

_ACTIVE: Final = 0
_QUERY: Final = 1
_SETTLING: Final = Flag(Quality.UNCERTAIN, Cause.ESTIMATED)
_BEYOND: Final = Flag(Quality.BAD, Cause.OUT_OF_RANGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sds011Config(Characters):
    """Options of one sensor."""

    mode: Annotated[
        Literal["query", "active"],
        About("query: asked every period_s; active: tells by itself, then it is alone on its line"),
    ] = "query"
    sensor: Annotated[
        Annotated[str, Limits(pattern=r"^[0-9A-Fa-f]{4}$")] | None,
        About('id of the sensor, four hexadecimal digits as "A160"; left out: whichever answers'),
    ] = None
    working_period_min: Annotated[
        Annotated[int, Limits(ge=0, le=LONGEST_PERIOD_MIN)] | None,
        About("works 30 s in so many minutes and rests between; 0: always; left out: as it is"),
    ] = None
    period_s: Annotated[
        float,
        Limits(gt=0, le=86_400),
        About(
            "how often it is asked, not below 3 s; when it tells by itself: how often it is told on"
        ),
    ] = 30.0
    response_timeout_s: Annotated[
        float,
        Limits(gt=0, le=30),
        About("silence after a request that means no answer, in seconds"),
    ] = 1.0

    def __post_init__(self) -> None:
        """Refuse a speed of its own where it sets that of the line, and to ask too often.

        Raises:
            ValueError: active, with characters; asked more often than it may be.

        Source:
            V1.3, 3, 2) Query data command: an interval of not less than 3 seconds.
        """
        if self.mode == "query" and self.period_s < SHORTEST_PERIOD_S:
            msg = f"period_s: it may not be asked more often than every {SHORTEST_PERIOD_S:g} s"
            raise ValueError(msg)
        if self.mode == "active" and self.characters is not None:
            msg = "a sensor that tells by itself has the speed of its line: set it there"
            raise ValueError(msg)


def _dust(config: Sds011Config) -> PollGroup:
    table = PointTable(
        *(
            Point(name, unit="ug/m3", kind=Kind.NUMBER, scale=0.1, low=0.0, high=HIGHEST)
            for name in (PM2_5, PM10)
        )
    )
    if config.mode == "query":
        return PollGroup("dust", table, config.period_s)
    rests_s = 60.0 * (config.working_period_min or 0)
    return PollGroup("dust", table, BELIEVED_S + max(config.period_s, 1.5 * rests_s), told=True)


def _device() -> PollGroup:
    return PollGroup(
        "device",
        PointTable(
            Point(FIRMWARE, kind=Kind.TEXT),
            Point(SENSOR, kind=Kind.TEXT),
            Point(REPORTING, kind=Kind.STATE, states={_ACTIVE: "active", _QUERY: "query"}),
            Point(WORKING, kind=Kind.BOOL, writable=True, deadband=Deadband()),
            Point(
                WORKING_PERIOD,
                unit="min",
                kind=Kind.NUMBER,
                writable=True,
                low=0,
                high=LONGEST_PERIOD_MIN,
            ),
        ),
        DEVICE_PERIOD_S,
    )


class Sds011:
    """One sensor. A `PolledDriver`, a `ListeningDriver` when active, a `CommandableDriver`.

    How it reports is set before it is first asked on an open line: it keeps that over a loss of
    power. One that was sent to sleep by us is not asked: it hears nothing but the order to work.
    """

    def __init__(self, config: Sds011Config, line: ByteLine) -> None:
        """Take the options, and the line it is on.

        Raises:
            ValueError: it is to tell by itself, as another device of its line does already.
        """
        self._config: Final = config
        self._line: Final = line
        self._sensor: Final = ANY_SENSOR if config.sensor is None else int(config.sensor, 16)
        self._talks: Final = config.mode == "active"
        self._dust: Final = _dust(config)
        self._device: Final = _device()
        self._set_up: int | None = None
        self._asleep = False
        self._settles_at = float("-inf")
        self._ear: Ear | None = None
        self._told_at = float("-inf")
        self._stream: Final = Stream(codec.find, codec.FRAME)
        if self._talks:
            line.listen(self._hear)

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return what it measures, and what it is."""
        return self._dust, self._device

    # Telling

    def attend(self, ear: Ear) -> None:
        """Tell the ear every measurement that comes by itself; nothing in query mode."""
        self._ear = ear

    def _hear(self, data: bytes) -> None:
        ear = self._ear
        for found in self._stream.take(data):
            if ear is None:
                continue
            if isinstance(found, FrameError):
                ear.misheard(found)
            else:
                self._tell(ear, codec.unwrap(found), found)

    def _tell(self, ear: Ear, frame: Frame, raw: bytes) -> None:
        if self._sensor not in {ANY_SENSOR, frame.sensor}:
            msg = f"SDS011: sensor {frame.sensor:04X} tells, not {self._sensor:04X}"
            ear.misheard(FrameError(msg, answer=raw))
        elif frame.kind == MEASUREMENT:
            now = asyncio.get_running_loop().time()
            if now - self._told_at >= self._config.period_s:
                self._told_at = now
                ear.heard(self._dust, self._sample(frame))

    def _sample(self, frame: Frame) -> Sample:
        values = codec.concentrations(frame.data)
        settling = asyncio.get_running_loop().time() < self._settles_at
        flags = {}
        for place, value in enumerate(values):
            if value > HIGHEST:
                flags[place] = _BEYOND
            elif settling:
                flags[place] = _SETTLING
        cells = tuple(None if flags.get(at) is _BEYOND else v for at, v in enumerate(values))
        return Sample(cells, flags or NO_FLAGS)

    # Asking

    async def poll(self, group: PollGroup) -> Sample:
        """Ask for one group, once.

        Raises:
            NoResponseError: no answer.
            FrameError: what came is no answer to what was asked, or of another sensor.
            BusUnavailableError: the line is gone.
        """
        if self._asleep and self._line.generation == self._set_up:
            return self._of_a_sleeper(group)
        await self._prepare()
        if group is self._dust:
            return self._sample(await self._ask(Number.QUERY))
        firmware = await self._ask(Number.FIRMWARE)
        reporting, working, period = [
            (await self._ask(number)).data[2]
            for number in (Number.REPORTING, Number.WORK, Number.PERIOD)
        ]
        return Sample(
            (
                codec.firmware(firmware.data),
                f"{firmware.sensor:04X}",
                reporting,
                working == 1,
                period,
            )
        )

    def _of_a_sleeper(self, group: PollGroup) -> Sample:
        """Return what is known of a sensor that sleeps by our order: that it does not work."""
        nothing = all_bad(group.table, Cause.NO_VALUE)
        if group is self._dust:
            return nothing
        place = group.table.index(WORKING)
        cells: list[Value | None] = list(nothing.cells)
        cells[place] = False
        flags = {at: flag for at, flag in nothing.flags.items() if at != place}
        return Sample(tuple(cells), flags)

    async def _prepare(self) -> None:
        """Have it report as the options say, once on an open line.

        Raises:
            DeviceError: as in `poll`.
        """
        generation = self._line.generation
        if self._set_up == generation and generation:
            return
        self._asleep = False
        wanted = {Number.REPORTING: _ACTIVE if self._talks else _QUERY}
        if self._config.working_period_min is not None:
            wanted[Number.PERIOD] = self._config.working_period_min
        for number, value in wanted.items():
            # Each setting is written to its memory for good: not more often than needed.
            if (await self._ask(number)).data[2] != value:
                await self._ask(number, value)
        self._set_up = self._line.generation

    async def _ask(
        self, number: Number, value: int | None = None, priority: Priority = Priority.POLL
    ) -> Frame:
        """Ask about a number or set it, and return the answer.

        Raises:
            DeviceError: as in `poll`; the sensor took another value than it was given.
        """
        answer = await self._line.exchange(
            codec.command(number, self._sensor, value),
            Answer(number, self._sensor, self._talks),
            timeout_s=self._config.response_timeout_s,
            priority=priority,
            characters=self._config.characters,
        )
        frame = codec.unwrap(answer)
        if value is not None and frame.data[2] != value:
            msg = f"SDS011: set {number.name} to {value}, it says {frame.data[2]}"
            raise FrameError(msg, answer=answer)
        return frame

    # Writing

    async def write(self, point: PointId, value: Value) -> Value:
        """Set `working` or `working_period` ahead of all polls, ask for it, and return what it is.

        Raises:
            CommandRefusedError: no such point, not writable, or the value is not one it can take.
            DeviceError: as in `poll`; after a NoResponseError nobody knows whether it was done.
        """
        if point == WORKING:
            if not isinstance(value, bool):
                msg = f"{point} takes true or false"
                raise CommandRefusedError(msg)
            return await self._work(on=value)
        if point == WORKING_PERIOD:
            minutes = _minutes(value)
            await self._ask(Number.PERIOD, minutes, Priority.COMMAND)
            return (await self._ask(Number.PERIOD, priority=Priority.COMMAND)).data[2]
        msg = f"{point}: there is no such point, or it cannot be written"
        raise CommandRefusedError(msg)

    async def _work(self, *, on: bool) -> bool:
        """Send it to sleep, whose own answer is the proof, or to work, and ask.

        Raises:
            DeviceError: as in `write`.
        """
        if not on:
            await self._ask(Number.WORK, 0, Priority.COMMAND)
            self._asleep = True
            self._set_up = self._line.generation
            return False
        await self._ask(Number.WORK, 1, Priority.COMMAND)
        self._asleep = False
        self._settles_at = asyncio.get_running_loop().time() + SETTLES_S
        return (await self._ask(Number.WORK, priority=Priority.COMMAND)).data[2] == 1


def _minutes(value: Value) -> int:
    """Return a whole number of minutes.

    Raises:
        CommandRefusedError: it is none, or beyond what the sensor takes.
    """
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0
    if not whole or not 0 <= float(value) <= LONGEST_PERIOD_MIN:
        msg = f"{WORKING_PERIOD} takes whole minutes, 0 to {LONGEST_PERIOD_MIN}"
        raise CommandRefusedError(msg)
    return int(value)


def _address(config: Sds011Config) -> Hashable:
    """Return its id: one without is the only one on its line."""
    return config.sensor and config.sensor.upper()


MANIFEST: Final = Manifest(
    name="sds011",
    media=("serial", "tcp"),
    config=Sds011Config,
    build=Sds011,
    address=_address,
)
