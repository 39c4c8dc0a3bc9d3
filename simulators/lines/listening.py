"""Small things both TCP rooms need: a task group that keeps errors plain, a port taken back."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

T = TypeVar("T")

AGAIN_S: Final = 5.0
"""How long to ask for a port that was ours a moment ago."""
AGAIN_EVERY_S: Final = 0.05


@asynccontextmanager
async def nursery() -> AsyncIterator[asyncio.TaskGroup]:
    """Run a TaskGroup in which an error of the block itself comes out as it is, not in a group.

    The block ends its tasks before it leaves; an error in one of them ends the block.
    """
    tasks = asyncio.TaskGroup()
    await tasks.__aenter__()
    try:
        yield tasks
    finally:
        await tasks.__aexit__(None, None, None)


async def listen_again(listen: Callable[[], Awaitable[T]], *, wait: bool) -> T:
    """Return what `listen` returns; with `wait`, ask again for a while when the port is taken.

    A client that keeps knocking at a closed port may by chance get that port for itself.

    Raises:
        OSError: the port stays taken, or cannot be had at all.
    """
    deadline = asyncio.get_running_loop().time() + (AGAIN_S if wait else 0)
    while True:
        try:
            return await listen()
        except OSError as error:
            late = asyncio.get_running_loop().time() >= deadline
            if error.errno != errno.EADDRINUSE or late:
                raise
        await asyncio.sleep(AGAIN_EVERY_S)
