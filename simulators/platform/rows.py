"""From columns to what goes into the table `reading`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

from simulators.platform.catalogue import COUNTER, NUMBER, STATE, TEXT, Point
from simulators.platform.columns import Cell, Column

Parts = tuple[
    Sequence[int],
    Sequence[int],
    Sequence[int],
    Iterable[int],
    Sequence[Cell],
    Iterable[str | None],
    Iterable[int],
    Iterable[int],
]
"""Series, wall, mono, batch, value, text, quality, cause: side by side they are rows."""


def parts_of(
    column: Column,
    point: Point,
    batch: int,
    ids: Sequence[int],
    walls: Sequence[int],
    monos: Sequence[int],
    *,
    exact: int,
) -> Parts:
    """Return one column as columns of the table `reading`.

    Args:
        column: what one point told.
        point: which one.
        batch: id of the batch.
        ids: series of each row of the block.
        walls: likewise, milliseconds since 1970.
        monos: likewise, milliseconds since the boot.
        exact: the database holds integers n with -exact <= n < exact exactly as values; one
            beyond stands exactly in the text, and nearly as a float in the value.
    """
    values: Sequence[Cell] = column.values
    texts: Iterable[str | None] = repeat(None)
    if point.kind == TEXT:
        values, texts = [None] * len(values), list(_texts(values))
    elif _integers(point) and _beyond(values, exact):
        wide = [v.__class__ is int and not -exact <= v < exact for v in values]
        texts = [str(v) if w else None for v, w in zip(values, wide, strict=True)]
        values = [float(v) if w else v for v, w in zip(values, wide, strict=True)]  # type: ignore[arg-type]  # likewise
    if len(column.rows) != len(ids):
        ids = [ids[row] for row in column.rows]
        walls = [walls[row] for row in column.rows]
        monos = [monos[row] for row in column.rows]
    qualities: Iterable[int] = repeat(0)
    causes: Iterable[int] = repeat(0)
    if column.flags:
        flags = [column.flags.get(row, (0, 0)) for row in column.rows]
        qualities, causes = [flag[0] for flag in flags], [flag[1] for flag in flags]
    return ids, walls, monos, repeat(batch), values, texts, qualities, causes


def _texts(values: Iterable[Cell]) -> Iterator[str | None]:
    return (None if v is None else str(v) for v in values)


def _integers(point: Point) -> bool:
    return point.kind == STATE or (point.plain and point.kind in {NUMBER, COUNTER})


def _beyond(values: Iterable[Cell], exact: int) -> bool:
    numbers = [v for v in values if v.__class__ is int]
    return bool(numbers) and (max(numbers) >= exact or min(numbers) < -exact)
