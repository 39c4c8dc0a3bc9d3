"""A search that lets others talk: it listens first, and asks only while the line is quiet."""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.model.driver import Direction, Medium, TappedMedium

LISTENS_S: Final = 1.5
"""How long to listen before the first question."""
QUIET_S: Final = 0.1
"""Nothing must have come for so long before a question."""
WAITS_S: Final = 5.0
"""A line that is never quiet is asked all the same after so long: the owner of it says so."""
OURS_S: Final = 3.0
"""What comes within it after a question of ours may be an answer."""


class Manners:
    """Watches one line for others who talk on it."""

    def __init__(self, medium: Medium) -> None:
        """Take the line; from now on all that goes over it is seen."""
        self._loop: Final = asyncio.get_running_loop()
        self._asked_s = float("-inf")
        self._came_s = float("-inf")
        self.foreign = 0
        """Bytes that came while no question of ours was open."""
        if isinstance(medium, TappedMedium):
            medium.tap(self._passed)

    def _passed(self, direction: Direction, data: bytes) -> None:
        now = self._loop.time()
        if direction is Direction.SENT:
            self._asked_s = now
            return
        self._came_s = now
        if now - self._asked_s > OURS_S:
            self.foreign += len(data)

    async def listen(self) -> int:
        """Listen, and return how many bytes others sent meanwhile."""
        before = self.foreign
        await asyncio.sleep(LISTENS_S)
        return self.foreign - before

    async def ready(self) -> None:
        """Wait until the line has been quiet for a moment; for at most WAITS_S, if it never is."""
        latest_s = self._loop.time() + WAITS_S
        for _ in range(round(WAITS_S / QUIET_S)):
            now = self._loop.time()
            wait_s = min(self._came_s + QUIET_S, latest_s) - now
            if wait_s <= 0:
                return
            await asyncio.sleep(wait_s)
