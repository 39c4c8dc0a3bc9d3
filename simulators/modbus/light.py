"""demo-light: a light and temperature sensor on the roof of a cabinet.

Illuminance follows the sun with passing clouds. Register map: `simulators/modbus/README.md`.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Literal

from pydantic import Field

from simulators.modbus.device import (
    DAY_S,
    DayLength,
    StartHour,
    TwinOptions,
    happens,
    identity,
    input_answers,
    wander,
)
from simulators.modbus.memory import Memory, Words

MODEL: Final = "demo-light"
NO_ILLUMINANCE: Final = 0xFFFF
NO_TEMPERATURE: Final = -0x8000
BRIGHTEST_LX: Final = 60_000.0
NIGHT_LX: Final = 2.0
GAP_S: Final = 3.0
"""How long the sensor has no value when it loses it."""
_VALUES: Final = struct.Struct(">Hh")


class LightOptions(TwinOptions):
    """Options of a light sensor in a scene."""

    kind: Literal["light"] = "light"
    latitude: float = Field(default=55.75, ge=-90, le=90, description="degrees north")
    day_of_year: int = Field(default=80, ge=1, le=366, description="80 is about the equinox")
    start_hour: StartHour = 20.0
    day_s: DayLength = DAY_S
    gaps_per_hour: float = Field(
        default=0.0, ge=0, le=3600, description="how often the sensor has no value for a while"
    )


@dataclass(frozen=True, slots=True)
class LightState:
    """What the sensor sees."""

    hour: float
    clouds: float = 0.3
    """Share of the light that clouds take, 0 to 1."""
    air: float = 12.0
    """Temperature, degrees Celsius."""
    gap_s: float = 0.0
    """How long there is no value yet."""


def sun(hour: float, day_of_year: int, latitude: float) -> float:
    """Return the sine of the sun's height at that local solar time.

    Args:
        hour: 0 to 24, the sun stands highest at 12.
        day_of_year: 1 to 366.
        latitude: degrees north.
    """
    tilt = math.radians(-23.44) * math.cos(2 * math.pi * (day_of_year + 10) / 365)
    turn = math.radians(15 * (hour - 12))
    place = math.radians(latitude)
    return math.sin(place) * math.sin(tilt) + math.cos(place) * math.cos(tilt) * math.cos(turn)


def illuminance(state: LightState, height: float) -> float:
    """Return what falls on the sensor, lx, for a sun of that height (sine)."""
    # Twilight: light does not end with the sun, it fades until about 6 degrees below.
    daylight = BRIGHTEST_LX * math.pow(max(0.0, height), 1.2) + 400 * math.exp(
        min(0.0, height) * 40
    )
    return NIGHT_LX + daylight * (1 - 0.8 * state.clouds)


def step(state: LightState, dt_s: float, rng: Random, options: LightOptions) -> LightState:
    """Return the state `dt_s` seconds later."""
    hour = (state.hour + dt_s * 24 / options.day_s) % 24
    height = sun(hour, options.day_of_year, options.latitude)
    later = replace(
        state,
        hour=hour,
        clouds=min(1.0, max(0.0, wander(state.clouds, 0.35, 0.2, 300.0, dt_s, rng))),
        air=wander(state.air, 10 + 8 * height, 1.0, 1800.0, dt_s, rng),
        gap_s=max(0.0, state.gap_s - dt_s),
    )
    if not later.gap_s and happens(options.gaps_per_hour, dt_s, rng):
        return replace(later, gap_s=GAP_S)
    return later


class Light:
    """The sensor as a device."""

    identity: Final = identity(MODEL)
    answers_at: Final = input_answers(2)
    step_s: Final = 0.1

    def __init__(self, options: LightOptions) -> None:
        """Take the scene's options."""
        self.memory = Memory(inputs=Words(spans=(range(4),)))
        self.state = LightState(hour=options.start_hour)
        self._options = options
        self._rng = Random(options.seed)
        self.advance(self.step_s)

    def power_on(self) -> None:
        """Have nothing to forget."""

    def advance(self, dt_s: float) -> None:
        """Let time pass, then write the registers."""
        self.state = state = step(self.state, dt_s, self._rng, self._options)
        lux, air = NO_ILLUMINANCE, NO_TEMPERATURE
        if not state.gap_s:
            height = sun(state.hour, self._options.day_of_year, self._options.latitude)
            lux = min(NO_ILLUMINANCE - 1, round(illuminance(state, height)))
            air = round(state.air * 10)
        _VALUES.pack_into(self.memory.inputs.image, 0, lux, air)
