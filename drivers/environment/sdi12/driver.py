"""One SDI-12 sensor behind a transparent serial adapter.

Source: SDI-12, A Serial-Digital Interface Standard for Microprocessor-Based Sensors, version 1.4.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from drivers.environment.sdi12 import codec
from drivers.environment.sdi12.codec import ANYBODY, LAST_DATA, Started
from drivers.environment.sdi12.config import (
    IDENTITY_S,
    Measurement,
    Sdi12Config,
    identity_group,
    measurements,
    sensor_group,
)
from drivers.environment.sdi12.framing import Response
from drivers.media.characters import Characters
from drivers.media.framing import ByteLine
from gateway.model.driver import Ear, Manifest, PollGroup
from gateway.model.errors import DeviceError, FrameError, NoResponseError
from gateway.model.reading import NO_FLAGS, Cause, Flag, Quality, Sample, Value, all_bad

COLLECTS: Final = 3
"""So often the values of one measurement are asked for before it is begun anew."""
GRACE_S: Final = 0.5
"""A service request may be later than the sensor has said."""

_NOTHING: Final = Flag(Quality.BAD, Cause.NO_VALUE)
_BEYOND: Final = Flag(Quality.BAD, Cause.OUT_OF_RANGE)


@dataclass(slots=True, eq=False)
class _Running:
    """A measurement that the sensor is at."""

    measurement: Measurement
    count: int
    ready_at: float
    tries: int = 0


class Sdi12:
    """One sensor: polled for what it is at, and telling the ear what it has measured.

    A measurement takes up to 999 s. Each poll is one step: begin what is due, look whether it is
    ready, take the values. Between the steps the line is everybody's.
    """

    def __init__(self, config: Sdi12Config, line: ByteLine) -> None:
        """Take the options, and the line it is on."""
        self._config: Final = config
        self._line: Final = line
        self._sensor: Final = sensor_group(config)
        self._identity: Final = identity_group()
        self._measurements: Final = measurements(config)
        self._ear: Ear | None = None
        self._generation = 0
        self._identify_at = -math.inf
        self._due = dict.fromkeys(self._measurements, -math.inf)
        self._running: _Running | None = None

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return what it is at, what it is, and a group for each command that measures."""
        return self._sensor, self._identity, *(each.group for each in self._measurements)

    def attend(self, ear: Ear) -> None:
        """Tell the ear what is measured, as soon as it is."""
        self._ear = ear

    async def poll(self, group: PollGroup) -> Sample:
        """Go on: begin what is due, take what is ready.

        Raises:
            NoResponseError: no answer.
            FrameError: what came is no answer to what was asked.
            BusUnavailableError: the line is gone.
        """
        del group
        loop = asyncio.get_running_loop()
        if self._generation != self._line.generation:
            self._begin_anew()
        if self._running is None and loop.time() >= self._identify_at:
            await self._identify()
            self._identify_at = loop.time() + IDENTITY_S
            self._generation = self._line.generation
        for _ in range(len(self._due)):
            if not await self._free():
                return Sample((True,))
            due = min(self._due, key=self._due.__getitem__)
            if loop.time() < self._due[due]:
                break
            await self._start(due)
        return Sample((not await self._free(),))

    def _begin_anew(self) -> None:
        self._running = None
        self._identify_at = -math.inf
        self._due = dict.fromkeys(self._measurements, -math.inf)

    # One step each

    async def _free(self) -> bool:
        """Take the values if they are ready; say whether the sensor measures no more.

        Raises:
            DeviceError: as in `poll`.
        """
        if self._running is None:
            return True
        if asyncio.get_running_loop().time() < self._running.ready_at:
            return False
        await self._collect(self._running)
        return True

    async def _identify(self) -> None:
        who = codec.identity(await self._ask("I"))
        self._tell(self._identity, Sample(tuple(who)))

    async def _start(self, measurement: Measurement) -> None:
        """Have the sensor begin, or take the values where they come at once.

        Raises:
            DeviceError: as in `poll`.
        """
        loop = asyncio.get_running_loop()
        if measurement.immediate:
            said = await self._ask(measurement.command, guarded=measurement.guarded)
            self._done(measurement, codec.values(said))
            return
        said = await self._ask(measurement.command)
        promise = codec.started(said, concurrent=measurement.concurrent)
        if not promise.promised:
            # "no values" is how a sensor refuses a measurement it does not know (4.4.5)
            self._tell(measurement.group, all_bad(measurement.group.table, Cause.REJECTED))
            self._due[measurement] = loop.time() + measurement.period_s
            return
        self._running = _Running(measurement, promise.promised, loop.time() + promise.wait_s)
        if promise.wait_s and not measurement.concurrent:
            await self._hold(self._running, promise)

    async def _hold(self, running: _Running, promise: Started) -> None:
        """Wait for the service request, with the line in hand: whatever is sent would end it.

        The adapter puts a break before each command, and a break ends a measurement with M (4.4.5).
        """
        if promise.wait_s > self._config.longest_hold_s:
            return
        # A sensor that asks for no service is asked for its values all the same (4.4.6).
        with suppress(NoResponseError):
            await self._exchange(b"", Response(self._config.address, ""), promise.wait_s + GRACE_S)
        running.ready_at = -math.inf

    async def _collect(self, running: _Running) -> None:
        """Take the values; a measurement that does not give them is begun anew.

        Raises:
            DeviceError: as in `poll`.
        """
        measurement = running.measurement
        running.tries += 1
        found: tuple[float, ...] = ()
        try:
            for number in range(LAST_DATA + 1):
                said = await self._ask(f"D{number}", guarded=measurement.guarded)
                if not said:
                    break  # no more, or it was interrupted (4.4.8.1)
                found += codec.values(said)
                if len(found) >= running.count:
                    break
            if len(found) > running.count:
                msg = f"SDI-12: {len(found)} values instead of {running.count}"
                raise FrameError(msg)
        except DeviceError:
            if running.tries >= COLLECTS:
                self._running = None
            raise
        self._running = None
        self._done(measurement, found)

    def _done(self, measurement: Measurement, found: tuple[float, ...]) -> None:
        self._due[measurement] = asyncio.get_running_loop().time() + measurement.period_s
        self._tell(measurement.group, _sample(measurement, found))

    def _tell(self, group: PollGroup, sample: Sample) -> None:
        if self._ear is not None:
            self._ear.heard(group, sample)

    # The line

    async def _ask(self, body: str, *, guarded: bool = False) -> str:
        """Send a command, and return the text of its response."""
        address = self._config.address
        framing = Response(address, body, guarded)
        response = await self._exchange(
            codec.command(address, body), framing, self._config.response_timeout_s
        )
        return codec.text(response, guarded=guarded)[1]

    async def _exchange(self, request: bytes, response: Response, timeout_s: float) -> bytes:
        return await self._line.exchange(
            request, response, timeout_s=timeout_s, characters=self._config.characters
        )


def _sample(measurement: Measurement, found: tuple[float, ...]) -> Sample:
    """Return the values of the points, scaled and held against their limits."""
    cells: list[Value | None] = []
    flags = {}
    for place, options in enumerate(measurement.places):
        if options.index > len(found):
            cells.append(None)
            flags[place] = _NOTHING
            continue
        value = found[options.index - 1] * options.scale + options.offset
        low = -math.inf if options.low is None else options.low
        high = math.inf if options.high is None else options.high
        if low <= value <= high:
            cells.append(value)
        else:
            cells.append(None)
            flags[place] = _BEYOND
    return Sample(tuple(cells), flags or NO_FLAGS)


async def who_is_there(
    line: ByteLine, *, timeout_s: float = 1.0, characters: Characters | None = None
) -> str:
    """Return the address of the only sensor on a line (`?!`, 4.4.3); with several they collide.

    Raises:
        DeviceError: nobody answers, or more than one.
    """
    response = await line.exchange(
        codec.command(ANYBODY),
        Response(ANYBODY, ""),
        timeout_s=timeout_s,
        characters=characters,
    )
    address, said = codec.text(response)
    if said:
        msg = f"SDI-12: {said!r} after the address"
        raise FrameError(msg, answer=response)
    return address


def _address(config: Sdi12Config) -> Hashable:
    return config.address


MANIFEST: Final = Manifest(
    name="sdi12",
    media=("serial", "tcp"),
    config=Sdi12Config,
    build=Sdi12,
    address=_address,
)
