"""From columns to rows of the table `reading`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat

from simulators.platform.catalogue import COUNTER, TEXT, Point
from simulators.platform.columns import Cell, Column
from simulators.platform.strict import INT_LIMIT

Row = tuple[int, int, int, int, Cell, str | None, int, int]
"""Series, wall, mono, batch, value, text, quality, cause."""


def rows_of(
    column: Column,
    point: Point,
    batch: int,
    ids: Sequence[int],
    walls: Sequence[int],
    monos: Sequence[int],
) -> Iterator[Row]:
    """Return the rows of one column for the table `reading`."""
    values: Sequence[Cell] = column.values
    texts: Iterator[str | None] | Sequence[Cell] = repeat(None)
    if point.kind == TEXT:
        values, texts = [None] * len(values), values
    elif point.kind == COUNTER and any(_wide(v) for v in values):
        # beyond a signed column: exact as text, near as a float
        texts = [str(v) if _wide(v) else None for v in values]
        values = [float(v) if _wide(v) else v for v in values]  # type: ignore[arg-type]  # wide: an int
    if len(column.rows) != len(ids):
        ids = [ids[row] for row in column.rows]
        walls = [walls[row] for row in column.rows]
        monos = [monos[row] for row in column.rows]
    if not column.flags:
        return zip(ids, walls, monos, repeat(batch), values, texts, repeat(0), repeat(0))
    flags = [column.flags.get(row, (0, 0)) for row in column.rows]
    qualities, causes = [flag[0] for flag in flags], [flag[1] for flag in flags]
    return zip(ids, walls, monos, repeat(batch), values, texts, qualities, causes)


def _wide(value: Cell) -> bool:
    return isinstance(value, int) and value >= INT_LIMIT
