"""One MH-Z19B or MH-Z19C, asked for carbon dioxide.

Source: Winsen, MH-Z19B user's manual; MH-Z19C user's manual V1.2 (2021-05-14) for its warm-up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from drivers.environment.mh_z19 import codec
from drivers.environment.mh_z19.codec import FRAME, SELF_CALIBRATION_ON, START, Command
from drivers.media.characters import Characters
from drivers.media.framing import ByteLine, ForeignFrameError
from gateway.model.driver import Ear, Manifest, PollGroup, Priority
from gateway.model.errors import CommandRefusedError, NoResponseError
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
)

CO2: Final = PointId("co2")
SELF_CALIBRATION: Final = PointId("self_calibration")
ZERO_CALIBRATION: Final = PointId("zero_calibration")
LEFT_OUT: Final = 3
"""Questions that may fail before what it was told is no longer believed."""
WARM_UP_S: Final = 180.0
"""Preheat time of the MH-Z19B; the MH-Z19C needs a minute."""
LOST_POWER: Final = 2
"""So many questions in a row without an answer, and the sensor may have been switched off."""
_HEAD: Final = 2

_WARMING: Final = Flag(Quality.UNCERTAIN, Cause.ESTIMATED)
_AT_THE_END: Final = Flag(Quality.UNCERTAIN, Cause.OUT_OF_RANGE)
_BEYOND: Final = Flag(Quality.BAD, Cause.OUT_OF_RANGE)
_NOTHING: Final = Flag(Quality.BAD, Cause.NO_VALUE)
_UNCONFIRMED: Final = Flag(Quality.UNCERTAIN, Cause.NO_RESPONSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MhZ19Config(Characters):
    """Options of one sensor."""

    range_ppm: Annotated[
        Literal[2000, 5000, 10_000],
        About("measuring range that it was ordered with; at its end a value is uncertain"),
    ] = 5000
    period_s: Annotated[
        float, Limits(ge=5, le=86_400), About("how often it is asked, in seconds")
    ] = 30.0
    warm_up_s: Annotated[
        float,
        Limits(ge=0, le=3600),
        About("after it may have been switched on, its values are uncertain for so many seconds"),
    ] = WARM_UP_S
    allow_zero_calibration: Annotated[
        bool,
        About("a command may calibrate it; it must have stood in fresh air for 20 minutes"),
    ] = False
    response_timeout_s: Annotated[
        float,
        Limits(gt=0, le=30),
        About("silence after a request that means no answer, in seconds"),
    ] = 0.5


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one command."""

    command: Command

    @property
    def shape(self) -> Hashable:
        """Return what its answers have in common."""
        return "mh_z19", self.command

    def measure(self, received: bytes | bytearray, /) -> int:
        """Find the answer; see `Framing.measure`.

        Raises:
            ForeignFrameError: noise, or another device.
            FrameError: wrong checksum.
        """
        if not received:
            return 0
        if received[0] != START or (len(received) >= _HEAD and received[1] not in set(Command)):
            msg = "MH-Z19: noise, or another device"
            raise ForeignFrameError(msg, answer=bytes(received))
        if len(received) < FRAME:
            return 0
        number, _data = codec.unwrap(received[:FRAME])
        return FRAME if number == self.command else -FRAME


class MhZ19:
    """One sensor. A `PolledDriver` and a `CommandableDriver`.

    What it was told cannot be asked: it is said again with each answer, as long as there are any.
    """

    def __init__(self, config: MhZ19Config, line: ByteLine) -> None:
        """Take the options, and the line it is on."""
        self._config: Final = config
        self._line: Final = line
        self._air: Final = PollGroup(
            "air",
            PointTable(Point(CO2, unit="[ppm]", kind=Kind.NUMBER, low=0, high=config.range_ppm)),
            config.period_s,
        )
        self._settings: Final = PollGroup(
            "settings",
            PointTable(
                Point(SELF_CALIBRATION, kind=Kind.BOOL, writable=True, deadband=Deadband()),
                Point(
                    ZERO_CALIBRATION,
                    kind=Kind.BOOL,
                    writable=config.allow_zero_calibration,
                    deadband=Deadband(),
                ),
            ),
            LEFT_OUT * config.period_s,
            told=True,
        )
        self._ear: Ear | None = None
        self._generation = 0
        self._silences = 0
        self._warm_at = float("inf")
        self._self_calibration: tuple[bool, Flag | None] | None = None

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return what it measures, and what it can be told."""
        return self._air, self._settings

    def attend(self, ear: Ear) -> None:
        """Tell the ear what the sensor was told."""
        self._ear = ear

    async def poll(self, group: PollGroup) -> Sample:
        """Ask for the air, once.

        Raises:
            NoResponseError: no answer.
            FrameError: what came is no answer to what was asked.
            BusUnavailableError: the line is gone.
        """
        del group
        try:
            frame = await self._ask(Command.READ)
        except NoResponseError:
            self._silences += 1
            raise
        now = asyncio.get_running_loop().time()
        if self._generation != self._line.generation or self._silences >= LOST_POWER:
            self._generation = self._line.generation
            self._warm_at = now + self._config.warm_up_s
        self._silences = 0
        self._tell()
        ppm = codec.concentration(codec.unwrap(frame)[1])
        flag = self._judge(ppm, warm=now >= self._warm_at)
        if flag is None:
            return Sample((ppm,))
        return Sample((None if flag.quality is Quality.BAD else ppm,), {0: flag})

    def _judge(self, ppm: int, *, warm: bool) -> Flag | None:
        if ppm == 0:
            return _NOTHING  # what it says before its first measurement; no air is without any
        if ppm > self._config.range_ppm:
            return _BEYOND
        if not warm:
            return _WARMING
        return _AT_THE_END if ppm == self._config.range_ppm else None

    def _tell(self) -> None:
        """Tell the settings as far as they are known; no calibration is ever under way."""
        sample = Sample((None, False), {0: _NOTHING})
        if self._self_calibration is not None:
            on, flag = self._self_calibration
            sample = Sample((on, False), NO_FLAGS if flag is None else {0: flag})
        if self._ear is not None:
            self._ear.heard(self._settings, sample)

    async def _ask(
        self, command: Command, value: int = 0, priority: Priority = Priority.POLL
    ) -> bytes:
        return await self._line.exchange(
            codec.command(command, value),
            Answer(command),
            timeout_s=self._config.response_timeout_s,
            priority=priority,
            characters=self._config.characters,
        )

    async def write(self, point: PointId, value: Value) -> Value:
        """Switch the self-calibration, or calibrate zero, ahead of all polls.

        The manual knows no answer to either. A sensor that answers all the same confirms it.

        Raises:
            CommandRefusedError: no such point, not allowed, or the value is not one it can take.
            NoResponseError: it was sent, and nothing confirms it: nobody knows.
            FrameError: likewise: what came is no answer.
            BusUnavailableError: the line is gone.
        """
        if point == SELF_CALIBRATION and isinstance(value, bool):
            self._self_calibration = value, _UNCONFIRMED
            number = SELF_CALIBRATION_ON if value else 0
            await self._order(Command.SELF_CALIBRATION, number, f"{point} = {value}")
            self._self_calibration = value, None
            return value
        if point == ZERO_CALIBRATION and value is True:
            if not self._config.allow_zero_calibration:
                msg = f"{point}: set allow_zero_calibration = true in the site file first"
                raise CommandRefusedError(msg)
            await self._order(Command.ZERO, 0, str(point))
            return True
        msg = f"{point} cannot be set to {value!r}"
        raise CommandRefusedError(msg)

    async def _order(self, command: Command, value: int, asked: str) -> None:
        """Give an order, and be content only with an answer to it.

        Raises:
            DeviceError: as in `write`.
        """
        try:
            await self._ask(command, value, Priority.COMMAND)
        except NoResponseError as error:
            msg = f"{asked}: was sent; this sensor confirms nothing, look at what it measures"
            raise NoResponseError(msg) from error


def _address(_config: MhZ19Config) -> Hashable:
    """Return the same for all: it has no address, so it is the only one on its line."""
    return "mh_z19"


MANIFEST: Final = Manifest(
    name="mh_z19",
    media=("serial", "tcp"),
    config=MhZ19Config,
    build=MhZ19,
    address=_address,
)
