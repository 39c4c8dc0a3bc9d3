"""A twin of the SDS011: dust of a street, asked or telling by itself.

Source: Nova Fitness, Laser Dust Sensor Control Protocol V1.3 (2015-07-20). What it does with
commands while it sleeps the document leaves open; this one, as owners of the sensor report, hears
the order to work and nothing else.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from random import Random
from typing import Final, Literal

from pydantic import Field

from simulators.environment.physics import Dust, blow
from simulators.faults import Liar, WrongUnit
from simulators.lines.byte_slave import ByteTwin, Said
from simulators.options import SerialTwinOptions
from simulators.truth import TruthJournal
from simulators.twin import Struck

COMMAND_SIZE: Final = 19
FULL: Final = 0xFFFF
HIGHEST: Final = 9999
"""Tenths of ug/m3."""
TAIL: Final = 0xAB
WORK: Final = 6
"""The command that a sleeping sensor hears."""
LONGEST_MIN: Final = 30


class Sds011Options(SerialTwinOptions):
    """Options of an SDS011 in a scene."""

    kind: Literal["sds011"] = "sds011"
    sensor: str = Field(default="A160", pattern=r"^[0-9A-F]{4}$", description="its id")
    active: bool = Field(default=True, description="tells by itself, as from the factory")
    tells_every_s: float = Field(default=1.0, gt=0, description="when it tells by itself, seconds")
    start_hour: float = Field(default=7.0, ge=0, lt=24, description="of the day, hours")
    day_s: float = Field(default=86_400.0, gt=0, description="seconds that a whole day takes")

    @property
    def place(self) -> Hashable:
        """Return its id."""
        return "sds011", self.sensor


class Sds011Twin(ByteTwin):
    """The sensor."""

    def __init__(self, options: Sds011Options, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options.id, truth, options.baud_rate)
        self.sensor: Final = bytes.fromhex(options.sensor)
        self.air = Dust(options.start_hour)
        self.active = options.active
        self.period_min = 0
        self.asleep = False
        self._tells_every_s: Final = options.tells_every_s
        self._day_s: Final = options.day_s
        self._rng: Final = Random(options.seed)

    def power_on(self) -> None:
        """Work: how it reports and its period stay, sleep does not (V1.3, 3, 4))."""
        self.asleep = False

    def about(self) -> dict[str, object]:
        """Return its id."""
        return {"sensor": self.sensor.hex().upper()}

    def step(self, dt_s: float) -> None:
        """Let the air move."""
        self.air = blow(self.air, dt_s, self._day_s, self._rng)

    @property
    def raw(self) -> tuple[int, int]:
        """Return what it measures now, in tenths of ug/m3: PM2.5, PM10."""
        return min(HIGHEST, round(self.air.pm2_5 * 10)), min(HIGHEST, round(self.air.pm10 * 10))

    @property
    def talks_every_s(self) -> float | None:
        """Return how often it tells; with a working period, that; None when asked or asleep."""
        if not self.active or self.asleep:
            return None
        return self.period_min * 60.0 or self._tells_every_s

    def cut(self, heard: bytearray) -> bytes | None:
        """Find a command with a right checksum for this sensor or for any."""
        while (start := heard.find(b"\xaa\xb4")) >= 0:
            frame = bytes(heard[start : start + COMMAND_SIZE])
            if len(frame) < COMMAND_SIZE:
                return None
            if frame[18] != TAIL or sum(frame[2:17]) % 256 != frame[17]:
                del heard[: start + 1]
                continue
            del heard[: start + COMMAND_SIZE]
            if frame[15:17] in {b"\xff\xff", self.sensor} and (not self.asleep or frame[2] == WORK):
                return frame
        return None

    def answer(self, request: bytes, struck: Sequence[Struck]) -> Sequence[Said]:
        """Carry a command out."""
        number, sets, value = request[2], request[3] == 1, request[4]
        match number:
            case 2:
                if sets:
                    self.active = value == 0
                return self._reply(struck, bytes((2, sets, not self.active, 0)))
            case 4:
                return [Said(self.talk(struck))]
            case 6:
                if sets:
                    self.asleep = value == 0
                return self._reply(struck, bytes((6, sets, not self.asleep, 0)))
            case 7:
                return self._reply(struck, bytes((7, 15, 7, 10)))
            case 8:
                if sets and value <= LONGEST_MIN:
                    self.period_min = value
                return self._reply(struck, bytes((8, sets, self.period_min, 0)))
            case _:
                return []

    def talk(self, struck: Sequence[Struck]) -> bytes:
        """Return a measurement."""
        fine, all_of_it = self.raw
        if _lies(struck, "values"):
            fine = all_of_it = FULL
        data = fine.to_bytes(2, "little") + all_of_it.to_bytes(2, "little")
        return self._frame(struck, 0xC0, data)

    def _reply(self, struck: Sequence[Struck], data: bytes) -> Sequence[Said]:
        return [Said(self._frame(struck, 0xC5, data))]

    def _frame(self, struck: Sequence[Struck], kind: int, data: bytes) -> bytes:
        sensor = int.from_bytes(self.sensor, "big")
        for fault, _rng in struck:
            if isinstance(fault, WrongUnit):
                sensor = (sensor + fault.offset) & 0xFFFF
        body = data + sensor.to_bytes(2, "big")
        if _lies(struck, "count"):
            body = body[:-1]
        if _lies(struck, "length"):
            body += b"\0"
        return bytes((0xAA, kind)) + body + bytes((sum(body) % 256, 0xAB))


def _lies(struck: Sequence[Struck], how: str) -> bool:
    return any(isinstance(fault, Liar) and fault.how == how for fault, _rng in struck)
