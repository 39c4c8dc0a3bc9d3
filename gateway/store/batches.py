"""Readings and events into the body of a batch: CBOR columns, then zstd. Pure.

The form is that of the wire reference, `gateway/sync/README.md` §3. Rows of one shape lie together,
sorted by source and
time, so that the differences down a column are small; nothing is done per value but in C loops.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import chain
from operator import sub
from typing import Any, Final, Literal, NamedTuple

import cbor2
import zstandard

from gateway.model.clock import Instant
from gateway.model.event import Event
from gateway.model.reading import Cause, Cells, Flag, Kind, Point, Quality, Reading, Value
from gateway.store.catalogue import INTEGER_KINDS, Catalogue, References, Shape
from gateway.store.columns import differences, pack_floats, pack_ints

ZSTD_LEVEL: Final = 3

_INT64: Final = (-(1 << 63), (1 << 63) - 1)
_UINT64: Final = (0, (1 << 64) - 1)
_INTEGERS: Final = {int, bool}
_BROKEN: Final = Flag(Quality.BAD, Cause.OUT_OF_RANGE)


@dataclass(frozen=True, slots=True)
class GapRecord:
    """Batches that will not come: what had to go, with bounds and count."""

    stream: int
    audience: str
    first: int
    last: int
    first_wall_ms: int
    last_wall_ms: int
    count: int
    reason: int

    ROOM = 1
    DAMAGED = 2
    REFUSED = 3
    NOT_NEEDED = 4
    """Rollups that nobody needed: their raw readings were acknowledged."""
    NOT_STORED = 5
    """Readings that were never sealed: the card took nothing, or no batch can carry them."""


@dataclass(frozen=True, slots=True)
class Body:
    """What is inside a batch, packed, with what its head must say."""

    packed: bytes
    count: int
    first: Instant
    length_ms: int


Row = tuple[int, int, Cells, Mapping[int, Flag]]
"""Source, milliseconds after the first row, cells, flags."""


def pack_readings(
    readings: Sequence[Reading], catalogue: Catalogue, references: References
) -> Body | None:
    """Return the body of a batch of readings, or None when none is of the catalogue's audience.

    Args:
        readings: at least one, in any order, all under one setting of the wall clock (see `cut`).
        catalogue: of the epoch; every reading's source is in it.
        references: of the epoch: where differences start.
    """
    first = min(reading.at for reading in readings)
    rows: dict[int, list[Row]] = {}
    shapes: dict[int, Shape] = {}
    last_ms = first.mono_ms
    for reading in readings:
        placed = catalogue.place(reading.device, reading.table)
        if placed is None:
            continue
        cells, flags = reading.cells, reading.flags
        if placed.columns is not None:
            cells = placed.pick(cells)
            flags = {i: flags[c] for i, c in enumerate(placed.columns) if c in flags}
        number = placed.shape.number
        shapes[number] = placed.shape
        mono_ms = reading.at.mono_ms
        rows.setdefault(number, []).append((placed.number, mono_ms - first.mono_ms, cells, flags))
        last_ms = max(last_ms, mono_ms)
    if not rows:
        return None
    count = 0
    blocks = []
    for number, of_shape in rows.items():
        of_shape.sort(key=_source_and_time)
        block, told = _block(shapes[number], of_shape, references)
        blocks.append(block)
        count += told
    return Body(_compressed({1: blocks}), count, first, last_ms - first.mono_ms)


def pack_events(events: Sequence[Event], gaps: Sequence[GapRecord], now: Instant) -> Body:
    """Return the body of a batch of events and told gaps; only events count.

    Args:
        events: in any order, all under one setting of the wall clock.
        gaps: what is told as gone.
        now: stands for the first row when there is no event.
    """
    first = min((event.at for event in events), default=now)
    last_ms = max((event.at.mono_ms for event in events), default=now.mono_ms)
    content: dict[int, Any] = {}
    if events:
        content[2] = [
            [e.at.mono_ms - first.mono_ms, e.key, int(e.severity), e.device, dict(e.args)]
            for e in events
        ]
    if gaps:
        content[3] = [list(astuple(gap)) for gap in gaps]
    return Body(_compressed(content), len(events), first, last_ms - first.mono_ms)


def pack_time_pair(boot: bytes, now: Instant, uncertainty_ms: int | None) -> Body:
    """Return the body that places a boot: its monotonic time beside the true one.

    Args:
        boot: which one.
        now: its monotonic time, the true one, and how far that is trusted.
        uncertainty_ms: how far the true time may be off; None: nobody can say.
    """
    pair = [boot, now.mono_ms, now.wall_ms, int(now.trust), uncertainty_ms]
    return Body(_compressed({4: [pair]}), 0, now, 0)


def cut(instants: Iterable[Instant], tolerance_ms: int = 20) -> list[int]:
    """Return how long each run is in which the wall clock was not set and its trust did not change.

    Args:
        instants: in order of time.
        tolerance_ms: how far the wall clock may drift against the monotonic one within a run.
    """
    runs: list[int] = []
    offset, trust = 0, None
    for at in instants:
        here = at.wall_ms - at.mono_ms
        if trust is not at.trust or abs(here - offset) > tolerance_ms:
            runs.append(0)
            offset, trust = here, at.trust
        runs[-1] += 1
    return runs


def _compressed(content: dict[int, Any]) -> bytes:
    return zstandard.compress(cbor2.dumps(content), ZSTD_LEVEL)


def _source_and_time(row: Row) -> tuple[int, int]:
    return row[:2]


def _block(shape: Shape, rows: list[Row], references: References) -> tuple[list[Any], int]:
    """Return the block of the wire reference and how many values it tells."""
    try:
        return _packed(shape, rows, references)
    except (ValueError, OverflowError, TypeError):
        return _packed(shape, [_mended(shape, row) for row in rows], references)


class _Cells(NamedTuple):
    """The cells of the rows of one shape, by how they are carried."""

    ints: list[int]
    """Differences, column after column."""
    singles: list[float]
    doubles: list[float]
    texts: list[Value]
    bitmap: bytes | None
    """Which are not there; None when all are."""
    told: int


def _packed(shape: Shape, rows: list[Row], references: References) -> tuple[list[Any], int]:
    sources = [row[0] for row in rows]
    nothing = (0,) * len(shape.points)
    starts = {source: references.get(source, nothing) for source in sources}
    cells = _plain(shape, rows, starts) or _mixed(shape, rows, starts)
    flags, told_bad = _flags(rows, len(shape.points))
    block = [
        shape.number,
        len(rows),
        pack_ints(differences(sources)),
        pack_ints(differences([row[1] for row in rows])),
        cells.bitmap,
        flags,
        pack_ints(cells.ints),
        pack_floats(cells.singles, "f"),
        pack_floats(cells.doubles, "d"),
        cells.texts,
    ]
    return block, cells.told + told_bad


def _plain(shape: Shape, rows: list[Row], starts: Mapping[int, Sequence[int]]) -> _Cells | None:
    """Return the cells when all are there and are integers as they stand: row by row, in C loops.

    None: they are not, or one of them is in doubt; then each column is looked at by itself.
    """
    if not shape.plain:
        return None
    cells: list[tuple[Any, ...]] = [row[2] for row in rows]  # Any: looked at here
    if not set(map(type, chain.from_iterable(cells))) <= _INTEGERS:
        return None
    least, greatest = min(map(min, cells)), max(map(max, cells))
    if least < (0 if shape.counts else _INT64[0]) or greatest > _INT64[1]:
        return None
    steps = []
    last, before = -1, cells[0]
    for (source, *_), row in zip(rows, cells, strict=True):
        steps.append(map(sub, row, before if source == last else starts[source]))
        last, before = source, row
    ints = list(chain.from_iterable(zip(*steps, strict=True)))
    return _Cells(ints, [], [], [], None, len(ints))


def _mixed(shape: Shape, rows: list[Row], starts: Mapping[int, Sequence[int]]) -> _Cells:
    """Return the cells of any rows, column by column.

    Raises:
        ValueError, OverflowError, TypeError: a value that its kind does not have.
    """
    columns = list(zip(*(row[2] for row in rows), strict=True))
    sources = [row[0] for row in rows]
    ints: list[int] = []
    floats: dict[Literal["f", "d"], list[float]] = {"f": [], "d": []}
    texts: list[Value] = []
    gone = 0
    for place, (point, column) in enumerate(zip(shape.points, columns, strict=True)):
        missing = column.count(None)
        gone += missing
        present: Sequence[Any] = (  # Any: of the kind of the point
            [value for value in column if value is not None] if missing else column
        )
        match point.kind:
            case Kind.FLOAT32:
                floats["f"] += present
            case Kind.FLOAT64:
                floats["d"] += present
            case Kind.TEXT:
                texts += _texts(present)
            case _:
                whose = _present(sources, column) if missing else sources
                before = {source: starts[source][place] for source in whose}
                ints += _steps(integers(point, present), whose, before)
    bitmap = _bitmap(columns) if gone else None
    told = len(rows) * len(columns) - gone
    return _Cells(ints, floats["f"], floats["d"], list(texts), bitmap, told)


def _present(sources: list[int], column: tuple[Value | None, ...]) -> list[int]:
    return [source for source, value in zip(sources, column, strict=True) if value is not None]


def _steps(
    numbers: Sequence[int], sources: Sequence[int], before: Mapping[int, int]
) -> Iterable[int]:
    """Return the difference of each number to the one before of the same source, or to `before`."""
    if len(before) == len(sources):  # one row for each source
        return map(sub, numbers, map(before.__getitem__, sources))
    steps = differences(numbers)
    last = None
    for row, source in enumerate(sources):
        if source != last:
            steps[row] = numbers[row] - before[source]
            last = source
    return steps


def references_of(shape: Shape, cells: Cells) -> list[int]:
    """Return the integers that the differences of a source may start from: those of its last cells.

    Args:
        shape: of the source.
        cells: as they were told last; what is not there or is no integer gives 0.
    """
    found = []
    for point, value in zip(shape.points, cells, strict=True):
        number = 0
        if value is not None and point.kind in INTEGER_KINDS and _fits(point, value):
            (number,) = integers(point, [value])
        found.append(int(number))
    return found


def integers(point: Point, values: Sequence[Any]) -> Sequence[int]:  # Any: numbers or bools
    """Return the integers n of `n * scale + offset`.

    Raises:
        ValueError, OverflowError, TypeError: a value is no finite number of 64 bits.
    """
    if point.scale == 1 and not point.offset and float not in set(map(type, values)):
        numbers = values
    else:
        scale, offset = point.scale, point.offset
        numbers = [round((value - offset) / scale) for value in values]
    if numbers:
        low, high = _UINT64 if point.kind is Kind.COUNTER else _INT64
        if min(numbers) < low or max(numbers) > high:
            msg = "beyond 64 bits"
            raise OverflowError(msg)
    return numbers


def _texts(values: Sequence[Any]) -> Sequence[str]:  # Any: should be text
    if not set(map(type, values)) <= {str}:
        msg = "not text"
        raise TypeError(msg)
    return values


def _flags(rows: list[Row], width: int) -> tuple[list[Any], int]:
    flags: list[Any] = []
    told_bad = 0
    for place, (_, _, cells, marked) in enumerate(rows):
        if not marked:
            continue
        told_bad += sum(1 for column in marked if cells[column] is None)
        kinds = set(marked.values())
        if len(marked) == width and len(kinds) == 1:
            quality, cause = kinds.pop()
            flags.append([place, None, int(quality), int(cause)])
        else:
            flags += ([place, c, int(q), int(why)] for c, (q, why) in sorted(marked.items()))
    return flags, told_bad


def _bitmap(columns: list[tuple[Value | None, ...]]) -> bytes:
    bits = "".join("1" if value is None else "0" for value in chain.from_iterable(columns))
    return int(bits[::-1], 2).to_bytes((len(bits) + 7) // 8, "little")


def _mended(shape: Shape, row: Row) -> Row:
    """Return the row without values that no batch can carry; they are BAD, out of range."""
    source, time_ms, cells, flags = row
    broken = {
        i
        for i, (point, value) in enumerate(zip(shape.points, cells, strict=True))
        if value is not None and not _fits(point, value)
    }
    mended = tuple(None if i in broken else value for i, value in enumerate(cells))
    return source, time_ms, mended, {**flags, **dict.fromkeys(broken, _BROKEN)}


def _fits(point: Point, value: Value) -> bool:
    if point.kind is Kind.TEXT:
        return isinstance(value, str)
    if isinstance(value, str):
        return False
    try:
        match point.kind:
            case Kind.FLOAT32:
                pack_floats([value], "f")
            case Kind.FLOAT64:
                pack_floats([value], "d")
            case _:
                integers(point, [value])
    except (ValueError, OverflowError):
        return False
    return True
