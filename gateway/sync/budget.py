"""How many bytes of history may go out in a minute. Pure, given the time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

MINUTE_S: Final = 60.0
AT_ONCE: Final = 0.1
"""The part of a minute's budget that may go out in one go after a rest."""


@dataclass(slots=True)
class Budget:
    """A bucket that fills steadily; no minute, wherever it begins, sees more than its budget.

    The batch that empties the bucket may be larger than what is left of it: by so much a minute may
    be over, and the next is under.
    """

    per_minute: int
    """Bytes; 0: no bound."""
    _left: float = 0.0
    _at_s: float = -math.inf

    def left(self, now_s: float) -> float:
        """Return how many bytes may go out now; none or less: wait."""
        if not self.per_minute:
            return math.inf
        most = self.per_minute * AT_ONCE
        gained = (now_s - self._at_s) * (self.per_minute - most) / MINUTE_S
        self._left = min(most, self._left + gained)
        self._at_s = now_s
        return self._left

    def spend(self, size: int, now_s: float) -> None:
        """Note that so many bytes went out."""
        if self.per_minute:
            self._left = self.left(now_s) - size
