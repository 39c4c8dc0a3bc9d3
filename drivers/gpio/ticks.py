"""Ticks of a board as nanoseconds that only go forward. Pure."""

from __future__ import annotations

from typing import Final

WRAP_US: Final = 1 << 32
"""The microsecond counter of pigpio begins anew after 71.6 minutes."""
_NS: Final = 1000


class Microseconds:
    """A counter of 32 bits, continued for ever.

    Ticks of several pins come a little out of order; what is less than half a round back is taken
    for that. So it must be shown a tick at least every half hour.
    """

    __slots__ = ("_last_us",)

    def __init__(self) -> None:
        """Start with no tick."""
        self._last_us: int | None = None

    def ns(self, tick_us: int) -> int:
        """Return the tick as nanoseconds since some beginning.

        Args:
            tick_us: 0 to 2**32 - 1.
        """
        last_us = self._last_us
        if last_us is None:
            # Not at 0: a tick from just before must not become negative.
            now_us = WRAP_US + tick_us
        else:
            ahead = (tick_us - last_us) % WRAP_US
            if ahead >= WRAP_US // 2:
                return (last_us + ahead - WRAP_US) * _NS
            now_us = last_us + ahead
        self._last_us = now_us  # set at once: two threads may be here
        return now_us * _NS
