"""A line that is lent: its polls rest while a technician's program has the port.

A lease ends when it is given back or its time is over; whoever has the line says again and again
that it still needs it. So a program that dies takes the line from nobody.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.model.clock import Clock
from gateway.model.driver import Medium
from gateway.model.errors import GatewayError

LONGEST_S: Final = 30.0
"""For so long a line is lent at a time."""
FREE_WITHIN_S: Final = 15.0
"""The exchange under way ends within it."""


class Lease:
    """Whether one line is lent, and until when."""

    def __init__(self, line: Medium, clock: Clock, wake: Callable[[], None]) -> None:
        """Take the line.

        Args:
            line: it is closed while it is lent.
            clock: gives the time.
            wake: has the poller look here.
        """
        self._line: Final = line
        self._clock: Final = clock
        self._wake: Final = wake
        self._until_s = -math.inf
        self._free = asyncio.Event()

    @property
    def wanted(self) -> bool:
        """Say whether somebody has or wants the line now."""
        return self._clock.monotonic_s() < self._until_s

    async def lend(self, for_s: float) -> None:
        """Lend the line, or lend it longer; returns once it is free.

        Args:
            for_s: seconds, at most LONGEST_S.

        Raises:
            GatewayError: it does not get free in time.
        """
        self._until_s = self._clock.monotonic_s() + min(for_s, LONGEST_S)
        self._wake()
        try:
            async with asyncio.timeout(FREE_WITHIN_S):
                await self._free.wait()
        except TimeoutError:
            self._until_s = -math.inf
            msg = f"line {self._line.id} does not get free: its device takes too long to answer"
            raise GatewayError(msg) from None

    def take_back(self) -> None:
        """End the lease; does nothing when there is none."""
        self._until_s = -math.inf
        self._wake()

    async def rest(self, pause: Callable[[float, float], Awaitable[None]]) -> None:
        """Keep the line closed until the lease is over.

        Args:
            pause: waits from a time for so many seconds, or until somebody wakes the poller.
        """
        await self._line.close()
        self._free.set()
        try:
            while (left_s := self._until_s - (now := self._clock.monotonic_s())) > 0:
                await pause(now, left_s)
        finally:
            self._free.clear()
