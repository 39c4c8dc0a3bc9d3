"""A clock turned by hand."""

from __future__ import annotations

import secrets

from gateway.model.clock import Instant, Trust
from gateway.model.ids import BootId

START_WALL_MS = 1_764_000_000_000
"""2025-11-24T16:00:00Z."""


class HandClock:
    """A `gateway.model.clock.Clock` that stands still until a test turns it."""

    def __init__(
        self,
        *,
        mono_ms: int = 1_000_000,
        wall_ms: int = START_WALL_MS,
        trust: Trust = Trust.SYNCED,
    ) -> None:
        """Start at these times, with a random boot id."""
        self.mono_ms = mono_ms
        self.wall_ms = wall_ms
        self.trust = trust
        self.error_ms: int | None = None
        self._boot = BootId(secrets.token_bytes(16))

    @property
    def boot(self) -> BootId:
        """Return the id of this boot."""
        return self._boot

    def now(self) -> Instant:
        """Return where the hands stand."""
        return Instant(self.mono_ms, self.wall_ms, self.trust)

    def monotonic_s(self) -> float:
        """Return seconds since boot."""
        return self.mono_ms / 1000

    def uncertainty_ms(self) -> int | None:
        """Return how far the wall clock is said to be off."""
        return self.error_ms

    def advance(self, seconds: float) -> Instant:
        """Let time pass on both clocks; never backwards. Return the new moment."""
        if seconds < 0:
            msg = f"the monotonic clock does not go back: {seconds} s"
            raise ValueError(msg)
        step_ms = round(seconds * 1000)
        self.mono_ms += step_ms
        self.wall_ms += step_ms
        return self.now()

    def set_wall(self, wall_ms: int, trust: Trust = Trust.SYNCED) -> Instant:
        """Let the wall clock jump, forwards or back; the monotonic one does not notice."""
        self.wall_ms = wall_ms
        self.trust = trust
        return self.now()

    def reboot(self, *, wall_ms: int = 0, trust: Trust = Trust.UNSET) -> Instant:
        """Begin a new boot; by default as a board without a battery clock wakes, in 1970."""
        self._boot = BootId(secrets.token_bytes(16))
        self.mono_ms = 0
        return self.set_wall(wall_ms, trust)
