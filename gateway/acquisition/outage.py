"""Whether somebody is lost, since when, and whether to say so.

Pure: it is told the time. What comes and goes is not told each time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

HOLD_S: Final = 60.0
"""After a loss was told the next one is not told for so long."""
LONGEST_HOLD_S: Final = 3600.0


@dataclass(slots=True, eq=False)
class Outage:
    """The losses of one device, group or line.

    A loss is told at once, and a return when its loss was told. Who is lost again soon is told at
    the end of a hold that doubles while this goes on, if it is still lost then.
    """

    since_s: float | None = None
    """Monotonic seconds when it was lost; None while it is there."""
    times: int = 0
    """Losses since a return was told."""
    _told: bool = False
    _told_at: float = -math.inf
    _hold_s: float = 0.0

    def lost(self, now: float) -> bool:
        """Take that it is lost; may be said again and again. Return whether to tell it now."""
        if self.since_s is None:
            self.since_s = now
            self.times += 1
        quiet_s = now - self._told_at
        if self._told or quiet_s < self._hold_s:
            return False
        self._told = True
        self._told_at = now
        again_soon = quiet_s < 2 * self._hold_s
        self._hold_s = min(2 * self._hold_s, LONGEST_HOLD_S) if again_soon else HOLD_S
        return True

    def back(self, now: float) -> float | None:
        """Take that it is there. Return how long it was lost in seconds when that is to be told."""
        since, self.since_s = self.since_s, None
        if since is None or not self._told:
            return None
        self._told = False
        self.times = 0
        return now - since
