"""In which form a measurement is made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from simulators.bench.figures import Sheet


@dataclass(frozen=True, slots=True)
class Form:
    """One run of one measurement."""

    folder: Path
    """Of this run."""
    broker: str
    quick: bool = False
    """The short form: it shows that all works, its figures are rough."""
    long: bool = False
    """The form with the long outages."""
    work: int = 1
    """How many times the usual work."""

    def of(self, name: str, work: int = 1) -> Form:
        """Return the same form in a folder of its own, which is made.

        Raises:
            OSError: it cannot be made, or is there.
        """
        folder = self.folder / name
        folder.mkdir(parents=True)
        return replace(self, folder=folder, work=work)

    def choose(self, quick: float, usual: float) -> float:
        """Return a duration or a size."""
        return quick if self.quick else usual


Measure = Callable[[Form], Awaitable[Sheet]]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One name of `--only`."""

    name: str
    what: str
    grows: str
    """What there is 2, 4 and 8 times of in a plot."""
    measure: Measure
    runs: int = 3
    """Of the usual form: the median is told."""
    in_quick: bool = True
    """Whether the short form has it without being asked for it."""
