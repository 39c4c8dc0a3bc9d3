"""From the records of a meter to the values of points. Pure.

A record is a point when all that describes it is as the point says: a maximum is no instantaneous
value, what flowed back is not what flowed, and a record with something unknown about it is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Final

from drivers.mbus import status
from drivers.mbus.config import MbusPoint
from drivers.mbus.quantities import QUANTITIES, factor_between
from drivers.mbus.telegram import Record, Telegram
from gateway.model.reading import Cause, Flag, Kind, Point, Quality, Sample, Value

ABSENT: Final = Flag(Quality.BAD, Cause.REJECTED)
"""The meter does not tell it, or in a unit that cannot be turned into that of the point."""
NO_VALUE: Final = Flag(Quality.BAD, Cause.NO_VALUE)
BEYOND: Final = Flag(Quality.BAD, Cause.OUT_OF_RANGE)
BROKEN: Final = Flag(Quality.BAD, Cause.DEVICE_FAULT)
_FAULTS: Final = {"overflow": BEYOND, "underflow": BEYOND, "data error": BROKEN}
_I64: Final = 1 << 63
_U64: Final = 1 << 64

Told = tuple[Value | None, Flag | None]


def key_of(record: Record) -> tuple[object, ...]:
    """Return which record it is; compares with `MbusPoint.key`."""
    return (
        record.meaning.quantity,
        record.storage,
        record.tariff,
        record.subunit,
        record.function,
        record.meaning.qualifiers,
    )


def sample(points: Sequence[tuple[MbusPoint, Point]], told: Telegram) -> Sample:
    """Return the values of the points, and behind them those of `status.POINTS`.

    Args:
        points: options of each point with the point.
        told: what the meter told, all telegrams joined.
    """
    found = _by_key(told.records)
    doubted = status.in_doubt(told.header)
    cells: list[Value | None] = []
    flags: dict[int, Flag] = {}
    for place, (wanted, point) in enumerate(points):
        alike = found.get(wanted.key, ())
        value, flag = value_of(alike[wanted.which], point) if wanted.which < len(alike) else _NONE
        if flag is None and doubted:
            flag = status.DOUBTED
        if flag is not None:
            flags[place] = flag
        cells.append(value)
    own = status.cells(told.header)
    flags |= {len(cells) + place: ABSENT for place, cell in enumerate(own) if cell is None}
    return Sample((*cells, *own), flags)


_NONE: Final[Told] = (None, ABSENT)


def _by_key(records: Iterable[Record]) -> dict[tuple[object, ...], list[Record]]:
    found: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        found.setdefault(key_of(record), []).append(record)
    return found


def value_of(record: Record, point: Point) -> Told:
    """Return the value of a record as a point has it, or why there is none."""
    value = record.value
    if value is None:
        return None, _FAULTS.get(record.fault, NO_VALUE)
    if point.kind is Kind.TEXT:
        return str(value), None
    if isinstance(value, str):
        return _NONE
    if point.kind is Kind.COUNTER:  # bits
        whole = isinstance(value, int) and 0 <= value < _U64
        return (value, None) if whole else (None, BEYOND)
    return _number(value, record, point)


def _number(value: float, record: Record, point: Point) -> Told:
    """Return a number in the unit of the point: exact up to the last step."""
    factor = _factor(record, point)
    if factor is None:
        return _NONE
    exact = Fraction(value) * record.meaning.factor * factor
    if point.kind is not Kind.NUMBER:
        return exact.numerator / exact.denominator, None
    steps = round(exact / Fraction(str(point.scale)))
    return (steps * point.scale, None) if -_I64 <= steps < _I64 else (None, BEYOND)


def _factor(record: Record, point: Point) -> Fraction | None:
    if record.meaning.quantity not in QUANTITIES:
        return Fraction(1)  # a unit in the meter's own words: a person said what it is
    return factor_between(record.meaning.unit, point.unit)
