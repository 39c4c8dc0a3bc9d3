"""How figures are shown: a table for people, plain values for programs. Pure."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from typing import Any, Final

from rich.table import Table

from simulators.bench.figures import Figure, shown

_SIGNS: Final = {True: "met", False: "MISSED", None: ""}


def as_table(figures: Sequence[Figure]) -> Table:
    """Return the table a person reads: each figure beside its budget."""
    table = Table("", "figure", title="Medians", title_justify="left")
    for title in ("measured", "beside raw, same run", "asked", ""):
        table.add_column(title, justify="right" if title == "measured" else "left")
    table.add_column("spread and circumstances", overflow="fold")
    before = ""
    for figure in figures:
        if before and figure.row != before:
            table.add_section()
        table.add_row(
            figure.row if figure.row != before else "",
            figure.name,
            f"{shown(figure.value)} {figure.unit}".rstrip(),
            _beside(figure),
            "" if figure.budget is None else str(figure.budget),
            _SIGNS[figure.met],
            "; ".join(part for part in (_spread(figure), figure.note) if part),
        )
        before = figure.row
    return table


def _beside(figure: Figure) -> str:
    return "" if figure.ratio is None else f"{shown(figure.ratio)} x {figure.baseline}"


def _spread(figure: Figure) -> str:
    if len(figure.runs) == 1:
        return ""
    return f"{shown(min(figure.runs))} to {shown(max(figure.runs))} in {len(figure.runs)} runs"


def as_json(figures: Sequence[Figure], *, quick: bool) -> dict[str, Any]:  # Any: JSON values
    """Return what `--json` prints."""
    return {
        "machine": {"cores": os.cpu_count(), "arch": platform.machine()},
        "python": platform.python_version(),
        "quick": quick,
        "met": all(figure.met is not False for figure in figures),
        "figures": [figure.as_json() for figure in figures],
    }
