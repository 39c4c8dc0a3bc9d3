"""A wire tap between the agent and a Modbus TCP twin: when which answer went by.

Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3 (MBAP header);
MODBUS Application Protocol Specification V1.1b3, 7 (an exception answer has the highest bit of
the function code set).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from simulators.lines.listening import nursery

_HEAD: Final = struct.Struct(">HHHBB")
"""Transaction, protocol, length, unit, function code."""
_BEFORE_LENGTH: Final = 6
_REFUSAL: Final = 0x80
CHUNK: Final = 4096


class Tap:
    """What was seen."""

    def __init__(self, target: tuple[str, int]) -> None:
        """Take where the twins listen."""
        self._target = target
        self.port = 0
        self.refused: dict[int, float] = {}
        """By unit: the loop's time when its first exception answer was handed on."""
        self.seen = asyncio.Event()
        """Set with each new unit in `refused`."""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection of the agent until one side ends it."""
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._up(reader, far_writer))
                ways.create_task(self._down(far_reader, writer))
        except* OSError:
            pass  # a reset on one side ends the other as well
        finally:
            writer.transport.abort()
            far_writer.transport.abort()

    @staticmethod
    async def _up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            writer.write(data)
        writer.close()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting = bytearray()
        while data := await reader.read(CHUNK):
            waiting += data
            self._note(waiting)
            writer.write(data)
        writer.close()

    def _note(self, stream: bytearray) -> None:
        """Look at the whole frames at the front of a stream and take them off."""
        while len(stream) >= _HEAD.size:
            _, _, length, unit, function = _HEAD.unpack_from(stream)
            if len(stream) < _BEFORE_LENGTH + length:
                return
            if function & _REFUSAL and unit not in self.refused:
                self.refused[unit] = asyncio.get_running_loop().time()
                self.seen.set()
            del stream[: _BEFORE_LENGTH + length]


@asynccontextmanager
async def tap(target: tuple[str, int]) -> AsyncIterator[Tap]:
    """Listen on a free port before `target` for as long as the block runs."""
    async with nursery() as tasks:
        seen = Tap(target)
        carried: list[asyncio.Task[None]] = []

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            carried.append(tasks.create_task(seen.carry(reader, writer), name="tap"))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        seen.port = server.sockets[0].getsockname()[1]
        try:
            yield seen
        finally:
            server.close()
            for task in carried:
                task.cancel()
