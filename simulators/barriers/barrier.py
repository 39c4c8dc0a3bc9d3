"""A barrier behind the relays and inputs of a Modbus module.

Coils 0 to 2: impulses to open, to close, to stop. Discrete inputs 0 to 3: opened, closed, loop,
photo cell. Input registers 0 and 1: the counter of answers. The map is this twin's own.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Final, Literal

from pydantic import Field

from simulators.barriers.boom import PASSES_S, Boom, Drive, move, order
from simulators.faults import Forced, Jammed
from simulators.modbus.device import TwinOptions, identity, input_answers
from simulators.modbus.memory import Bits, Memory, Words
from simulators.modbus.twin import ModbusTwin
from simulators.truth import TruthJournal

MODEL: Final = "demo-barrier"
OUTPUTS: Final = 3
INPUTS: Final = 4


class BarrierOptions(TwinOptions):
    """Options of a barrier in a scene."""

    kind: Literal["barrier"] = "barrier"
    travel_s: float = Field(default=1.4, gt=0, le=60, description="from one end to the other")
    opened: bool = Field(default=False, description="it is open at the start")
    reverses: bool = Field(
        default=True, description="its own control opens again when a car comes under it"
    )
    cars_per_hour: float = Field(
        default=0.0, ge=0, description="cars that drive through while it is open"
    )
    photo_normally_closed: bool = Field(
        default=True, description="the photo cell shows 0 when something is in its light"
    )


class Barrier:
    """The module and the boom behind it."""

    identity: Final = identity(MODEL)
    answers_at: Final = input_answers(0)
    step_s: Final = 0.005

    def __init__(self, options: BarrierOptions) -> None:
        """Take the scene's options."""
        self.memory = Memory(
            coils=Bits(spans=(range(OUTPUTS),)),
            discrete=Bits(spans=(range(INPUTS),)),
            inputs=Words(spans=(range(2),)),
        )
        self.boom = Boom(1.0 if options.opened else 0.0)
        self.jammed = self.lifted = False
        self._options: Final = options
        self._rng: Final = Random(options.seed)
        self._before = bytes(OUTPUTS)
        self.power_on()

    def power_on(self) -> None:
        """Let all coils fall off; the boom stays where it is, and stands."""
        self.memory.coils.image[:] = bytes(OUTPUTS)
        self._before = bytes(OUTPUTS)
        self.boom = replace(self.boom, motor=0)
        self._show()

    def car_comes(self) -> None:
        """Let a car drive onto the loop now."""
        self.boom = replace(self.boom, car_s=PASSES_S)
        self._show()

    def advance(self, dt_s: float) -> None:
        """Let time pass: impulses are taken at their beginning, as a control does."""
        coils = bytes(self.memory.coils.image)
        rising = [bool(now and not was) for now, was in zip(coils, self._before, strict=True)]
        self._before = coils
        drive = Drive(
            self._options.travel_s,
            self._options.reverses,
            self._options.cars_per_hour,
            self.jammed,
            self.lifted,
        )
        boom = order(self.boom, open_it=rising[0], close_it=rising[1], stop_it=rising[2])
        self.boom = move(boom, drive, dt_s, self._rng)
        self._show()

    def _show(self) -> None:
        boom = self.boom
        photo = boom.car ^ self._options.photo_normally_closed
        self.memory.discrete.image[:] = bytes((boom.opened, boom.closed, boom.car, photo))


class BarrierTwin(ModbusTwin):
    """The barrier as a twin: what befalls its boom is a fault like others."""

    def __init__(self, options: BarrierOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        self.barrier: Final = Barrier(options)
        super().__init__(options.id, options.unit, self.barrier, truth, options.baud_rate)

    def advance(self, now_s: float) -> None:
        """Let the physics run up to that time."""
        held = [item.fault for item in self.faults]
        self.barrier.jammed = any(isinstance(fault, Jammed) for fault in held)
        self.barrier.lifted = any(isinstance(fault, Forced) for fault in held)
        super().advance(now_s)
