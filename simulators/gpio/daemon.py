"""The service that hands the pins of a chip to other programs, over TCP.

One connection asks and is answered; another one, once it has opened notifications in itself (NOIB),
hears of every change of the pins it asked for (NB). A client that reads too slowly loses reports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from simulators.gpio.chip import TELLING, Chip, Mode
from simulators.gpio.deeds import DEEDS
from simulators.gpio.wire import (
    Command,
    ProtocolError,
    Refusal,
    Request,
    Requests,
    answer,
    report,
)
from simulators.lines.listening import listen_again

VERSION: Final = 79
HANDLES: Final = 32
UNREAD_LIMIT: Final = 65_536
"""Bytes of reports that a client may leave unread before some are lost."""

Told = tuple[bytes, float]
"""What goes out, and after how many seconds."""


class _Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon: Final = daemon
        self._requests: Final = Requests()
        self.transport: asyncio.Transport
        self.handle: int | None = None
        self.bits = 0
        self._reports = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(transport)
        self.transport = transport
        self._daemon.clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's name for it
        self._daemon.clients.discard(self)
        if self.handle is not None:
            self._daemon.handles.pop(self.handle, None)

    def data_received(self, data: bytes) -> None:
        try:
            requests = self._requests.feed(data)
        except ProtocolError:
            self.transport.abort()
            return
        for request in requests:
            for reply, delay_s in self._daemon.serve(self, request):
                self._daemon.send_later(self, reply, delay_s)

    def tell(self, tick_us: int, levels: int) -> None:
        """Report the levels."""
        if self.transport.get_write_buffer_size() > UNREAD_LIMIT:
            self._daemon.lost_reports += 1
            return
        self.transport.write(report(self._reports, tick_us, levels))
        self._reports += 1


class Daemon:
    """The service of one chip."""

    def __init__(self, chip: Chip, revision: int, host: str, port: int) -> None:
        """Take the chip; listens when `listen` is called.

        Args:
            chip: whose pins they are.
            revision: of the board, as a Raspberry Pi has it.
            host: address to listen on.
            port: 0: the system chooses, once.
        """
        self.chip: Final = chip
        self.host: Final = host
        self.port = port
        self.clients: Final[set[_Client]] = set()
        self.handles: Final[dict[int, _Client]] = {}
        self.lost_reports = 0
        self.strike: Callable[[Request], Callable[[bytes], list[Told]] | int] | None = None
        """What a fault makes of a request: an error code, or what becomes of the answer."""
        self._told: Final[dict[int, Callable[[], int]]] = {
            Command.BR1: lambda: chip.levels,
            Command.TICK: lambda: chip.now_us,
            Command.HWVER: lambda: revision,
            Command.PIGPV: lambda: VERSION,
        }
        self._server: asyncio.Server | None = None
        self._reported = chip.levels
        self._retired = False
        self._pending: Final[dict[int, asyncio.TimerHandle]] = {}
        self._timers: Final[set[asyncio.TimerHandle]] = set()
        self._loop: Final = asyncio.get_running_loop()
        chip.listen(self._changed)

    @property
    def listening(self) -> bool:
        """Say whether the port is open."""
        return self._server is not None

    async def listen(self) -> None:
        """Open the port; does nothing when it is.

        Raises:
            OSError: somebody else has it.
        """
        if self._server is None and not self._retired:
            server = await listen_again(
                lambda: self._loop.create_server(lambda: _Client(self), self.host, self.port),
                wait=self.port != 0,
            )
            self.port = server.sockets[0].getsockname()[1]
            self._server = server
            if self._retired:  # meanwhile
                self.close()

    def retire(self) -> None:
        """Close for good, also a port that is just being opened."""
        self._retired = True
        self.close()

    def close(self) -> None:
        """Close the port and every connection; does nothing when it is closed."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for timer in (*self._pending.values(), *self._timers):
            timer.cancel()
        self._pending.clear()
        self._timers.clear()
        for client in tuple(self.clients):
            client.transport.abort()

    # Requests

    def serve(self, client: _Client, request: Request) -> list[Told]:
        """Carry a request out and return what goes back."""
        verdict = self.strike(request) if self.strike is not None else None
        if isinstance(verdict, int):
            return [(answer(request, verdict), 0.0)]
        whole = answer(request, self._carry_out(client, request))
        return [(whole, 0.0)] if verdict is None else verdict(whole)

    def send_later(self, client: _Client, reply: bytes, delay_s: float) -> None:
        """Send an answer after a while."""
        if not delay_s:
            client.transport.write(reply)
            return

        def send() -> None:
            self._timers.discard(timer)
            client.transport.write(reply)

        timer = self._loop.call_later(delay_s, send)
        self._timers.add(timer)

    def _carry_out(self, client: _Client, request: Request) -> int:
        deed = DEEDS.get(request.command)
        if deed is not None:
            return deed.carry_out(self.chip, request)
        told = self._told.get(request.command)
        if told is not None:
            return told()
        match request.command:
            case Command.NOIB:
                return self._open(client)
            case Command.NB | Command.NP | Command.NC:
                return self._notify(request)
            case Command.BC1 | Command.BS1:
                for pin in range(TELLING):
                    if request.p1 >> pin & 1:
                        self.chip.write(pin, request.command == Command.BS1)
                return 0
            case _:
                return Refusal.UNKNOWN_COMMAND

    def _open(self, client: _Client) -> int:
        free = next((number for number in range(HANDLES) if number not in self.handles), None)
        if free is None:
            return Refusal.NO_HANDLE
        self.handles[free] = client
        client.handle = free
        return free

    def _notify(self, request: Request) -> int:
        client = self.handles.get(request.p1)
        if client is None:
            return Refusal.BAD_HANDLE
        client.bits = request.p2 if request.command == Command.NB else 0
        if request.command == Command.NC:
            del self.handles[request.p1]
            client.handle = None
        return 0

    # Reports

    def _changed(self, number: int, level: bool, tick_us: int) -> None:  # noqa: FBT001
        if number >= TELLING:
            return
        pending = self._pending.pop(number, None)
        if pending is not None:
            pending.cancel()
        steady_us = self.chip.pins[number].filter_us
        if steady_us and self.chip.pins[number].mode == Mode.INPUT:
            self._pending[number] = self._loop.call_later(
                steady_us / 1e6, self._report, number, level, tick_us + steady_us
            )
        else:
            self._report(number, level, tick_us)

    def _report(self, number: int, level: bool, tick_us: int) -> None:  # noqa: FBT001
        self._pending.pop(number, None)
        bit = 1 << number
        before = self._reported
        self._reported = before | bit if level else before & ~bit
        if self._reported == before:
            return
        for client in self.handles.values():
            if client.bits & bit:
                client.tell(tick_us, self._reported)
