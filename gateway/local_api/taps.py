"""What goes over the lines, byte by byte, for a technician who looks on.

Whoever looks takes what has come since the last time. What is not taken in time is dropped, oldest
first, and counted; a tap that nobody takes from any more ends by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final

from gateway.acquisition.poller import Poller
from gateway.local_api.control import Answer
from gateway.model.driver import Direction, TappedMedium
from gateway.model.errors import GatewayError
from gateway.model.ids import LineId

CHUNKS_MOST: Final = 4096
"""Kept of one line until somebody takes them; the oldest go first."""
TAKEN_MOST: Final = 512
"""Handed over at a time."""
IDLE_S: Final = 15.0
"""Nobody takes anything for so long: the tap ends."""


class _Tap:
    """What went over one line since somebody began to look."""

    def __init__(self, medium: TappedMedium) -> None:
        """Begin."""
        self._medium: Final = medium
        self._loop: Final = asyncio.get_running_loop()
        self._began_s: Final = self._loop.time()
        self._chunks: Final[deque[tuple[int, str, str]]] = deque(maxlen=CHUNKS_MOST)
        self._dropped = 0
        self.taken_s = self._began_s
        medium.tap(self._passed)

    def _passed(self, direction: Direction, data: bytes) -> None:
        if self._loop.time() - self.taken_s > IDLE_S:
            self.end()
            return
        self._dropped += len(self._chunks) == CHUNKS_MOST
        at_us = round((self._loop.time() - self._began_s) * 1e6)
        self._chunks.append((at_us, direction.value, data.hex()))

    def end(self) -> None:
        """Look no more."""
        self._medium.tap(None)

    def take(self) -> Answer:
        """Return what came since the last time, at most TAKEN_MOST chunks of it."""
        self.taken_s = self._loop.time()
        count = min(len(self._chunks), TAKEN_MOST)
        chunks = [self._chunks.popleft() for _ in range(count)]
        dropped, self._dropped = self._dropped, 0
        return {"chunks": chunks, "dropped": dropped, "more": len(self._chunks)}


class Taps:
    """The taps of all lines."""

    def __init__(self, pollers: Iterable[Poller]) -> None:
        """Take the lines."""
        self._pollers: Final = {poller.line.id: poller for poller in pollers}
        self._taps: Final[dict[LineId, _Tap]] = {}

    def take(self, line: LineId) -> Answer:
        """Return what went over a line since the last time; the first time begins it.

        Returns:
            `chunks`: microseconds since the tap began, direction (">" sent, "<" received), bytes in
            hex; `dropped`: how many were lost since nobody took them; `more`: how many wait.

        Raises:
            GatewayError: no such line, it has no bytes, or they are private.
        """
        poller = self._pollers.get(line)
        if poller is None:
            known = ", ".join(sorted(self._pollers))
            msg = f"there is no line {line!r} with a device; known: {known}"
            raise GatewayError(msg)
        medium = poller.line
        if poller.private:
            msg = f"line {line} carries personal data: what goes over it is shown to nobody"
            raise GatewayError(msg)
        if not isinstance(medium, TappedMedium):
            msg = f"line {line} carries no bytes that could be shown"
            raise GatewayError(msg)
        tap = self._taps.get(line)
        if tap is None or asyncio.get_running_loop().time() - tap.taken_s > IDLE_S:
            tap = self._taps[line] = _Tap(medium)
        return tap.take()

    def end(self, line: LineId) -> Answer:
        """End the tap of a line; does nothing when there is none."""
        tap = self._taps.pop(line, None)
        if tap is not None:
            tap.end()
        return {}
