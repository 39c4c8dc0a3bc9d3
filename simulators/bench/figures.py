"""One measured figure, its budget, and whether it is met. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import Any


class Sense(StrEnum):
    """Which way is better."""

    AT_MOST = "<="
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Budget:
    """What the figure should be."""

    sense: Sense
    limit: float

    def met(self, value: float) -> bool:
        """Say whether a value keeps it."""
        return value <= self.limit if self.sense is Sense.AT_MOST else value >= self.limit

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{'≤' if self.sense is Sense.AT_MOST else '≥'} {shown(self.limit)}"


def at_most(limit: float) -> Budget:
    """Return a budget that may not be passed."""
    return Budget(Sense.AT_MOST, limit)


def at_least(limit: float) -> Budget:
    """Return a budget that must be reached."""
    return Budget(Sense.AT_LEAST, limit)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    row: str
    """Which measurement it comes from: what `--only` takes."""
    name: str
    unit: str
    runs: tuple[float, ...]
    """One value of each run."""
    budget: Budget | None = None
    note: str = ""
    """How it came about, or what it stands beside."""
    baseline: str = ""
    """What was measured raw in the same run; empty: nothing."""
    raw: tuple[float, ...] = ()
    """What that came to, one value of each run."""

    @property
    def value(self) -> float:
        """Return the median of the runs."""
        return median(self.runs)

    @property
    def met(self) -> bool | None:
        """Say whether the budget is kept; None without one."""
        return None if self.budget is None else self.budget.met(self.value)

    @property
    def ratio(self) -> float | None:
        """Return how many times the baseline it is: the median over the runs."""
        ratios = [value / raw for value, raw in zip(self.runs, self.raw, strict=False) if raw]
        return median(ratios) if ratios else None

    def as_json(self) -> dict[str, Any]:  # Any: JSON values
        """Return it as plain values."""
        budget = self.budget
        return {
            "row": self.row,
            "name": self.name,
            "unit": self.unit,
            "value": self.value,
            "runs": list(self.runs),
            "budget": None if budget is None else {"sense": budget.sense, "limit": budget.limit},
            "met": self.met,
            "baseline": {"name": self.baseline, "runs": list(self.raw), "ratio": self.ratio}
            if self.baseline
            else None,
            "note": self.note,
        }


@dataclass(slots=True)
class Sheet:
    """What one run of a measurement found; several runs become medians."""

    row: str
    figures: list[Figure] = field(default_factory=list)

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        budget: Budget | None = None,
        note: str = "",
        beside: tuple[str, float] | None = None,
    ) -> None:
        """Put a figure on the sheet.

        Args:
            name: what it is.
            value: of this run.
            unit: of the value.
            budget: what it should be.
            note: how it came about.
            beside: what was measured raw in the same run, in the same unit, and what it came to.
        """
        baseline, raw = ("", ()) if beside is None else (beside[0], (beside[1],))
        figure = Figure(self.row, name, unit, (value,), budget, note, baseline, raw)
        self.figures.append(figure)


def merged(sheets: Sequence[Sheet]) -> list[Figure]:
    """Return the figures of several runs of one measurement, each with all its runs.

    A figure that only some of the runs have (there was nothing to divide by) has only theirs.
    """
    by_name: dict[str, list[Figure]] = {}
    for sheet in sheets:
        for figure in sheet.figures:
            by_name.setdefault(figure.name, []).append(figure)
    return [
        Figure(
            first.row,
            first.name,
            first.unit,
            tuple(figure.runs[0] for figure in same),
            first.budget,
            first.note,
            first.baseline,
            tuple(raw for figure in same for raw in figure.raw),
        )
        for same in by_name.values()
        for first in same[:1]
    ]


def shown(value: float) -> str:
    """Return a number with three significant digits, thousands in groups."""
    if value == 0:
        return "0"
    if abs(value) >= 100:  # noqa: PLR2004 - three digits before the point are enough
        return f"{value:,.0f}"
    return f"{value:.3g}"
