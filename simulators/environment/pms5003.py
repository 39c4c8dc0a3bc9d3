"""A twin of the PMS5003: dust of a street, and how many particles of what size.

Source: Plantower, PMS5003 series data manual V2.3 (2016-06-01), appendix I and II. What a sensor
does between waking up and its first measurement the manual leaves open: this one measures at once,
and is active again.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random
from typing import Final, Literal

from pydantic import Field

from simulators.environment.physics import Dust, blow
from simulators.faults import Liar
from simulators.lines.byte_slave import ByteTwin, Said
from simulators.options import SerialTwinOptions
from simulators.truth import TruthJournal
from simulators.twin import Struck

ORDER_SIZE: Final = 7
HIGHEST: Final = 0xFFFE
_HEAD: Final = b"BM"
_RESERVED: Final = 0x9700
_VALUES: Final = 12


class Pms5003Options(SerialTwinOptions):
    """Options of a PMS5003 in a scene."""

    kind: Literal["pms5003"] = "pms5003"
    tells_every_s: float = Field(default=1.0, gt=0, description="when it tells by itself, seconds")
    start_hour: float = Field(default=7.0, ge=0, lt=24, description="of the day, hours")
    day_s: float = Field(default=86_400.0, gt=0, description="seconds that a whole day takes")


class Pms5003Twin(ByteTwin):
    """The sensor."""

    def __init__(self, options: Pms5003Options, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options.id, truth, options.baud_rate)
        self.air = Dust(options.start_hour)
        self.active = True
        self.asleep = False
        self._tells_every_s: Final = options.tells_every_s
        self._day_s: Final = options.day_s
        self._rng: Final = Random(options.seed)

    def power_on(self) -> None:
        """Talk by itself, as after power-up (V2.3, output result)."""
        self.active, self.asleep = True, False

    def about(self) -> dict[str, object]:
        """Return whether it talks."""
        return {"mode": "active" if self.active else "passive"}

    def step(self, dt_s: float) -> None:
        """Let the air move."""
        self.air = blow(self.air, dt_s, self._day_s, self._rng)

    @property
    def raw(self) -> tuple[int, ...]:
        """Return the twelve numbers that it measures now."""
        air = self.air
        standard = [round(mass) for mass in (air.pm1, air.pm2_5, air.pm10)]
        # In dense air the atmospheric figures lie below those for the calibration dust.
        outdoor = [round(min(mass, 30 + 0.66 * max(0.0, mass - 30))) for mass in standard]
        return tuple(min(HIGHEST, number) for number in (*standard, *outdoor, *air.counts()))

    @property
    def talks_every_s(self) -> float | None:
        """Return how often it tells; None when passive or asleep."""
        return self._tells_every_s if self.active and not self.asleep else None

    def cut(self, heard: bytearray) -> bytes | None:
        """Find an order with a right sum."""
        while (start := heard.find(_HEAD)) >= 0:
            frame = bytes(heard[start : start + ORDER_SIZE])
            if len(frame) < ORDER_SIZE:
                return None
            if sum(frame[:5]) != int.from_bytes(frame[5:], "big"):
                del heard[: start + 1]
                continue
            del heard[: start + ORDER_SIZE]
            if not self.asleep or frame[2] == 0xE4:  # noqa: PLR2004 - the order to wake up
                return frame
        return None

    def answer(self, request: bytes, struck: Sequence[Struck]) -> Sequence[Said]:
        """Carry an order out."""
        order, data = request[2], request[4]
        if order == 0xE2 and not self.active:  # noqa: PLR2004 - read in passive mode
            return [Said(self.talk(struck))]
        if order == 0xE1:  # noqa: PLR2004 - change mode
            self.active = data == 1
        elif order == 0xE4:  # noqa: PLR2004 - sleep set
            self.asleep = data == 0
            if not self.asleep:
                self.active = True
                return [Said(self.talk(struck))]
        else:
            return []
        return [Said(_frame(struck, bytes((order, data))))]

    def talk(self, struck: Sequence[Struck]) -> bytes:
        """Return a measurement."""
        numbers = self.raw
        if any(isinstance(fault, Liar) and fault.how == "values" for fault, _rng in struck):
            numbers = (0xFFFF,) * _VALUES
        return _frame(struck, struct.pack(">13H", *numbers, _RESERVED))


def _frame(struck: Sequence[Struck], body: bytes) -> bytes:
    length = len(body) + 2
    for fault, _rng in struck:
        if isinstance(fault, Liar) and fault.how == "count":
            body, length = body[:-2], length - 2
        if isinstance(fault, Liar) and fault.how == "length":
            length += 2
    start = _HEAD + length.to_bytes(2, "big") + body
    return start + (sum(start) & 0xFFFF).to_bytes(2, "big")
