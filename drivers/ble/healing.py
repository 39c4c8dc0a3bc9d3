"""What is done about an adapter that hears nothing, step after step. Pure.

Adapters of small boards get stuck: they answer and hear nothing, or no longer answer at all, and
often a higher step helps where a lower one does not (home-assistant/core, pull request 77043 and
issues 84046, 93481).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Step(StrEnum):
    """From the mildest to the last."""

    RESTART = "restart"
    """End the scan and begin it anew."""
    POWER = "power"
    """Switch the adapter off and on."""
    RESET = "reset"
    """Reset the adapter below its stack."""
    GIVE_UP = "give_up"
    """Close it and say that it is gone; it is opened anew with back-off."""


_STEPS: Final = tuple(Step)


class Ladder:
    """Says which step is next. Whatever is heard leads back to its foot."""

    def __init__(self) -> None:
        """Start at the foot."""
        self.counts: Final[dict[Step, int]] = dict.fromkeys(Step, 0)
        self._taken = 0

    @property
    def taken(self) -> tuple[Step, ...]:
        """Return the steps taken since something was last heard."""
        return _STEPS[: self._taken]

    def heard(self) -> None:
        """Go back to the foot."""
        self._taken = 0

    def climb(self) -> Step:
        """Return the next step, and count it; the last one leads back to the foot."""
        step = _STEPS[self._taken]
        self.counts[step] += 1
        self._taken = 0 if step is Step.GIVE_UP else self._taken + 1
        return step
