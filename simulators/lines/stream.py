"""A TCP port behind which bytes are spoken as on a serial line: a device server, a recording."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import Field

from simulators.faults import Flood
from simulators.grounds import Grounds, LineKind
from simulators.lines.listening import listen_again
from simulators.options import LineOptions
from simulators.twin import InPlay, Twin

Hear = Callable[[bytes, Callable[[bytes], None]], None]
"""Takes what came, and what says something to whoever sent it."""


class StreamSpec(LineOptions):
    """A TCP port; its twins hear every byte and answer what is for them."""

    medium: Literal["stream"] = "stream"
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=0, ge=0, le=65535, description="0: the system chooses")


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """Where a stream line listens."""

    host: str
    port: int


class RunningStream:
    """A stream line of a running scene."""

    medium: Final = "stream"

    def __init__(self, spec: StreamSpec) -> None:
        """Take the scene's words for it."""
        self.host = spec.host
        self.port = spec.port
        self._ears: dict[str, Hear] = {}
        self._twins: list[Twin] = []
        self._clients: set[_Client] = set()
        self._server: asyncio.Server | None = None
        self._refreshing = asyncio.Lock()
        self._retired = self._ours = False

    def join(self, twin: Twin, hear: Hear) -> None:
        """Put a twin behind the port."""
        self._twins.append(twin)
        self._ears[twin.name] = hear

    @property
    def address(self) -> StreamAddress:
        """Return where it listens."""
        return StreamAddress(self.host, self.port)

    def words(self) -> tuple[str, str]:
        """Return the port, and whether it is open."""
        return f"{self.host}:{self.port}", "listening" if self._server else "refuses"

    async def refresh(self) -> None:
        """Be closed while everything behind the port is off, else open.

        Raises:
            OSError: somebody else has taken the port meanwhile.
        """
        async with self._refreshing:
            if self._twins and all(twin.off for twin in self._twins):
                self._close()
            elif self._server is None and not self._retired:
                loop = asyncio.get_running_loop()
                self._server = await listen_again(
                    lambda: loop.create_server(lambda: _Client(self), self.host, self.port),
                    wait=self._ours,
                )
                self._ours = True
                self.host, self.port = self._server.sockets[0].getsockname()[:2]

    def babble(self, twin: Twin, held: InPlay) -> None:
        """Let the twin flood everybody for as long as the fault holds."""
        fault = held.fault
        if not isinstance(fault, Flood) or held not in twin.faults:
            return
        if not twin.off and held.rng.random() < fault.probability:
            self.say(held.rng.randbytes(fault.size))
        asyncio.get_running_loop().call_later(fault.every_s, self.babble, twin, held)

    def say(self, wire: bytes) -> None:
        """Send bytes to everybody who is connected."""
        for client in tuple(self._clients):
            client.say(wire)

    def retire(self) -> None:
        """Close for good."""
        self._retired = True
        self._close()

    def _close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for client in tuple(self._clients):
            client.abort()

    def _heard(self, data: bytes, client: _Client) -> None:
        for hear in self._ears.values():
            hear(data, client.say)


class _Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, line: RunningStream) -> None:
        self._line = line
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self._line._clients.add(self)  # noqa: SLF001 - the two are one
        if self._line._server is None:  # noqa: SLF001
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._line._clients.discard(self)  # noqa: SLF001

    def data_received(self, data: bytes) -> None:
        self._line._heard(data, self)  # noqa: SLF001

    def say(self, wire: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(wire)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def stream(line: object) -> RunningStream:
    """Return a line that a kind of twin asked for as `stream`.

    Raises:
        TypeError: it is another kind of line.
    """
    if not isinstance(line, RunningStream):
        msg = f"{type(line).__name__} is no stream line"
        raise TypeError(msg)
    return line


def _lay(spec: StreamSpec, _grounds: Grounds) -> RunningStream:
    return RunningStream(spec)


LINES: Final = (LineKind(StreamSpec, _lay, site_medium="tcp"),)
