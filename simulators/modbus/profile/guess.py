"""What a healthy device of a model may hold where nobody said it: inside the limits. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from simulators.modbus.profile.reader import Cell, ProfileTwinError
from simulators.modbus.profile.wire import number_of, pattern_of

USUAL: Final = {
    "V": 230.0,
    "mV": 1200.0,
    "A": 4.2,
    "mA": 12.0,
    "W": 850.0,
    "kW": 0.85,
    "V.A": 900.0,
    "kV.A": 0.9,
    "Hz": 50.0,
    "W.h": 1_234_567.0,
    "kW.h": 1234.5,
    "V.A.h": 98_765.0,
    "kV.A.h": 98.7,
    "Cel": 21.5,
    "%": 45.0,
    "lx": 320.0,
    "hPa": 1005.0,
    "Pa": 100_500.0,
    "[ppm]": 640.0,
    "ug/m3": 12.0,
    "m/s": 3.2,
    "deg": 180.0,
    "dB": 52.0,
    "W/m2": 410.0,
    "m3": 321.0,
    "m3/h": 1.5,
    "bar": 2.4,
}
"""Values of an ordinary day, by unit."""
TEXT: Final = "MAYAK"
_TRIES: Final = 70_000


def accepts(cell: Cell, pattern: int) -> bool:
    """Say whether a raw value is good for a cell: no sentinel, a known state, inside limits."""
    if pattern in cell.sentinels or not 0 <= pattern < 1 << cell.form.width:
        return False
    if cell.states:
        return number_of(cell.form, pattern) in cell.states
    number = number_of(cell.form, pattern)
    if number is None:
        return False
    if cell.form.kind == "bool":
        return True
    value = number * cell.scale + cell.offset
    low = -math.inf if cell.low is None else cell.low
    high = math.inf if cell.high is None else cell.high
    return low <= value <= high


def usual(cell: Cell) -> float:
    """Return the value, in the unit of the cell, that it should have, inside its limits."""
    wanted = USUAL.get(cell.unit, 1.0)
    if cell.likely is not None and not cell.likely[0] <= wanted <= cell.likely[1]:
        wanted = (cell.likely[0] + cell.likely[1]) / 2
    if cell.low is not None and cell.high is not None and not cell.low <= wanted <= cell.high:
        return (cell.low + cell.high) / 2
    if cell.low is not None:
        wanted = max(wanted, cell.low)
    return wanted if cell.high is None else min(wanted, cell.high)


def guess(cells: Sequence[Cell]) -> int:
    """Return a raw value that is good for all of these cells, which share their registers.

    Raises:
        ProfileTwinError: there is none.
    """
    for candidate in _candidates(cells):
        if all(accepts(cell, candidate) for cell in cells):
            return candidate
    msg = f"nothing is inside the limits of {', '.join(cell.name for cell in cells)}"
    raise ProfileTwinError(msg)


def _candidates(cells: Sequence[Cell]) -> Iterator[int]:
    for cell in cells:
        numbers: list[float] = [*cell.states]
        if cell.form.kind == "bool":
            numbers.append(0)
        elif not numbers:
            wanted = (usual(cell) - cell.offset) / cell.scale
            numbers += [wanted, wanted + 1, wanted - 1]
            bounds = (cell.low, cell.high)
            numbers += [
                whole
                for bound in bounds
                if bound is not None
                for exact in ((bound - cell.offset) / cell.scale,)
                if math.isfinite(exact)
                for whole in (exact, math.ceil(exact), math.floor(exact))
            ]
        found = (pattern_of(cell.form, number) for number in numbers)
        yield from (pattern for pattern in found if pattern is not None)
    yield from range(min(_TRIES, 1 << cells[0].form.width))
