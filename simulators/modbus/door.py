"""demo-door: the contact of a cabinet's door, with a lamp beside it.

Register map: `simulators/modbus/README.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from pydantic import Field

from simulators.modbus.device import TwinOptions, happens, identity, input_answers
from simulators.modbus.memory import Bits, Memory, Words

MODEL: Final = "demo-door"
LED_STATES: Final = 3
"""Off, green, red."""
SHORTEST_S: Final = 4.0
LONGEST_S: Final = 25.0


class DoorOptions(TwinOptions):
    """Options of a door contact in a scene."""

    kind: Literal["door"] = "door"
    openings_per_hour: float = Field(
        default=30.0, ge=0, le=3600, description="how often somebody opens the door"
    )
    tamper: bool = Field(default=False, description="the housing of the contact was opened")


@dataclass(frozen=True, slots=True)
class DoorState:
    """The door; it is closed when no time is left."""

    open_s: float = 0.0
    """How long it will still be open."""


def step(state: DoorState, dt_s: float, rng: Random, openings_per_hour: float) -> DoorState:
    """Return the state `dt_s` seconds later."""
    if state.open_s > 0:
        return DoorState(max(0.0, state.open_s - dt_s))
    if happens(openings_per_hour, dt_s, rng):
        return DoorState(rng.uniform(SHORTEST_S, LONGEST_S))
    return state


class Door:
    """The contact as a device."""

    identity: Final = identity(MODEL)
    answers_at: Final = input_answers(0)
    step_s: Final = 0.1

    def __init__(self, options: DoorOptions) -> None:
        """Take the scene's options."""
        self.memory = Memory(
            discrete=Bits(spans=(range(2),)),
            inputs=Words(spans=(range(2),)),
            holding=Words(spans=(range(1),), writable={0: range(LED_STATES)}),
        )
        self.state = DoorState()
        self._options = options
        self._rng = Random(options.seed)
        self.advance(self.step_s)

    def power_on(self) -> None:
        """Switch the lamp off."""
        self.memory.holding.image[:] = bytes(2)

    def advance(self, dt_s: float) -> None:
        """Let time pass, then write the contacts."""
        self.state = step(self.state, dt_s, self._rng, self._options.openings_per_hour)
        self.memory.discrete.image[:] = bytes((self.state.open_s > 0, self._options.tamper))
