"""A boom with a motor, limit switches, loop and photo cell, and cars that come: physics. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random
from typing import Final

OPENED_FROM: Final = 0.98
"""Of the way: from here on the upper limit switch is closed."""
CLOSED_TO: Final = 0.02
HAND_S: Final = 0.4
"""How long a person takes to lift it."""
PASSES_S: Final = 3.0
"""How long a car stands on the loop while it drives through."""
HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Boom:
    """Where it is and what it does."""

    way: float = 0.0
    """0 closed, 1 open."""
    motor: int = 0
    """1 opens, -1 closes, 0 stands."""
    car_s: float = 0.0
    """How much longer a car stands on the loop and in the light of the photo cell."""

    @property
    def opened(self) -> bool:
        """Return the upper limit switch."""
        return self.way >= OPENED_FROM

    @property
    def closed(self) -> bool:
        """Return the lower limit switch."""
        return self.way <= CLOSED_TO

    @property
    def car(self) -> bool:
        """Return whether a car is under it."""
        return self.car_s > 0


@dataclass(frozen=True, slots=True)
class Drive:
    """What holds for a while."""

    travel_s: float
    """How long the whole way takes."""
    reverses: bool
    """Its own control opens again when a car comes under it."""
    cars_per_hour: float
    jammed: bool
    lifted: bool


def order(boom: Boom, *, open_it: bool, close_it: bool, stop_it: bool) -> Boom:
    """Return the boom after impulses on its inputs; to stop goes before to open before to close."""
    if stop_it:
        return replace(boom, motor=0)
    if open_it:
        return replace(boom, motor=1)
    if close_it:
        return replace(boom, motor=-1)
    return boom


def move(boom: Boom, drive: Drive, dt_s: float, rng: Random) -> Boom:
    """Return the boom `dt_s` seconds later."""
    car_s = max(0.0, boom.car_s - dt_s)
    free = boom.opened and not boom.car
    if free and rng.random() < -math.expm1(-drive.cars_per_hour * dt_s / HOUR_S):
        car_s = PASSES_S
    motor = boom.motor
    if motor < 0 and boom.car and drive.reverses:
        motor = 1
    if drive.lifted:
        return Boom(min(1.0, boom.way + dt_s / HAND_S), 0, car_s)
    way = boom.way
    if motor and not drive.jammed:
        way = min(1.0, max(0.0, way + motor * dt_s / drive.travel_s))
    if way in {0.0, 1.0} and not drive.jammed and (way == 1.0) == (motor > 0):
        motor = 0
    return Boom(way, motor, car_s)
