"""How late the event loop is: a timer that looks how much after its time it was called."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final, Self

EVERY_S: Final = 1.0


class LoopLatency:
    """Measures while it is entered; `take_ms` gives the worst since it was last asked.

    Costs one timer each `every_s`. A callback that held the loop for a shorter time, between two
    looks, is not seen.
    """

    def __init__(self, every_s: float = EVERY_S) -> None:
        """Take how often to look, in seconds."""
        self._every_s: Final = every_s
        self._worst_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        """Begin, in the running loop."""
        self._arm(asyncio.get_running_loop())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def take_ms(self) -> float:
        """Return the worst lateness since the last call, in milliseconds, and begin anew.

        A look that is overdue in this moment counts.
        """
        if self._timer is not None:
            overdue_s = asyncio.get_running_loop().time() - self._timer.when()
            self._worst_s = max(self._worst_s, overdue_s)
        worst_s, self._worst_s = self._worst_s, 0.0
        return worst_s * 1000

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + self._every_s
        self._timer = loop.call_at(due, self._look, loop, due)

    def _look(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._worst_s = max(self._worst_s, loop.time() - due)
        self._arm(loop)
