"""When to try again: full jitter, so that a city does not come back all at once. Pure."""

from __future__ import annotations

import math
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

    def next_s(self, hurry_s: float = math.inf) -> float:
        """Return how long to wait before the next try; no longer than `hurry_s`."""
        bound = min(self.most_s, self.first_s * 2 ** min(self._tries, 32), hurry_s)
        self._tries += 1
        return self.uniform(0.0, bound)

    def reset(self, tries: int = 0) -> None:
        """Begin anew, or as after so many tries: the last one was a success."""
        self._tries = tries


@dataclass(slots=True)
class Knocks:
    """How often to knock where nobody answers: it costs a few packets, and no broker any work.

    Every second at first, so that a way that opens is found within that time; less often the
    longer it lasts.
    """

    uniform: Callable[[float, float], float]
    every_s: float = 1.0
    keen_s: float = 600.0
    """So long every `every_s`; then in proportion to how long it has lasted."""
    most_s: float = 15.0

    def bound_s(self, since_s: float) -> float:
        """Return the longest wait, so many seconds after the link was lost or an alarm came."""
        return min(self.most_s, self.every_s * max(1.0, since_s / self.keen_s))

    def next_s(self, since_s: float) -> float:
        """Return how long to wait before the next knock: the later half of the bound."""
        bound = self.bound_s(since_s)
        return self.uniform(bound / 2, bound)
