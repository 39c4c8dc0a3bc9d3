"""A vehicle on its round: a closed way with stops, and what a receiver in it could know. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random
from typing import Final

EARTH_M: Final = 6_371_008.8
CRUISE_M_S: Final = 11.0
GAIN_M_S2: Final = 1.1
STOPS_S: Final = 20.0
NOISE_M: Final = 1.2
"""By so much a receiver is wrong, standard deviation; it wanders slowly."""
NOISE_REMEMBERS_S: Final = 60.0
ROUND: Final = (
    (0.0, 0.0),
    (380.0, 20.0),
    (420.0, 60.0),
    (430.0, 520.0),
    (470.0, 560.0),
    (900.0, 600.0),
    (930.0, 300.0),
    (870.0, -180.0),
    (520.0, -210.0),
    (60.0, -90.0),
)
"""Corners, metres east and north of where it begins; the last joins the first."""
STOPS: Final = (0, 3, 6)
"""Corners at which it stops."""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """Where it is on its round."""

    leg: int = 0
    gone_m: float = 0.0
    """On this leg."""
    speed: float = 0.0
    waits_s: float = 0.0
    passed_s: float = 0.0
    """Since the start."""
    error_e: float = 0.0
    error_n: float = 0.0


def _corner(number: int) -> tuple[float, float]:
    return ROUND[number % len(ROUND)]


def leg_m(leg: int) -> float:
    """Return how long a leg is, metres."""
    (east, north), (to_east, to_north) = _corner(leg), _corner(leg + 1)
    return math.hypot(to_east - east, to_north - north)


def drive(state: Vehicle, dt_s: float, rng: Random) -> Vehicle:
    """Return the vehicle `dt_s` seconds later."""
    keep = math.exp(-dt_s / NOISE_REMEMBERS_S)
    spread = NOISE_M * math.sqrt(1 - keep * keep)
    state = replace(
        state,
        passed_s=state.passed_s + dt_s,
        error_e=state.error_e * keep + spread * rng.gauss(0, 1),
        error_n=state.error_n * keep + spread * rng.gauss(0, 1),
    )
    if state.waits_s > 0:
        return replace(state, speed=0.0, waits_s=max(0.0, state.waits_s - dt_s))
    stops = (state.leg + 1) % len(ROUND) in STOPS
    left_m = leg_m(state.leg) - state.gone_m
    may = math.sqrt(2 * GAIN_M_S2 * max(0.0, left_m) + 0.25) if stops else CRUISE_M_S
    speed = max(0.3, min(CRUISE_M_S, may, state.speed + GAIN_M_S2 * dt_s))
    gone_m = state.gone_m + speed * dt_s
    if gone_m < leg_m(state.leg):
        return replace(state, gone_m=gone_m, speed=speed)
    waits_s = STOPS_S if stops else 0.0
    return replace(
        state,
        leg=(state.leg + 1) % len(ROUND),
        gone_m=0.0 if stops else gone_m - leg_m(state.leg),
        speed=0.0 if stops else speed,
        waits_s=waits_s,
    )


def place_m(state: Vehicle) -> tuple[float, float]:
    """Return where it is, metres east and north."""
    (east, north), (to_east, to_north) = _corner(state.leg), _corner(state.leg + 1)
    share = state.gone_m / leg_m(state.leg)
    return east + share * (to_east - east), north + share * (to_north - north)


def course(state: Vehicle) -> float:
    """Return where it goes, degrees from north."""
    (east, north), (to_east, to_north) = _corner(state.leg), _corner(state.leg + 1)
    return math.degrees(math.atan2(to_east - east, to_north - north)) % 360


def on_earth(origin: tuple[float, float], east_m: float, north_m: float) -> tuple[float, float]:
    """Return latitude and longitude of a place near `origin` (latitude, longitude), degrees."""
    latitude = origin[0] + math.degrees(north_m / EARTH_M)
    width = EARTH_M * math.cos(math.radians(origin[0]))
    return latitude, origin[1] + math.degrees(east_m / width)
