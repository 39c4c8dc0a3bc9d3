"""How a duty cycle goes from one value to another. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ramp:
    """From one value to another, at so many percent a second."""

    start: float
    """Percent."""
    end: float
    """Percent."""
    full_s: float
    """From 0 to 100 percent; 0: at once."""

    @property
    def takes_s(self) -> float:
        """Return how long it takes."""
        return self.full_s * abs(self.end - self.start) / 100

    def at(self, elapsed_s: float) -> float:
        """Return the value so many seconds after it began."""
        if elapsed_s >= self.takes_s:
            return self.end
        if elapsed_s <= 0:
            return self.start
        return self.start + (self.end - self.start) * elapsed_s / self.takes_s
