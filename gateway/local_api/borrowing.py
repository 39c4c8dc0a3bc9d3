"""Takes a line from the running agent for a while: its polls rest, then it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from gateway.local_api.control import ask, control_path
from gateway.model.ids import LineId

FOR_S: Final = 20.0
AGAIN_EVERY_S: Final = 5.0


@asynccontextmanager
async def borrowed(store: Path, line: LineId) -> AsyncIterator[bool]:
    """Have a line to oneself for as long as the block runs; yields whether an agent lent it.

    Args:
        store: of the agent that may be running.
        line: what to take.

    Raises:
        GatewayError: the agent cannot be asked, or the line does not get free.
    """
    door = control_path(store)
    request = {"do": "lend", "line": str(line)}
    lent = await asyncio.to_thread(ask, door, {**request, "for_s": FOR_S}) is not None
    if not lent:
        yield False
        return

    async def keep() -> None:
        while True:
            await asyncio.sleep(AGAIN_EVERY_S)
            await asyncio.to_thread(ask, door, {**request, "for_s": FOR_S})

    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(keep(), name=f"borrowed:{line}")
        try:
            yield True
        finally:
            keeping.cancel()
            await asyncio.shield(asyncio.to_thread(ask, door, {**request, "for_s": 0}))
