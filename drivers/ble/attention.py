"""For how long a radio has really listened, and how long the air has been silent. Pure."""

from __future__ import annotations


class Attention:
    """Counts on the radio's own clock, in seconds. Not listening is not counted."""

    __slots__ = ("_before_s", "_began_s", "_certain_s", "_quiet_from_s")

    def __init__(self) -> None:
        """Start without having listened."""
        self._before_s = 0.0
        self._began_s: float | None = None
        self._certain_s = 0.0
        self._quiet_from_s = 0.0

    def total_s(self, now_s: float) -> float:
        """Return for how long it has listened so far."""
        began_s = self._began_s
        return self._before_s if began_s is None else self._before_s + now_s - began_s

    @property
    def certain_s(self) -> float:
        """Return how much of it was before the last sign of life: nothing was missed in this."""
        return self._certain_s

    def quiet_s(self, now_s: float) -> float:
        """Return for how long nothing was heard while it listened, or was not healed."""
        return self.total_s(now_s) - self._quiet_from_s

    def begin(self, now_s: float) -> None:
        """Listen from now on; does nothing while it does."""
        if self._began_s is None:
            self._began_s = now_s

    def end(self, now_s: float) -> None:
        """Listen no more; does nothing while it does not."""
        self._before_s = self.total_s(now_s)
        self._began_s = None

    def alive(self, now_s: float) -> None:
        """Take that something was heard, of anybody: an adapter may well answer, and be deaf."""
        self._certain_s = self._quiet_from_s = self.total_s(now_s)

    def healed(self, now_s: float) -> None:
        """Take that something was tried: what was silent before does not count as listened."""
        self._before_s = self._quiet_from_s = self._certain_s
        if self._began_s is not None:
            self._began_s = now_s
