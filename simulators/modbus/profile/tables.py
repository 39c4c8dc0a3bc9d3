"""The tables of a twin by profile: which addresses there are, what may be written. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Final

from simulators.modbus.device import ANSWERS_WORDS
from simulators.modbus.memory import WORD
from simulators.modbus.pdu import Function, Identity, ReadRange
from simulators.modbus.profile.guess import accepts
from simulators.modbus.profile.reader import Cell, Plan, ProfileTwinError, Signature, Value
from simulators.modbus.profile.wire import number_of, ordered, pattern_of, put, text_of

GAP_BITS: Final = 16
"""Bits of a gap that count as one register."""


def sharing(cells: Iterable[Cell]) -> list[list[Cell]]:
    """Return the cells in groups of those that are several names for one value."""
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.place, cell.form.mask, cell.form.kind), []).append(cell)
    return list(groups.values())


def moves(cell: Cell) -> bool:
    """Say whether a value like this one moves by itself."""
    return not (cell.writable or cell.states or cell.form.kind in {"bool", "string"})


def spans(plan: Plan, *, gaps: bool) -> dict[str, tuple[range, ...]]:
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


def raw_of(cell: Cell, value: Value, *, raw: bool) -> int:
    """Return the raw value that stands for a value.

    Raises:
        ProfileTwinError: it does not fit.
    """
    if not isinstance(value, (int, float)):
        msg = f"{cell.name}: {value!r} is no number"
        raise ProfileTwinError(msg)
    plain = raw or cell.form.kind == "bool" or (cell.scale, cell.offset) == (1, 0)
    exact = value if plain else (value - cell.offset) / cell.scale
    pattern = pattern_of(cell.form, exact)
    if pattern is None:
        msg = f"{cell.name}: {value} does not fit into its registers"
        raise ProfileTwinError(msg)
    return pattern


def text_registers(cell: Cell, text: str) -> bytes:
    """Return a text as it goes on the wire.

    Raises:
        ProfileTwinError: it does not go into the registers of the cell.
    """
    try:
        return ordered(cell.form, text_of(cell.form, text))
    except ValueError as error:
        msg = f"{cell.name}: {error}"
        raise ProfileTwinError(msg) from error


def inside_another(plan: Plan, signature: Signature) -> bool:
    """Say whether the registers of a signature are some of those of a point that has more."""
    place = signature.cell.place
    return any(
        cell.place != place
        and cell.place.table == place.table
        and not set(cell.place.addresses).isdisjoint(place.addresses)
        for cell in plan.cells
    )


def alone(plan: Plan, table: str) -> dict[tuple[int, int], bytes]:
    """Return the signatures that stand only in a read of just these registers."""
    found: dict[tuple[int, int], bytes] = {}
    for signature in plan.signatures:
        cell = signature.cell
        if cell.place.table == table and inside_another(plan, signature):
            if cell.form.kind == "string":
                registers = text_registers(cell, str(signature.value))
            else:
                before = bytes(WORD * cell.place.count)
                registers = put(cell.form, before, raw_of(cell, signature.value, raw=True))
            found[cell.place.address, cell.place.count] = registers
    return found


def writable(plan: Plan) -> dict[int, Container[int]]:
    """Return which values each writable holding register takes."""
    takes: dict[int, Container[int]] = {}
    for cell in plan.cells:
        if cell.writable and cell.place.table == "holding":
            alone = cell.place.count == 1 and cell.form.mask is None and cell.form.kind != "string"
            for address in cell.place.addresses:
                takes[address] = Takes(cell) if alone else range(0x10000)
    return takes


def fixed(plan: Plan) -> frozenset[int]:
    """Return the coils that cannot be written."""
    coils = [cell for cell in plan.cells if cell.place.table == "coil"]
    free = {cell.place.address for cell in coils if cell.writable}
    return frozenset(cell.place.address for cell in coils) - free


class Takes:
    """The values that one register takes: those that mean something."""

    def __init__(self, cell: Cell) -> None:
        """Take the cell that has the register to itself."""
        self._cell = cell

    def __contains__(self, word: object) -> bool:
        """Say whether the register takes this word."""
        if not isinstance(word, int):
            return False
        form = self._cell.form
        pattern = int.from_bytes(ordered(form, word.to_bytes(WORD, "big")), "big")
        return accepts(self._cell, pattern) and number_of(form, pattern) is not None


def identity(plan: Plan) -> Identity:
    """Return the device identification: none where the profile says nothing of it.

    With it go the three basic objects, which such a device always has (V1.1b3, 6.21).
    """
    if not plan.objects:
        return {}
    return {
        0x00: plan.maker.encode("ascii", "replace"),
        0x01: plan.name.encode(),
        0x02: b"1.0",
        **plan.objects,
    }


def counter(plan: Plan, answers: str | None) -> ReadRange | None:
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
