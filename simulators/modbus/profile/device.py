"""profile: a twin whose registers are those of a profile.

They hold what the test vectors say, and elsewhere values of an ordinary day inside the limits.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from random import Random
from typing import Final, Literal

from pydantic import Field, field_validator

from simulators.modbus.device import ANSWERS_WORDS, TwinOptions
from simulators.modbus.memory import WORD, Bits, Memory, Words
from simulators.modbus.pdu import Function, Identity, ReadRange
from simulators.modbus.profile.guess import TEXT, accepts, guess, usual
from simulators.modbus.profile.reader import Cell, Plan, ProfileTwinError, find, read_plan
from simulators.modbus.profile.wire import number_of, ordered, pattern_of, put, text_of

GAP_BITS: Final = 16
"""Bits of a gap that count as one register."""
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
        spans = _spans(plan, gaps=gaps)
        self.memory: Final = Memory(
            coils=Bits(spans=spans["coil"], fixed=_fixed(plan)),
            discrete=Bits(spans=spans["discrete"]),
            holding=Words(spans=spans["holding"], writable=_writable(plan)),
            inputs=Words(spans=spans["input"]),
        )
        self.identity: Final[Identity] = _identity(plan)
        self.answers_at: Final = _counter(plan, answers)
        self._images: Final[Mapping[str, bytearray]] = {
            "coil": self.memory.coils.image,
            "discrete": self.memory.discrete.image,
            "holding": self.memory.holding.image,
            "input": self.memory.inputs.image,
        }
        for cells in _sharing(plan.cells):
            self._fill(cells)
        for signature in plan.signatures:
            self.set(signature.cell, signature.value, raw=True)
        for each in reversed(held):
            self._hold(each.place.table, each.place.addresses, each.data)
        places = [each.place for each in held]
        places += [signature.cell.place for signature in plan.signatures]
        fixed = {(place.table, at) for place in places for at in place.addresses}
        self._moving: Final = [
            cell
            for cell, *others in _sharing(plan.cells)
            if lively
            and not others
            and cell.name != answers
            and _moves(cell)
            and fixed.isdisjoint((cell.place.table, at) for at in cell.place.addresses)
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

    def set(self, cell: Cell, value: bool | float | str, *, raw: bool = False) -> None:  # noqa: FBT001 - a value, no switch
        """Let a cell have a value.

        Args:
            cell: of the plan.
            value: in the unit of the cell; a text for a text.
            raw: the value is without scale and offset.

        Raises:
            ProfileTwinError: it does not fit.
        """
        if cell.form.kind == "string":
            self._store(cell, ordered(cell.form, text_of(cell.form, str(value))))
            return
        if isinstance(value, str):
            msg = f"{cell.name}: {value!r} is no number"
            raise ProfileTwinError(msg)
        number = float(value)
        exact = number if raw or cell.form.kind == "bool" else (number - cell.offset) / cell.scale
        pattern = pattern_of(cell.form, exact)
        if pattern is None:
            msg = f"{cell.name}: {value} does not fit into its registers"
            raise ProfileTwinError(msg)
        self._put(cell, pattern)

    def _fill(self, cells: Sequence[Cell]) -> None:
        if cells[0].form.kind == "string":
            text = TEXT[: 2 * cells[0].form.words]
            self._store(cells[0], ordered(cells[0].form, text_of(cells[0].form, text)))
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


def _sharing(cells: Iterable[Cell]) -> list[list[Cell]]:
    """Return the cells in groups of those that are several names for one value."""
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.place, cell.form.mask, cell.form.kind), []).append(cell)
    return list(groups.values())


def _moves(cell: Cell) -> bool:
    return not (cell.writable or cell.states or cell.form.kind in {"bool", "string"})


def _spans(plan: Plan, *, gaps: bool) -> dict[str, tuple[range, ...]]:
    """Return which addresses each table offers: points, vectors, signatures, gaps between them."""
    places = [cell.place for cell in plan.cells]
    places += [signature.cell.place for signature in plan.signatures]
    places += [held.place for held in plan.vectors]
    never = {(place.table, at) for place in plan.never for at in place.addresses}
    spans: dict[str, tuple[range, ...]] = {}
    for table in ("coil", "discrete", "holding", "input"):
        ours = sorted(
            (place.addresses for place in places if place.table == table), key=lambda one: one.start
        )
        widest = plan.max_gap * (GAP_BITS if table in {"coil", "discrete"} else 1) if gaps else 0
        joined: list[range] = []
        for one in ours:
            if joined and one.start - joined[-1].stop <= widest:
                between = range(joined[-1].stop, one.start)
                if not any((table, at) in never for at in between):
                    joined[-1] = range(joined[-1].start, max(joined[-1].stop, one.stop))
                    continue
            joined.append(one)
        spans[table] = tuple(joined)
    return spans


def _writable(plan: Plan) -> dict[int, Container[int]]:
    """Return which values each writable holding register takes."""
    takes: dict[int, Container[int]] = {}
    for cell in plan.cells:
        if cell.writable and cell.place.table == "holding":
            alone = cell.place.count == 1 and cell.form.mask is None and cell.form.kind != "string"
            for address in cell.place.addresses:
                takes[address] = _Takes(cell) if alone else range(0x10000)
    return takes


def _fixed(plan: Plan) -> frozenset[int]:
    """Return the coils that cannot be written."""
    coils = [cell for cell in plan.cells if cell.place.table == "coil"]
    free = {cell.place.address for cell in coils if cell.writable}
    return frozenset(cell.place.address for cell in coils) - free


class _Takes:
    """The values that one register takes: those that mean something."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def __contains__(self, word: object) -> bool:
        if not isinstance(word, int):
            return False
        form = self._cell.form
        pattern = int.from_bytes(ordered(form, word.to_bytes(WORD, "big")), "big")
        return accepts(self._cell, pattern) and number_of(form, pattern) is not None


def _identity(plan: Plan) -> Identity:
    """Return the device identification; the three basic objects are always there (6.21)."""
    return {
        0x00: b"Mayak",
        0x01: plan.name.encode(),
        0x02: b"1.0",
        **plan.objects,
    }


def _counter(plan: Plan, answers: str | None) -> ReadRange | None:
    """Return where answers are counted.

    Raises:
        ProfileTwinError: no such point, or it is no u32 in registers, its high register first.
    """
    if answers is None:
        return None
    functions = {
        "holding": Function.READ_HOLDING_REGISTERS,
        "input": Function.READ_INPUT_REGISTERS,
    }
    for cell in plan.cells:
        if (cell.name, cell.form.kind, cell.form.order, cell.form.mask) == (
            answers,
            "u32",
            "ABCD",
            None,
        ):
            return ReadRange(functions[cell.place.table], cell.place.address, ANSWERS_WORDS)
    msg = f"{plan.name} has no point {answers} that can count answers (u32, ABCD)"
    raise ProfileTwinError(msg)
