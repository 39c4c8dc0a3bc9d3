"""When to try again: full jitter, so that a city does not come back all at once. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """Waits with a bound that doubles; each is drawn between nothing and the bound."""

    first_s: float
    most_s: float
    uniform: Callable[[float, float], float]
    """Draws a number between two others, as `random.Random.uniform`."""
    _tries: int = 0

    def next_s(self) -> float:
        """Return how long to wait before the next try."""
        bound = min(self.most_s, self.first_s * 2 ** min(self._tries, 32))
        self._tries += 1
        return self.uniform(0.0, bound)

    def reset(self) -> None:
        """Begin anew: the last try was a success."""
        self._tries = 0
