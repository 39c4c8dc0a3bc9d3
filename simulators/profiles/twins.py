"""Twins made from profiles, each behind a TCP port of this machine: by protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

from gateway.model.clock import SystemClock
from simulators.lines.listening import nursery
from simulators.lines.stream import RunningStream, StreamSpec
from simulators.modbus.profile.device import ProfileDevice
from simulators.modbus.profile.reader import read_plan
from simulators.modbus.servers import TcpLine
from simulators.modbus.twin import ModbusTwin
from simulators.serial_profile.by_profile import SerialProfileOptions, SerialProfileTwin
from simulators.truth import TruthJournal

TELLS_EVERY_S: Final = 0.05
"""How often a device tells that tells by itself: nobody waits long."""
Serve = Callable[[Path, int], AbstractAsyncContextManager[tuple[str, int]]]
"""Serves a twin of a profile that holds its test vector number N (from 0); gives host and port.
Raises ValueError when no twin can be made of the file."""


@asynccontextmanager
async def modbus(path: Path, vector: int) -> AsyncIterator[tuple[str, int]]:
    """Serve a Modbus twin over Modbus TCP.

    Raises:
        ValueError: no twin can be made of the profile.
    """
    device = ProfileDevice(read_plan(path), vector=vector + 1)
    line = TcpLine("127.0.0.1", 0)
    with TruthJournal(SystemClock(), None) as truth:
        line.join(ModbusTwin(path.stem, 1, device, truth))
        await line.open()
        try:
            yield line.host, line.port
        finally:
            line.retire()


@asynccontextmanager
async def serial(path: Path, vector: int) -> AsyncIterator[tuple[str, int]]:
    """Serve a twin that speaks telegrams, behind a port as a device server has.

    Raises:
        ValueError: no twin can be made of the profile.
    """
    options = SerialProfileOptions(id="twin", line="line", profile=str(path))
    line = RunningStream(StreamSpec(id="line"))
    with TruthJournal(SystemClock(), None) as truth:
        twin = SerialProfileTwin(options, truth, vector)
        heard = bytearray()

        def hear(data: bytes, say: Callable[[bytes], None]) -> None:
            heard.extend(data)
            while (request := twin.cut(heard)) is not None:
                for said in twin.answer(request, ()):
                    say(said.wire)

        line.join(twin, hear)
        await line.refresh()
        async with nursery() as tasks:
            telling = tasks.create_task(_tell(line, twin), name="tell")
            try:
                yield line.host, line.port
            finally:
                telling.cancel()
                line.retire()


async def _tell(line: RunningStream, twin: SerialProfileTwin) -> None:
    """Say again and again what the device tells by itself; never returns."""
    while True:
        line.say(twin.talk(()))
        await asyncio.sleep(TELLS_EVERY_S)


TWINS: Final[Mapping[str, Serve]] = {"modbus": modbus, "serial": serial}
"""By protocol; a family with twins by profile adds its own."""
