"""bank: many holding registers that wander, for load scenes. Cheap: packed once a step.

Holding registers 0 to N-1 are u16; the counter of answers stands at N and N+1.
"""

from __future__ import annotations

import sys
from array import array
from random import Random
from typing import Final, Literal

from pydantic import Field

from simulators.modbus.device import ANSWERS_WORDS, TwinOptions, identity
from simulators.modbus.memory import WORD, Memory, Words
from simulators.modbus.pdu import Function, ReadRange

MODEL: Final = "demo-bank"
LOW: Final = 1000
HIGH: Final = 60000
STRIDE: Final = 7
"""How far a register moves in one step, at most."""


class BankOptions(TwinOptions):
    """Options of a bank in a scene."""

    kind: Literal["bank"] = "bank"
    registers: int = Field(default=50, ge=1, le=10_000, description="how many wander")
    refresh_s: float = Field(default=1.0, gt=0, le=3600, description="time between two steps")


def step(values: list[int], rng: Random) -> list[int]:
    """Return every register a little up or down, kept between LOW and HIGH."""
    width = 2 * STRIDE + 1
    return [
        min(HIGH, max(LOW, value + change % width - STRIDE))
        for value, change in zip(values, rng.randbytes(len(values)), strict=True)
    ]


class Bank:
    """The bank as a device."""

    identity: Final = identity(MODEL)

    def __init__(self, options: BankOptions) -> None:
        """Take the scene's options."""
        count = options.registers
        self.memory = Memory(holding=Words(spans=(range(count + ANSWERS_WORDS),)))
        self.answers_at: Final = ReadRange(Function.READ_HOLDING_REGISTERS, count, ANSWERS_WORDS)
        self.step_s: Final = options.refresh_s
        self._rng = Random(options.seed)
        self._values = [self._rng.randint(LOW, HIGH) for _place in range(count)]
        self.advance(self.step_s)

    def power_on(self) -> None:
        """Have nothing to forget."""

    def advance(self, dt_s: float) -> None:  # noqa: ARG002 - a bank moves by steps
        """Move every register once, then pack them."""
        self._values = step(self._values, self._rng)
        packed = array("H", self._values)
        if sys.byteorder == "little":
            packed.byteswap()
        self.memory.holding.image[: WORD * len(packed)] = packed.tobytes()
