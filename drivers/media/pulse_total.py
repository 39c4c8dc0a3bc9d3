"""A total from a counter that rolls over, is reset, or is replaced: pure, shared by the families.

A pulse counter of a module has some width and forgets everything when it loses its power. The total
here goes on: what was counted is added up, a roll-over is told apart from a reset by whether so
many pulses can have come, and one impossible look moves nothing.

What has to be kept over a restart is small (`Kept`), and as long as the module itself retains its
counter nothing is lost when it is old: the difference to the counter is added at the next look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

UNKNOWN_SHARE: Final = 16
"""When nobody knows how long ago the last look was, pulses up to this part of the range are
believed to have come over a roll-over."""
SLACK_PULSES: Final = 2
"""More than the rate allows: a pulse at either edge of the time."""


class Look(StrEnum):
    """What one look at the counter turned out to be."""

    FIRST = "first"
    """There was none before: the total starts here."""
    COUNTED = "counted"
    ROLLED_OVER = "rolled-over"
    RESET = "reset"
    """The counter began anew; what it has counted since is added, what it had not told is lost."""
    DOUBTFUL = "doubtful"
    """More than can have come: nothing is added, unless the next look says the same."""
    REPLACED = "replaced"
    """It said so again: another counter, or one that was set; the total goes on from here."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What outlives a restart, all in pulses."""

    raw: int
    """The counter at the last look that counted."""
    total: int
    resets: int = 0
    """How often it began anew, or was replaced."""

    def dump(self) -> dict[str, int]:
        """Return it as plain JSON values."""
        return {"raw": self.raw, "total": self.total, "resets": self.resets}

    @classmethod
    def load(cls, kept: Mapping[str, Any]) -> Kept | None:  # Any: plain JSON values
        """Return what `dump` made; None when this is no such thing."""
        numbers = [kept.get(name) for name in ("raw", "total", "resets")]
        if any(type(each) is not int or each < 0 for each in numbers):
            return None
        return cls(*(int(each) for each in numbers if each is not None))


class PulseTotal:
    """The total of one counter."""

    __slots__ = ("_kept", "_range", "_rate_hz", "_strange")

    def __init__(self, size: int, max_rate_hz: float, kept: Kept | None = None) -> None:
        """Take what the counter is.

        Args:
            size: how many numbers it has, 2 to 2**64: it rolls over from size - 1 to 0.
            max_rate_hz: pulses a second that can come at most, above 0.
            kept: from an earlier life.

        Raises:
            ValueError: there is no such counter, or what was kept does not fit into it.
        """
        if not 2 <= size <= 1 << 64:  # noqa: PLR2004  as wide as registers go
            msg = f"no counter has {size} numbers"
            raise ValueError(msg)
        if not max_rate_hz > 0:
            msg = f"at {max_rate_hz} pulses a second nothing would ever count"
            raise ValueError(msg)
        self._range: Final = size
        self._rate_hz: Final = max_rate_hz
        if kept is not None and not kept.raw < self._range:
            msg = f"a counter up to {size - 1} cannot have been at {kept.raw}"
            raise ValueError(msg)
        self._kept = kept
        self._strange: int | None = None

    @property
    def kept(self) -> Kept | None:
        """Return what is to be kept; None before the first look."""
        return self._kept

    def take(self, raw: int, elapsed_s: float | None) -> Look:
        """Take a look at the counter.

        Args:
            raw: what it says, 0 to size - 1.
            elapsed_s: since the last look that counted; None: nobody knows, as after a restart.

        Raises:
            ValueError: a counter of this size cannot say that.
        """
        if not 0 <= raw < self._range:
            msg = f"a counter up to {self._range - 1} cannot be at {raw}"
            raise ValueError(msg)
        kept = self._kept
        if kept is None:
            self._kept = Kept(raw, 0)
            return Look.FIRST
        forward = (raw - kept.raw) % self._range
        over = raw < kept.raw
        if forward <= self._possible(elapsed_s, over=over):
            self._strange = None
            self._kept = Kept(raw, kept.total + forward, kept.resets)
            return Look.ROLLED_OVER if over else Look.COUNTED
        if over and raw <= self._possible(elapsed_s, over=False):
            self._strange = None
            self._kept = Kept(raw, kept.total + raw, kept.resets + 1)
            return Look.RESET
        return self._doubt(kept, raw, elapsed_s)

    def _doubt(self, kept: Kept, raw: int, elapsed_s: float | None) -> Look:
        """Believe what cannot be when it is said a second time, and count from there."""
        strange, self._strange = self._strange, raw
        if strange is None or (raw - strange) % self._range > self._possible(elapsed_s, over=True):
            return Look.DOUBTFUL
        self._strange = None
        added = (raw - strange) % self._range
        self._kept = Kept(raw, kept.total + added, kept.resets + 1)
        return Look.REPLACED

    def _possible(self, elapsed_s: float | None, *, over: bool) -> int:
        """Return how many pulses can have come, always fewer than a whole round."""
        if elapsed_s is None:
            return self._range // UNKNOWN_SHARE if over else self._range - 1
        pulses = self._rate_hz * max(0.0, elapsed_s) + SLACK_PULSES
        return int(min(pulses, self._range - 1))
