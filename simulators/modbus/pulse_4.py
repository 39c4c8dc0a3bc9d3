"""demo-pulse-4: counts the pulses of four meters.

Its counters are as wide as their registers and start at 0 again; without retention they also do so
after a loss of power. Contacts bounce: what is shorter than its debounce time is not counted.
Register map: `simulators/modbus/README.md`.
"""

from __future__ import annotations

import struct
from random import Random
from typing import Annotated, Final, Literal

from pydantic import Field

from simulators.modbus.device import TwinOptions, identity, input_answers
from simulators.modbus.memory import Memory, Words

MODEL: Final = "demo-pulse-4"
COUNTERS: Final = 4
SIZES: Final = (1 << 32, 1 << 32, 1 << 16, 1 << 16)
DEBOUNCE_MS: Final = 30
_VALUES: Final = struct.Struct(">IIHH")

Rate = Annotated[float, Field(ge=0, le=100)]


class PulseOptions(TwinOptions):
    """Options of a pulse module in a scene."""

    kind: Literal["pulse-4"] = "pulse-4"
    per_hour: tuple[Rate, Rate, Rate, Rate] = Field(
        default=(60.0, 30.0, 60.0, 30.0), description="pulses an hour on average, by input"
    )
    start: tuple[int, int, int, int] = Field(
        default=(0, 0, 0, 0), description="what its counters are at, each within its register"
    )
    retains: bool = Field(default=True, description="keeps its counters without power")


class Pulse4:
    """The module as a device."""

    identity: Final = identity(MODEL)
    answers_at: Final = input_answers(6)
    step_s: Final = 0.1

    def __init__(self, options: PulseOptions) -> None:
        """Take the scene's options."""
        self.memory = Memory(
            inputs=Words(spans=(range(8),)),
            holding=Words(spans=(range(1),), writable={0: range(1, 251)}),
        )
        self.pulses = [0] * COUNTERS
        """What the meters have sent since the start, counted by nobody else."""
        self._options = options
        self._rng = Random(options.seed)
        self._share = [0.0] * COUNTERS
        self.power_on()
        self._base = list(options.start)
        self.advance(0.0)

    def power_on(self) -> None:
        """Set the debounce time back; without retention the counters too."""
        self.memory.holding.image[:] = DEBOUNCE_MS.to_bytes(2, "big")
        if not self._options.retains:
            self._base = [-pulses for pulses in self.pulses]

    def count(self, place: int, pulses: int) -> None:
        """Let so many pulses come at an input."""
        self.pulses[place] += pulses
        self.advance(0.0)

    def advance(self, dt_s: float) -> None:
        """Let the meters run, then write the registers."""
        for place, per_hour in enumerate(self._options.per_hour):
            self._share[place] += per_hour * dt_s / 3600 * self._rng.uniform(0.5, 1.5)
            whole = int(self._share[place])
            self._share[place] -= whole
            self.pulses[place] += whole
        told = [
            (base + pulses) % size
            for base, pulses, size in zip(self._base, self.pulses, SIZES, strict=True)
        ]
        self.memory.inputs.image[: _VALUES.size] = _VALUES.pack(*told)
