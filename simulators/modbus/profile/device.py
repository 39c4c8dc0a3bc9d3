"""profile: a twin whose registers are those of a profile.

They hold what the test vectors say, and elsewhere values of an ordinary day inside the limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Final, Literal

from pydantic import Field, field_validator

from simulators.modbus.device import TwinOptions
from simulators.modbus.memory import WORD, Bits, Memory, Words
from simulators.modbus.pdu import Identity
from simulators.modbus.profile.guess import TEXT, accepts, guess, usual
from simulators.modbus.profile.reader import (
    Cell,
    Plan,
    ProfileTwinError,
    Value,
    find,
    read_plan,
)
from simulators.modbus.profile.tables import (
    alone,
    counter,
    fixed,
    identity,
    inside_another,
    moves,
    raw_of,
    sharing,
    spans,
    text_registers,
    writable,
)
from simulators.modbus.profile.wire import pattern_of, put

STRAY: Final = 0.02
"""How far a lively value goes from the usual one, as a part of it."""


class ProfileOptions(TwinOptions):
    """Options of a twin by profile in a scene."""

    kind: Literal["profile"] = "profile"
    profile: str = Field(description="name of one of Mayak's own, or a path that ends in .toml")
    vector: int | None = Field(
        default=None,
        ge=1,
        description="number of the test vector that its registers hold, from 1; none: all of them",
    )
    gaps: bool = Field(
        default=True,
        description="gives registers between points as far as max_gap; false: refuses them",
    )
    lively: bool = Field(default=False, description="values that no vector fixes move a little")
    answers: str | None = Field(
        default=None, description="name of a u32 point that counts answers, for the truth journal"
    )

    @field_validator("profile")
    @classmethod
    def _readable(cls, profile: str) -> str:
        read_plan(find(profile))
        return profile


class ProfileDevice:
    """A device by profile."""

    step_s: Final = 1.0

    def __init__(
        self,
        plan: Plan,
        *,
        vector: int | None = None,
        gaps: bool = True,
        lively: bool = False,
        answers: str | None = None,
        seed: int = 1,
    ) -> None:
        """Fill the tables; the options are those of `ProfileOptions`.

        Raises:
            ProfileTwinError: there is no such vector, no such point that can count answers, or
                nothing is inside the limits of a point.
        """
        if vector is not None and vector > len(plan.vectors):
            msg = f"{plan.name} has {len(plan.vectors)} test vectors, no number {vector}"
            raise ProfileTwinError(msg)
        self._plan: Final = plan
        self._rng: Final = Random(seed)
        held = plan.vectors if vector is None else plan.vectors[vector - 1 : vector]
        offered = spans(plan, gaps=gaps)
        self.memory: Final = Memory(
            coils=Bits(spans=offered["coil"], fixed=fixed(plan)),
            discrete=Bits(spans=offered["discrete"]),
            holding=Words(
                spans=offered["holding"], writable=writable(plan), alone=alone(plan, "holding")
            ),
            inputs=Words(spans=offered["input"], alone=alone(plan, "input")),
        )
        self.identity: Final[Identity] = identity(plan)
        self.answers_at: Final = counter(plan, answers)
        self._images: Final[Mapping[str, bytearray]] = {
            "coil": self.memory.coils.image,
            "discrete": self.memory.discrete.image,
            "holding": self.memory.holding.image,
            "input": self.memory.inputs.image,
        }
        self.power_on()  # a safe state that is none is told at once, not after a power cut
        for cells in sharing(plan.cells):
            self._fill(cells)
        for signature in plan.signatures:
            if not inside_another(plan, signature):
                self.set(signature.cell, signature.value, raw=True)
        for each in reversed(held):
            self._hold(each.place.table, each.place.addresses, each.data)
        places = [each.place for each in held]
        places += [each.cell.place for each in plan.signatures if not inside_another(plan, each)]
        still = {(place.table, at) for place in places for at in place.addresses}
        self._moving: Final = [
            cell
            for cell, *others in sharing(plan.cells)
            if lively
            and not others
            and cell.name != answers
            and moves(cell)
            and still.isdisjoint((cell.place.table, at) for at in cell.place.addresses)
        ]

    def power_on(self) -> None:
        """Put actuators into their safe state; what has none keeps what it was told."""
        for cell in self._plan.cells:
            if cell.safe is not None:
                value = cell.names.get(cell.safe) if isinstance(cell.safe, str) else cell.safe
                self.set(cell, cell.safe if value is None else value)

    def advance(self, dt_s: float) -> None:
        """Move what is lively."""
        del dt_s
        for cell in self._moving:
            wanted = usual(cell) * (1 + self._rng.uniform(-STRAY, STRAY))
            pattern = pattern_of(cell.form, (wanted - cell.offset) / cell.scale)
            if pattern is not None and accepts(cell, pattern):
                self._put(cell, pattern)

    def set(self, cell: Cell, value: Value, *, raw: bool = False) -> None:
        """Let a cell have a value.

        Args:
            cell: of the plan.
            value: in the unit of the cell; a text for a text.
            raw: the value is without scale and offset.

        Raises:
            ProfileTwinError: it does not fit.
        """
        if cell.form.kind == "string":
            self._store(cell, text_registers(cell, str(value)))
        else:
            self._put(cell, raw_of(cell, value, raw=raw))

    def _fill(self, cells: Sequence[Cell]) -> None:
        if cells[0].form.kind == "string":
            text = TEXT[: 2 * cells[0].form.words]
            self._store(cells[0], text_registers(cells[0], text))
        else:
            self._put(cells[0], guess(cells))

    def _put(self, cell: Cell, pattern: int) -> None:
        if cell.place.table in {"coil", "discrete"}:
            self._images[cell.place.table][cell.place.address] = pattern
        else:
            at = WORD * cell.place.address
            before = bytes(self._images[cell.place.table][at : at + WORD * cell.place.count])
            self._store(cell, put(cell.form, before, pattern))

    def _store(self, cell: Cell, registers: bytes) -> None:
        at = WORD * cell.place.address
        self._images[cell.place.table][at : at + len(registers)] = registers

    def _hold(self, table: str, addresses: range, data: bytes) -> None:
        if table in {"coil", "discrete"}:
            number = int.from_bytes(data, "little")
            packed = bytes(number >> place & 1 for place in range(len(addresses)))
            self._images[table][addresses.start : addresses.stop] = packed
        else:
            self._images[table][WORD * addresses.start : WORD * addresses.stop] = data


def build(options: ProfileOptions) -> ProfileDevice:
    """Return the device that the scene asks for.

    Raises:
        ProfileTwinError: none can be made of the profile.
    """
    return ProfileDevice(
        read_plan(find(options.profile)),
        vector=options.vector,
        gaps=options.gaps,
        lively=options.lively,
        answers=options.answers,
        seed=options.seed,
    )
