"""Who is next on a line: commands before polls, and first come first served among equals."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from gateway.model.driver import Priority


class Turnstile:
    """Lets one holder through at a time.

    The queues are as long as there are tasks that wait, and a task waits once: a poller per line
    and the commands under way. So they need no bound of their own.
    """

    __slots__ = ("_queues", "_taken")

    def __init__(self) -> None:
        """Start free."""
        self._taken = False
        self._queues: Final = tuple(deque[asyncio.Future[None]]() for _ in sorted(Priority))

    def try_enter(self) -> bool:
        """Enter when it is free; say whether that was so."""
        if self._taken:
            return False
        self._taken = True
        return True

    async def enter(self, priority: Priority) -> None:
        """Enter when it is our turn. Who entered calls `leave`; who is cancelled has not."""
        if self.try_enter():
            return
        turn = asyncio.get_running_loop().create_future()
        queue = self._queues[priority]
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if (
                turn.done() and not turn.cancelled()
            ):  # it was handed to us in the moment we were cancelled
                self.leave()
            elif turn in queue:
                queue.remove(turn)
            raise

    def outranked(self, priority: Priority) -> bool:
        """Say whether somebody waits who goes before such a one."""
        return any(self._queues[:priority])

    def leave(self) -> None:
        """Hand over to the next, or leave it free."""
        for queue in self._queues:
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._taken = False
