from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from simulators.programs.children import Children

STUBBORN = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
part = pathlib.Path(sys.argv[1] + ".part")
part.write_text("{}")
part.rename(sys.argv[1])
time.sleep(60)
"""


async def test_an_interrupted_end_leaves_no_process_behind(tmp_path: Path) -> None:
    children = Children(tmp_path)
    ready = tmp_path / "ready"
    first = await children.start("first", ["sleep", "60"])
    last = await children.start("last", [sys.executable, "-c", STUBBORN, str(ready)])
    async with asyncio.timeout(10):
        await children.ready(last, ready)
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(children.stop_all())
            await asyncio.sleep(0.1)
            ending.cancel()
        assert await first.process.wait() == -9
        assert await last.process.wait() == -9


async def test_the_end_is_that_of_every_process_in_turn(tmp_path: Path) -> None:
    children = Children(tmp_path)
    started = [await children.start(f"part-{n}", ["sleep", "60"]) for n in range(2)]
    async with asyncio.timeout(10):
        await children.stop_all()
    assert [child.process.returncode for child in started] == [-15, -15]
