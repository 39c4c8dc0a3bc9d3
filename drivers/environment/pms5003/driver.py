"""One PMS5003: asked, or telling by itself.

Source: Plantower, PMS5003 series data manual V2.3 (2016-06-01).
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from drivers.environment.pms5003 import codec
from drivers.environment.pms5003.codec import MEASUREMENT, Order
from drivers.environment.pms5003.framing import Answer
from drivers.media.characters import Characters
from drivers.media.framing import ByteLine
from drivers.media.stream import Stream
from gateway.model.driver import Ear, Manifest, PollGroup, Priority
from gateway.model.errors import CommandRefusedError, DeviceError, FrameError
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

SETTLES_S: Final = 30.0
"""After it wakes up the data are stable (V2.3, circuit attentions 4)."""
HIGHEST: Final = 1000
"""ug/m3, maximum range (V2.3, technical index)."""
FULL: Final = 0xFFFF
MASSES: Final = 6
BELIEVED_S: Final = 10.0
"""It tells every 2.3 s or faster (V2.3, output result)."""
ASSERTS_EVERY: Final = 60
"""Polls after which a sensor is told again to be quiet: after a loss of power it talks."""

WORKING: Final = PointId("working")
_ON: Final = 1
_OFF: Final = 0
_NAMES: Final = ("pm1_0_cf1", "pm2_5_cf1", "pm10_cf1", "pm1_0", "pm2_5", "pm10")
_COUNTS: Final = tuple(f"particles_{size}" for size in ("0_3", "0_5", "1_0", "2_5", "5_0", "10"))
_SETTLING: Final = Flag(Quality.UNCERTAIN, Cause.ESTIMATED)
_BEYOND: Final = Flag(Quality.UNCERTAIN, Cause.OUT_OF_RANGE)
_IMPOSSIBLE: Final = Flag(Quality.BAD, Cause.OUT_OF_RANGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pms5003Config(Characters):
    """Options of one sensor."""

    mode: Annotated[
        Literal["passive", "active"],
        About("passive: asked every period_s; active: tells by itself, then alone on its line"),
    ] = "passive"
    period_s: Annotated[
        float,
        Limits(gt=0, le=86_400),
        About(
            "how often it is asked, in seconds; when it tells by itself: how often it is told on"
        ),
    ] = 30.0
    response_timeout_s: Annotated[
        float,
        Limits(gt=0, le=30),
        About("silence after a request that means no answer, in seconds"),
    ] = 1.0
    wake_timeout_s: Annotated[
        float,
        Limits(gt=0, le=30),
        About("how long it may take to measure after it was woken, in seconds"),
    ] = 5.0

    def __post_init__(self) -> None:
        """Refuse a speed of its own where it sets that of the line.

        Raises:
            ValueError: active, with characters.
        """
        if self.mode == "active" and self.characters is not None:
            msg = "a sensor that tells by itself has the speed of its line: set it there"
            raise ValueError(msg)


def _dust(config: Pms5003Config) -> PollGroup:
    active = config.mode == "active"
    table = PointTable(
        *(Point(PointId(name), unit="ug/m3", kind=Kind.NUMBER, low=0) for name in _NAMES),
        *(Point(PointId(name), unit="{count}/dL", kind=Kind.NUMBER, low=0) for name in _COUNTS),
        Point(WORKING, kind=Kind.BOOL, writable=not active, deadband=Deadband()),
    )
    if active:
        return PollGroup("dust", table, BELIEVED_S + config.period_s, told=True)
    return PollGroup("dust", table, config.period_s)


class Pms5003:
    """One sensor. Polled and commandable when passive, a `ListeningDriver` when active.

    A passive one is told to be quiet before it is first asked, after every failure, and now and
    then: it talks by itself after a loss of power, and cannot be asked whether it does.
    """

    def __init__(self, config: Pms5003Config, line: ByteLine) -> None:
        """Take the options, and the line it is on.

        Raises:
            ValueError: it is to tell by itself, as another device of its line does already.
        """
        self._config: Final = config
        self._line: Final = line
        self._talks: Final = config.mode == "active"
        self._dust: Final = _dust(config)
        self._quiet_polls = 0
        self._generation = 0
        self._asleep = False
        self._settles_at = float("-inf")
        self._ear: Ear | None = None
        self._told_at = float("-inf")
        self._stream: Final = Stream(codec.find, MEASUREMENT)
        if self._talks:
            line.listen(self._hear)

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return what it measures."""
        return (self._dust,)

    # Telling

    def attend(self, ear: Ear) -> None:
        """Tell the ear every measurement that comes by itself; nothing when passive."""
        self._ear = ear

    def _hear(self, data: bytes) -> None:
        ear = self._ear
        for found in self._stream.take(data):
            if ear is None:
                continue
            if isinstance(found, FrameError):
                ear.misheard(found)
            elif len(found) == MEASUREMENT:
                now = asyncio.get_running_loop().time()
                if now - self._told_at >= self._config.period_s:
                    self._told_at = now
                    ear.heard(self._dust, self._sample(found))

    def _sample(self, frame: bytes) -> Sample:
        numbers = codec.values(frame)
        flags = {}
        for place, number in enumerate(numbers):
            if number == FULL:
                flags[place] = _IMPOSSIBLE
            elif place < MASSES and number > HIGHEST:
                flags[place] = _BEYOND
            elif asyncio.get_running_loop().time() < self._settles_at:
                flags[place] = _SETTLING
        cells = tuple(None if flags.get(at) is _IMPOSSIBLE else n for at, n in enumerate(numbers))
        return Sample((*cells, True), flags or NO_FLAGS)

    # Asking

    async def poll(self, group: PollGroup) -> Sample:
        """Ask for a measurement, once.

        Raises:
            NoResponseError: no answer.
            FrameError: what came is no answer to what was asked.
            BusUnavailableError: the line is gone.
        """
        if self._asleep and self._generation == self._line.generation:
            return _of_a_sleeper(group)
        self._asleep = False
        if self._generation != self._line.generation:
            self._quiet_polls = 0
        try:
            if self._quiet_polls == 0:
                await self._ask(Order.MODE, _OFF)
                self._generation = self._line.generation
            sample = self._sample(await self._ask(Order.READ))
        except DeviceError:
            self._quiet_polls = 0
            raise
        self._quiet_polls = (self._quiet_polls + 1) % ASSERTS_EVERY
        return sample

    async def _ask(self, order: Order, data: int = 0, priority: Priority = Priority.POLL) -> bytes:
        """Give an order, and return its answer.

        Raises:
            DeviceError: as in `poll`.
        """
        wakes = order is Order.WORK and data == _ON
        config = self._config
        # A sensor that has just been told to be quiet may still be saying something.
        return await self._line.exchange(
            codec.command(order, data),
            Answer(order, data, talks=order is not Order.READ),
            timeout_s=config.wake_timeout_s if wakes else config.response_timeout_s,
            priority=priority,
            characters=config.characters,
        )

    # Writing

    async def write(self, point: PointId, value: Value) -> Value:
        """Send the sensor to sleep or wake it ahead of all polls, and return what it does now.

        Raises:
            CommandRefusedError: no such point, not writable, or not true or false.
            DeviceError: as in `poll`; after a NoResponseError nobody knows whether it was done.
        """
        if point != WORKING or self._talks:
            msg = f"{point}: there is no such point, or it cannot be written"
            raise CommandRefusedError(msg)
        if not isinstance(value, bool):
            msg = f"{point} takes true or false"
            raise CommandRefusedError(msg)
        self._quiet_polls = 0
        if not value:
            await self._ask(Order.WORK, _OFF, Priority.COMMAND)
            self._asleep, self._generation = True, self._line.generation
            return False
        # The measurement that it sends when it wakes up is the proof.
        await self._ask(Order.WORK, _ON, Priority.COMMAND)
        self._asleep = False
        self._settles_at = asyncio.get_running_loop().time() + SETTLES_S
        await self._ask(Order.MODE, _OFF, Priority.COMMAND)
        return True


def _of_a_sleeper(group: PollGroup) -> Sample:
    """Return what is known of a sensor that sleeps by our order: that it does not work."""
    nothing = all_bad(group.table, Cause.NO_VALUE)
    last = len(nothing.cells) - 1
    flags = {place: flag for place, flag in nothing.flags.items() if place != last}
    return Sample((*nothing.cells[:last], False), flags)


def _address(_config: Pms5003Config) -> Hashable:
    """Return the same for all: it has no address, so it is the only one on its line."""
    return "pms5003"


MANIFEST: Final = Manifest(
    name="pms5003",
    media=("serial", "tcp"),
    config=Pms5003Config,
    build=Pms5003,
    address=_address,
)
