"""What a kind of twin is: tables, identity, physics. And what all kinds share."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from random import Random
from typing import Annotated, Final, Protocol

from pydantic import Field

from simulators.modbus.memory import Memory
from simulators.modbus.pdu import Function, Identity, ReadRange
from simulators.options import SerialTwinOptions

ANSWERS_WORDS: Final = 2
"""Registers of the counter of answers: 32 bits, big-endian."""
DAY_S: Final = 86_400.0
HOUR_S: Final = 3_600.0


class TwinOptions(SerialTwinOptions):
    """What every Modbus twin in a scene says of itself."""

    unit: int = Field(default=1, ge=1, le=247, description="Modbus unit identifier")

    @property
    def place(self) -> Hashable:
        """Return the unit: on TCP no other device may have it."""
        return self.unit

    @property
    def place_name(self) -> str:
        """Return the unit in words."""
        return f"unit {self.unit}"


class Device(Protocol):
    """One kind of twin, without its line, its faults and its counter."""

    @property
    def memory(self) -> Memory:
        """Return the tables; writes have already gone in when `advance` is called."""
        ...

    @property
    def identity(self) -> Identity:
        """Return the objects of the device identification."""
        ...

    @property
    def answers_at(self) -> ReadRange | None:
        """Return where the counter of answers stands; None: there is none, nothing is noted."""
        ...

    @property
    def step_s(self) -> float:
        """Return how much time must pass before the physics is worth a step."""
        ...

    def power_on(self) -> None:
        """Be as after power-up: volatile settings at their defaults."""
        ...

    def advance(self, dt_s: float) -> None:
        """Let `dt_s` seconds pass and bring the tables up to date."""
        ...


class Switches(Protocol):
    """What can be told about groups of lamps: is each of them on?"""

    @property
    def switched(self) -> Sequence[bool]:
        """Return one boolean a group."""
        ...


def identity(model: str, revision: str = "1.0") -> Identity:
    """Return the device identification of a twin (V1.1b3, 6.21: objects 0 to 5)."""
    return {
        0x00: b"Mayak",
        0x01: model.encode(),
        0x02: revision.encode(),
        0x03: b"",
        0x04: b"Mayak twin",
        0x05: model.encode(),
    }


def input_answers(address: int) -> ReadRange:
    """Return the place of a counter of answers among the input registers."""
    return ReadRange(Function.READ_INPUT_REGISTERS, address, ANSWERS_WORDS)


def wander(
    value: float, mean: float, sigma: float, tau_s: float, dt_s: float, rng: Random
) -> float:
    """Return the next value of a process that wanders about `mean` (Ornstein-Uhlenbeck).

    Args:
        value: where it is.
        mean: where it is drawn to.
        sigma: how far it strays, standard deviation.
        tau_s: how long it remembers.
        dt_s: how much time passes.
        rng: the twin's random numbers.
    """
    keep = math.exp(-dt_s / tau_s)
    return mean + (value - mean) * keep + sigma * math.sqrt(1 - keep * keep) * rng.gauss(0, 1)


def happens(rate_per_hour: float, dt_s: float, rng: Random) -> bool:
    """Say whether something that happens so often happens within `dt_s` (Poisson)."""
    return rng.random() < -math.expm1(-rate_per_hour * dt_s / HOUR_S)


StartHour = Annotated[
    float, Field(ge=0, lt=24, description="local solar time at the start of the scene, hours")
]
DayLength = Annotated[
    float, Field(gt=0, description="seconds that a whole day takes; less than 86400 hurries it")
]
