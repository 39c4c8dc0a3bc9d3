"""Two serial ports that are connected, and a serial port behind a network adapter."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


def _open() -> tuple[int, int, str]:
    """Open a pty and return its master, its slave (kept open, so that it stays) and its path."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    return master, slave, os.ttyname(slave)


@dataclass(frozen=True)
class NullModem:
    """The paths of both ends."""

    one: str
    other: str


@asynccontextmanager
async def null_modem() -> AsyncIterator[NullModem]:
    """Connect two ports for as long as the block runs."""
    loop = asyncio.get_running_loop()
    (one, one_slave, one_path), (other, other_slave, other_path) = _open(), _open()

    def pump(source: int, sink: int) -> None:
        os.write(sink, os.read(source, 4096))

    loop.add_reader(one, pump, one, other)
    loop.add_reader(other, pump, other, one)
    try:
        yield NullModem(one_path, other_path)
    finally:
        for master in (one, other):
            loop.remove_reader(master)
        for fd in (one, other, one_slave, other_slave):
            os.close(fd)


@asynccontextmanager
async def network_adapter() -> AsyncIterator[tuple[int, str]]:
    """Put a serial port on the network for as long as the block runs: its TCP port and its path."""
    loop = asyncio.get_running_loop()
    master, slave, path = _open()
    clients: set[asyncio.Transport] = set()

    class Client(asyncio.Protocol):
        transport: asyncio.Transport

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, asyncio.Transport)
            self.transport = transport
            clients.add(transport)

        def data_received(self, data: bytes) -> None:
            os.write(master, data)

        def connection_lost(self, exc: Exception | None) -> None:
            del exc
            clients.discard(self.transport)

    def pump() -> None:
        data = os.read(master, 4096)
        for client in clients:
            client.write(data)

    server = await loop.create_server(Client, "127.0.0.1", 0)
    loop.add_reader(master, pump)
    try:
        yield server.sockets[0].getsockname()[1], path
    finally:
        loop.remove_reader(master)
        server.close()
        for client in [*clients]:
            client.abort()
        await server.wait_closed()
        for fd in (master, slave):
            os.close(fd)
