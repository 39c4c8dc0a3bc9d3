"""How much one device may say. Pure: whoever asks says what time it is."""

from __future__ import annotations

from typing import Final


class Allowance:
    """So many a second on the average, and a few more at once."""

    def __init__(self, rate_hz: float, burst: int) -> None:
        """Take how many a second, and how many at once."""
        self._rate_hz: Final = rate_hz
        self._burst: Final = burst
        self._left = float(burst)
        self._at_s: float | None = None
        self.over = 0
        """How many were too many."""

    def take(self, now_s: float) -> bool:
        """Say whether one more is allowed now.

        Args:
            now_s: monotonic seconds.
        """
        passed = 0.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        self._at_s = now_s
        self._left = min(self._burst, self._left + passed * self._rate_hz)
        if self._left < 1:
            self.over += 1
            return False
        self._left -= 1
        return True
