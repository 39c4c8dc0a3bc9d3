"""From the plaintext of a batch to columns of values. Pure.

Written from `gateway/sync/README.md` §3.

Work is done per column, not per value: a column goes to the database as one list.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, compress
from operator import add
from typing import Final, NoReturn

from simulators.platform import strict
from simulators.platform.catalogue import (
    BOOL,
    COUNTER,
    FLOAT32,
    FLOAT64,
    NUMBER,
    STATE,
    TEXT,
    Catalogue,
    Point,
)
from simulators.platform.errors import Reason, WireError
from simulators.platform.wire import Moment, SealedBatch, inflate, stream_code

Cell = int | float | str | None
Flag = tuple[int, int]
"""Quality and cause."""

GOOD, UNCERTAIN, BAD = range(3)
OUT_OF_RANGE: Final = 7
MAX_CELLS: Final = 1 << 21
"""Cells of one batch, told or not: packed at width 0 they cost no bytes."""
_TIME_LIMIT: Final = 1 << 53

_MODULUS: Final = 1 << 64
_HALF: Final = 1 << 63
_CAUSES: Final = 256
_BLOCK_FIELDS: Final = 10
_INTEGERS: Final = {NUMBER, COUNTER, BOOL, STATE}


@dataclass(frozen=True, slots=True)
class Column:
    """What one point told in one block, row after row."""

    point: int
    """Place in the shape."""
    rows: Sequence[int]
    """Row of each cell told, ascending."""
    values: Sequence[Cell]
    """As long as `rows`; None is BAD."""
    flags: Mapping[int, Flag]
    """By row; without one: GOOD."""


@dataclass(frozen=True, slots=True)
class Block:
    """Readings of one shape."""

    shape: int
    sources: Sequence[int]
    """Source of each row."""
    times: Sequence[int]
    """Of each row, milliseconds after the first row of the batch."""
    columns: Sequence[Column]


@dataclass(frozen=True, slots=True)
class Event:
    """One occurrence, `time` milliseconds after the first row."""

    time: int
    key: str
    severity: int
    device: str | None
    args: Mapping[str, str | float | bool]


@dataclass(frozen=True, slots=True)
class Gap:
    """Batches that will not come."""

    stream: int
    audience: str
    first: int
    last: int
    first_wall: int
    last_wall: int
    count: int
    reason: int


@dataclass(frozen=True, slots=True)
class TimePair:
    """Places the batches of `boot` whose clock was not set, or wrong."""

    boot: bytes
    at: Moment
    uncertainty: int | None = None
    """How many milliseconds its wall time may be off; None: nobody can say."""


@dataclass(frozen=True, slots=True)
class Contents:
    """All that one batch carries."""

    blocks: Sequence[Block]
    events: Sequence[Event]
    gaps: Sequence[Gap]
    pairs: Sequence[TimePair]


def _refuse(what: str) -> NoReturn:
    raise WireError(Reason.INSIDE, what)


def unpack(data: object, n: int) -> list[int]:
    """Return the `n` signed numbers of a packed byte string, each of 64 bits.

    Raises:
        WireError: INSIDE or FORM, when it does not hold exactly `n`.
    """
    packed = strict.octets(data, None, "packed integers")
    if not packed and not n:
        return []
    width = packed[0] if packed else 9
    if width > 8 or len(packed) != 1 + width * n:  # noqa: PLR2004 - bytes of 64 bits
        _refuse(f"packed integers: {len(packed)} bytes of width {width} for {n}")
    spread = bytearray(8 * n)
    for plane in range(width):
        spread[plane::8] = packed[1 + plane * n : 1 + (plane + 1) * n]
    numbers = array("Q", bytes(spread))
    if sys.byteorder == "big":
        numbers.byteswap()
    return [(z >> 1) ^ -(z & 1) for z in numbers]


def _wrapped(numbers: list[int]) -> list[int]:
    """Return the numbers modulo 2^64, read as signed."""
    if not numbers or (min(numbers) >= -_HALF and max(numbers) < _HALF):
        return numbers
    return [(n + _HALF) % _MODULUS - _HALF for n in numbers]


def running(data: object, n: int, what: str, below: int) -> list[int]:
    """Return the sums of packed differences, each of them 0 <= sum < `below`.

    Raises:
        WireError: when it is not packed so, or a sum lies outside.
    """
    sums = _wrapped(list(accumulate(unpack(data, n))))
    if sums and (min(sums) < 0 or max(sums) >= below):
        _refuse(f"{what} out of range")
    return sums


def _planes(data: object, n: int, width: int, what: str) -> array[float]:
    octets = strict.octets(data, width * n, what)
    spread = bytearray(len(octets))
    for plane in range(width):
        spread[plane::width] = octets[plane * n : (plane + 1) * n]
    numbers = array("f" if width == 4 else "d", bytes(spread))  # noqa: PLR2004 - binary32
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _flags(item: object, rows: int, columns: int) -> list[dict[int, Flag]]:
    """Return for each column the flag of each flagged row; what comes later in the array wins."""
    by_column: list[dict[int, Flag]] = [{} for _ in range(columns)]
    for entry in strict.entries(item, "flags"):
        row_, column, quality_, cause_ = strict.array(entry, 4, "flag")
        row = strict.natural(row_, "row of a flag", below=rows)
        flag = (
            strict.natural(quality_, "quality", below=BAD + 1),
            strict.natural(cause_, "cause", below=_CAUSES),
        )
        if column is None:
            for flags in by_column:
                flags[row] = flag
        else:
            by_column[strict.natural(column, "column of a flag", below=columns)][row] = flag
    return by_column


def _present(item: object, rows: int, columns: int) -> list[list[int]] | None:
    """Return for each column the rows that have a value; None when all have one."""
    if item is None:
        return None
    bitmap = strict.octets(item, (rows * columns + 7) // 8, "absent")
    bits = f"{int.from_bytes(bitmap, 'little'):0{8 * len(bitmap)}b}"[::-1]
    present = [bit == "0" for bit in bits]
    numbers = range(rows)
    return [
        list(compress(numbers, present[column * rows : (column + 1) * rows]))
        for column in range(columns)
    ]


class _Cells:
    """Hands out the present cells of a block, column after column."""

    def __init__(self, counts: Sequence[tuple[Point, int]], fields: Sequence[object]) -> None:
        n = dict.fromkeys(range(TEXT + 1), 0)
        for point, count in counts:
            n[point.kind] += count
        integers = unpack(fields[0], sum(n[kind] for kind in _INTEGERS))
        f32, f64 = (
            _planes(fields[1], n[FLOAT32], 4, "f32"),
            _planes(fields[2], n[FLOAT64], 8, "f64"),
        )
        texts = [strict.text(t, "text") for t in strict.array(fields[3], n[TEXT], "texts")]
        self._rest: dict[int, tuple[list[int] | list[float] | list[str], int]] = {
            FLOAT32: (list(f32), 0),
            FLOAT64: (list(f64), 0),
            TEXT: (texts, 0),
            NUMBER: (integers, 0),
        }

    def take(
        self, point: Point, sources: Sequence[int], references: Mapping[int, int]
    ) -> Sequence[Cell]:
        """Return the next cells, those of `point`; None for what is not a number.

        Args:
            point: whose column it is.
            sources: of each row that has a cell.
            references: where the differences of a source start, for this column.
        """
        place = NUMBER if point.kind in _INTEGERS else point.kind
        cells, at = self._rest[place]
        self._rest[place] = (cells, at + len(sources))
        column = cells[at : at + len(sources)]
        if place == NUMBER:
            return _scaled(point, _summed(column, sources, references))  # type: ignore[arg-type]  # integers stand there
        if place == TEXT:
            return column
        return [v if v - v == 0.0 else None for v in column]  # type: ignore[operator]  # floats


def _summed(
    differences: Sequence[int], sources: Sequence[int], references: Mapping[int, int]
) -> list[int]:
    """Return the integers of a column: a difference is to the cell before, of the same source."""
    if len(references) == len(sources):
        return list(map(add, map(references.__getitem__, sources), differences))
    numbers: list[int] = []
    running, last = 0, -1
    for source, difference in zip(sources, differences, strict=True):
        running = (running if source == last else references[source]) + difference
        last = source
        numbers.append(running)
    return numbers


def _scaled(point: Point, numbers: list[int]) -> Sequence[Cell]:
    if point.kind == COUNTER:
        if numbers and (min(numbers) < 0 or max(numbers) >= _MODULUS):
            numbers = [n % _MODULUS for n in numbers]
    else:
        numbers = _wrapped(numbers)
    if point.kind == BOOL and numbers and not {0, 1}.issuperset(numbers):
        _refuse(f"{point.name}: a bool that is neither 0 nor 1")
    if point.plain or point.kind in {BOOL, STATE}:
        return numbers
    scale, offset = point.scale, point.offset
    values = [n * scale + offset for n in numbers]
    return [v if v - v == 0.0 else None for v in values]


def _block(item: object, catalogue: Catalogue, budget: int) -> Block:
    fields = strict.array(item, _BLOCK_FIELDS, "block")
    shape = strict.natural(fields[0], "shape", below=len(catalogue.shapes))
    points = catalogue.shapes[shape]
    rows = strict.natural(fields[1], "rows", below=budget // max(len(points), 1) + 1)
    sources = running(fields[2], rows, "source", len(catalogue.sources))
    if any(catalogue.sources[source][1] != shape for source in set(sources)):
        _refuse("a source of another shape")
    times = running(fields[3], rows, "time", _TIME_LIMIT)
    present = _present(fields[4], rows, len(points))
    flags = _flags(fields[5], rows, len(points))
    everyone = range(rows)
    told = present if present is not None else [everyone] * len(points)
    cells = _Cells([(p, len(t)) for p, t in zip(points, told, strict=True)], fields[6:])
    columns = []
    for place, point in enumerate(points):
        rows_of_cells = told[place]
        whose = sources if len(rows_of_cells) == rows else [sources[r] for r in rows_of_cells]
        references = {source: catalogue.references[source][place] for source in whose}
        values = cells.take(point, whose, references)
        if flags[place] or None in values or len(told[place]) != rows:
            column = _honest(place, told[place], values, flags[place])
        else:
            column = Column(place, everyone, values, {})
        if column.rows:
            columns.append(column)
    return Block(shape, sources, times, columns)


def _blocks(items: Sequence[object], catalogue: Catalogue) -> Iterator[Block]:
    budget = MAX_CELLS
    for item in items:
        block = _block(item, catalogue, budget)
        budget -= len(block.times) * max(len(catalogue.shapes[block.shape]), 1)
        yield block


def _honest(
    place: int, rows: Sequence[int], values: Sequence[Cell], flags: dict[int, Flag]
) -> Column:
    """Return the column with what has a flag and no value told as BAD, and no value beside BAD."""
    cells = dict(zip(rows, values, strict=True))
    for row, value in cells.items():
        if value is None:  # no finite number
            flags[row] = (BAD, OUT_OF_RANGE)
        elif flags.get(row, (GOOD, 0))[0] == BAD:
            _refuse("a BAD cell with a value")
    for row, (quality, cause) in list(flags.items()):
        if row not in cells:
            cells[row] = None
            if quality != BAD:
                flags[row] = (BAD, cause)
    order = sorted(cells)
    return Column(place, order, [cells[row] for row in order], flags)


def _scalar(item: object) -> str | float | bool:
    if isinstance(item, bool):
        return item
    if isinstance(item, str):
        return strict.text(item, "argument")
    found = strict.number(item, "argument")
    return item if isinstance(item, int) else found


def _event(item: object) -> Event:
    time, key, severity, device, args = strict.array(item, 5, "event")
    values: dict[str, str | float | bool] = {}
    for title, value in strict.mapping(args, "arguments").items():
        values[strict.text(title, "argument")] = _scalar(value)
    return Event(
        strict.natural(time, "time of an event", below=_TIME_LIMIT),
        strict.name(key, "key of an event"),
        strict.natural(severity, "severity", below=3),
        None if device is None else strict.name(device, "device"),
        values,
    )


def _gap(item: object) -> Gap:
    stream, audience, *numbers = strict.array(item, 8, "gap")
    first, last, first_wall, last_wall, count, reason = (strict.natural(n, "gap") for n in numbers)
    if not 1 <= first <= last:
        strict.refuse("gap", item)
    return Gap(
        stream_code(stream),
        strict.name(audience, "audience"),
        first,
        last,
        first_wall,
        last_wall,
        count,
        strict.natural(reason, "reason of a gap", below=256),
    )


def _pair(item: object) -> TimePair:
    parts = strict.entries(item, "time pair")
    boot, mono, wall, trust, off = strict.array([*parts, None][:5], 5, "time pair")
    if len(parts) > 5:  # noqa: PLR2004 - the last one may be left out
        strict.refuse("time pair", item)
    at = Moment(
        strict.natural(mono, "mono", below=1 << 53),
        strict.natural(wall, "wall", below=1 << 53),
        strict.natural(trust, "trust", below=3),
    )
    uncertainty = None if off is None else strict.natural(off, "uncertainty", below=1 << 53)
    return TimePair(strict.octets(boot, 16, "boot"), at, uncertainty)


def told(contents: Contents) -> int:
    """Return how many values and events are inside: what `count` in the head must say."""
    cells = sum(len(column.rows) for block in contents.blocks for column in block.columns)
    return cells + len(contents.events)


def _entries(fields: Mapping[object, object], key: int) -> Sequence[object]:
    return strict.entries(fields.get(key, []), f"key {key}")


def parse_contents(frame: bytes, catalogue: Catalogue, batch: SealedBatch) -> Contents:
    """Read what the opened batch holds.

    Args:
        frame: the plaintext, still compressed.
        catalogue: of the epoch of the batch.
        batch: its head; what is inside must agree with it.

    Raises:
        WireError: INSIDE, whatever is wrong.
    """
    try:
        fields = strict.mapping(strict.decode(inflate(frame)), "contents")
        if unknown := set(fields) - {1, 2, 3, 4}:
            _refuse(f"keys {sorted(map(str, unknown))[:5]}")
        contents = Contents(
            list(_blocks(_entries(fields, 1), catalogue)),
            [_event(item) for item in _entries(fields, 2)],
            [_gap(item) for item in _entries(fields, 3)],
            [_pair(item) for item in _entries(fields, 4)],
        )
    except WireError as error:
        raise WireError(Reason.INSIDE, str(error)) from error
    if (found := told(contents)) != batch.count:
        _refuse(f"{found} values, the head says {batch.count}")
    return contents
