"""What sensors of air and weather measure: dust in a street, breath in a room, a day's weather.

Pure: a state, the seconds that pass, random numbers of the twin's own, and the next state.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random
from typing import Final

HOURS: Final = 24.0
OUTDOOR_PPM: Final = 420.0
BREATH_L_H: Final = 18.0
"""Carbon dioxide that a sitting person breathes out in an hour, litres."""
DUST_REMEMBERS_S: Final = 1800.0
RAIN_REMEMBERS_S: Final = 900.0
OPENS: Final = 8.0
CLOSES: Final = 14.0
"""Hours between which a school has lessons."""
LESSON: Final = 0.75
"""Of each hour."""


def drift(value: float, mean: float, sigma: float, tau_s: float, dt_s: float, rng: Random) -> float:
    """Return the next value of what wanders about `mean`.

    Args:
        value: where it is.
        mean: where it is drawn to.
        sigma: how far it strays, standard deviation.
        tau_s: how long it remembers, seconds.
        dt_s: how much time passes.
        rng: the twin's random numbers.
    """
    keep = math.exp(-dt_s / tau_s)
    return mean + (value - mean) * keep + sigma * math.sqrt(1 - keep * keep) * rng.gauss(0, 1)


def rush(hour: float) -> float:
    """Return how much traffic there is at an hour of the day, 0 to 1: peaks at 8 and 18."""
    return max(math.exp(-(((hour - peak) / 1.6) ** 2)) for peak in (8.0, 18.0))


@dataclass(frozen=True, slots=True)
class Dust:
    """The air of a street."""

    hour: float
    pm2_5: float = 12.0
    """ug/m3."""
    coarse: float = 9.0
    """What PM10 has beyond PM2.5, ug/m3."""

    @property
    def pm1(self) -> float:
        """Return the share of the finest, ug/m3."""
        return 0.65 * self.pm2_5

    @property
    def pm10(self) -> float:
        """Return all of it, ug/m3."""
        return self.pm2_5 + self.coarse

    def counts(self) -> tuple[int, ...]:
        """Return how many particles are larger than 0.3, 0.5, 1, 2.5, 5, 10 um in 0.1 L of air."""
        fine, coarse = self.pm2_5, self.coarse
        shares = (170 * fine, 50 * fine, 8 * fine, 0.8 * coarse, 0.25 * coarse, 0.06 * coarse)
        rising = [shares[-1]]
        for share in reversed(shares[:-1]):
            rising.append(max(share, rising[-1]))
        return tuple(round(count) for count in reversed(rising))


def blow(state: Dust, dt_s: float, day_s: float, rng: Random) -> Dust:
    """Return the air `dt_s` seconds later; a whole day takes `day_s` seconds."""
    hour = (state.hour + dt_s * HOURS / day_s) % HOURS
    traffic = rush(hour)
    faster = 86_400 / day_s
    tau_s = DUST_REMEMBERS_S / faster
    return Dust(
        hour,
        max(0.5, drift(state.pm2_5, 9 + 26 * traffic, 3.0, tau_s, dt_s, rng)),
        max(0.5, drift(state.coarse, 6 + 22 * traffic, 3.0, tau_s, dt_s, rng)),
    )


@dataclass(frozen=True, slots=True)
class Room:
    """A room with people in it."""

    hour: float
    ppm: float = OUTDOOR_PPM
    people: int = 0


def lesson(hour: float) -> bool:
    """Say whether there is a lesson at that hour: 45 minutes of each hour from 8 to 14."""
    return OPENS <= hour < CLOSES and hour % 1 < LESSON


def breathe(
    state: Room,
    dt_s: float,
    *,
    people: int,
    volume_m3: float,
    changes_per_hour: float,
    day_s: float,
) -> Room:
    """Return the room `dt_s` seconds later.

    Args:
        state: the room.
        dt_s: seconds that pass.
        people: how many sit in it during a lesson; in the breaks a fifth of them.
        volume_m3: of the room.
        changes_per_hour: how often its air is changed.
        day_s: seconds a whole day takes.
    """
    hurry = 86_400 / day_s
    hours = dt_s * hurry / 3600
    hour = (state.hour + dt_s * HOURS / day_s) % HOURS
    here = people if lesson(hour) else (people // 5 if OPENS <= hour < CLOSES else 0)
    source = here * BREATH_L_H / volume_m3 * 1000
    settled = OUTDOOR_PPM + source / changes_per_hour
    ppm = settled + (state.ppm - settled) * math.exp(-changes_per_hour * hours)
    return Room(hour, ppm, here)


@dataclass(frozen=True, slots=True)
class Weather:
    """The weather over a roof."""

    hour: float
    air: float = 11.0
    """Degrees Celsius."""
    humidity: float = 62.0
    """Percent."""
    pressure: float = 1006.0
    """hPa."""
    wind: float = 3.0
    """m/s."""
    direction: float = 210.0
    """Degrees."""
    rain: float = 0.0
    """Fallen since the start, mm."""
    wet: float = -0.5
    """It rains when this is above 0, and so much."""


def change(state: Weather, dt_s: float, day_s: float, rng: Random) -> Weather:
    """Return the weather `dt_s` seconds later; a whole day takes `day_s` seconds."""
    hour = (state.hour + dt_s * HOURS / day_s) % HOURS
    faster = 86_400 / day_s
    warmth = math.cos((hour - 15) * math.pi / 12)
    wet = drift(state.wet, -0.6, 0.6, RAIN_REMEMBERS_S * 4 / faster, dt_s, rng)
    return replace(
        state,
        hour=hour,
        air=drift(state.air, 10 + 6 * warmth, 0.6, 1800 / faster, dt_s, rng),
        humidity=min(
            100.0,
            max(15.0, drift(state.humidity, 65 - 18 * warmth, 4.0, 1800 / faster, dt_s, rng)),
        ),
        pressure=drift(state.pressure, 1006.0, 6.0, 40_000 / faster, dt_s, rng),
        wind=max(0.0, drift(state.wind, 3.5, 1.6, 60.0 / faster, dt_s, rng)),
        direction=drift(state.direction, 220.0, 25.0, 300.0 / faster, dt_s, rng) % 360,
        rain=state.rain + max(0.0, wet) * 4 * dt_s * faster / 3600,
        wet=wet,
    )
