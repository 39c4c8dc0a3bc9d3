"""Where twins meet their lines: a slave on an RS-485 line, and a Modbus TCP server.

Source: MODBUS over Serial Line V1.02 (2.2 addressing, 2.4.1 slave state diagram) and MODBUS
Messaging on TCP/IP Implementation Guide V1.0b (3.1.3, 4.2).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Final

from simulators.faults import Flood
from simulators.lines.hub import Fate
from simulators.lines.listening import listen_again
from simulators.lines.serial_server import SerialServer
from simulators.modbus import mbap, rtu, spoil
from simulators.modbus.memory import ExceptionCode
from simulators.modbus.pdu import refusal
from simulators.modbus.twin import ModbusTwin, Reply
from simulators.twin import InPlay, Struck, Twin, delay_s

ANY_UNIT: Final = frozenset({0, 255})
"""Addresses that reach a TCP device which is no gateway (implementation guide, 4.4.2.1)."""
WAITING: Final = 32
"""Late answers a twin keeps; further requests are ignored, as by a busy device."""


class RtuSlave:
    """One slave: hears everything, answers what is for it."""

    def __init__(self, line: SerialServer, twin: ModbusTwin) -> None:
        """Join the line."""
        self._line = line
        self._hub = line.hub
        self._twin = twin
        self._loop = asyncio.get_running_loop()
        speed = twin.baud_rate or self._hub.baud_rate
        self._silence_s = rtu.silence_s(speed, self._hub.byte_s(speed))
        self._heard = bytearray()
        self._silence: asyncio.TimerHandle | None = None
        self._busy = False
        self.end: Final = self._hub.add_end(self._hear, speed)

    def _hear(self, wire: bytes) -> None:
        self._heard += wire
        del self._heard[: -(rtu.MAX_FRAME + 1)]
        self._await_silence(self._hub.said_at)

    def _await_silence(self, since: float) -> None:
        if self._silence is not None:
            self._silence.cancel()
        due = since + self._silence_s
        self._silence = self._loop.call_at(due, self._silent, due)

    def _silent(self, due: float) -> None:
        # Who begins to talk before the silence is over goes on with the frame (V1.02, 2.5.1.1).
        talking_until = self._hub.busy_until(due)
        if talking_until > self._loop.time():
            self._await_silence(talking_until)
            return
        frame = bytes(self._heard)
        self._heard.clear()
        asked = rtu.unwrap(frame)
        if asked is None or self._busy:
            return
        if asked.unit == rtu.BROADCAST:
            if self._twin.hears(self._twin.strike()):
                self._twin.obey(asked.pdu, self._loop.time())
        elif asked.unit == self._twin.unit:
            struck = self._twin.strike()
            self._busy = True
            self._loop.call_later(delay_s(struck), self._answer, frame, asked, struck)

    def _answer(self, frame: bytes, asked: rtu.Frame, struck: Sequence[Struck]) -> None:
        reply = self._twin.reply(asked.pdu, tuple(struck), self._loop.time())
        if reply is None:
            self._busy = False
            return
        wire = spoil.rtu_wire(struck, self._twin.unit, reply.pdu, frame)
        self._twin.sent()
        self.end.say(wire, lambda fate: self._told(reply, fate))

    def _told(self, reply: Reply, fate: Fate) -> None:
        self._busy = False
        if reply.number is not None and fate is Fate.WHOLE:
            certain = reply.certain and not self._line.floods
            self._twin.served(reply.number, certain=certain)


class TcpLine:
    """One listening port with one twin, or several behind it by their unit."""

    def __init__(self, host: str, port: int) -> None:
        """Say where to listen; port 0: the system chooses."""
        self.host = host
        self.port = port
        self.floods = 0
        self.connections: set[Connection] = set()
        self._twins: dict[int, ModbusTwin] = {}
        self._server: asyncio.Server | None = None
        self._refreshing = asyncio.Lock()
        self._retired = False
        self._ours = False

    def join(self, twin: ModbusTwin) -> None:
        """Put a twin behind the port."""
        self._twins[twin.unit] = twin

    @property
    def listening(self) -> bool:
        """Say whether the port is open."""
        return self._server is not None

    async def open(self) -> None:
        """Listen; does nothing when it does, or is retired.

        Raises:
            OSError: the port is taken.
        """
        if self._server is not None or self._retired:
            return
        loop = asyncio.get_running_loop()
        server = await listen_again(
            lambda: loop.create_server(lambda: Connection(self), self.host, self.port),
            wait=self._ours,
        )
        if self._retired:
            server.close()
            return
        self._server = server
        self._ours = True
        self.host, self.port = server.sockets[0].getsockname()[:2]

    def close(self) -> None:
        """Refuse and reset every connection; does nothing when closed."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for connection in tuple(self.connections):
            connection.abort()

    def retire(self) -> None:
        """Close for good: whatever is still under way opens no port again."""
        self._retired = True
        self.close()

    async def refresh(self) -> None:
        """Be closed while everything behind the port is off, else open.

        Raises:
            OSError: somebody else has taken the port meanwhile.
        """
        async with self._refreshing:
            if self._twins and all(twin.off for twin in self._twins.values()):
                self.close()
            else:
                await self.open()

    def route(self, unit: int) -> ModbusTwin | None:
        """Return the twin that a request is for, or None."""
        if len(self._twins) == 1 and unit in ANY_UNIT:
            return next(iter(self._twins.values()))
        return self._twins.get(unit)

    def babble(self, twin: Twin, held: InPlay) -> None:
        """Let the twin send answers nobody asked for, for as long as the fault holds."""
        fault = held.fault
        ours = [each for each in self._twins.values() if each is twin]
        if isinstance(fault, Flood) and ours:
            self.floods += 1
            self._burst(ours[0], held, fault)

    def _burst(self, twin: ModbusTwin, held: InPlay, fault: Flood) -> None:
        if held not in twin.faults:
            self.floods -= 1
            return
        if not twin.off and held.rng.random() < fault.probability:
            wire = unasked(twin.unit, fault.size, held.rng)
            for connection in tuple(self.connections):
                connection.say(wire)
        loop = asyncio.get_running_loop()
        loop.call_later(fault.every_s, self._burst, twin, held, fault)


def unasked(unit: int, size: int, rng: Random) -> bytes:
    """Return a well-formed answer to a read of holding registers that nobody sent."""
    data = rng.randbytes(size)
    return mbap.wrap(rng.randrange(0x10000), unit, bytes((3, len(data))) + data)


class Connection(asyncio.Protocol):
    """One client of a TCP line."""

    def __init__(self, line: TcpLine) -> None:
        """Take the line it belongs to."""
        self._line = line
        self._loop = asyncio.get_running_loop()
        self._stream = bytearray()
        self._waiting = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the line."""
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self._line.connections.add(self)
        if not self._line.listening:
            self.abort()  # it came in while the device was already going down

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the line, for whatever reason."""
        del exc
        self._transport = None
        self._line.connections.discard(self)

    def pause_writing(self) -> None:
        """Stop reading from a client that does not take its answers."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        if self._transport is not None:
            self._transport.resume_reading()

    def abort(self) -> None:
        """Reset the connection."""
        if self._transport is not None:
            self._transport.abort()

    def say(self, wire: bytes) -> bool:
        """Send bytes; say whether the connection was still there."""
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(wire)
        return True

    def data_received(self, data: bytes) -> None:
        """Answer every whole request; close when the stream makes no sense."""
        self._stream += data
        try:
            while requests := mbap.take(self._stream):
                for request in requests:
                    self._take(request)
        except mbap.StreamError:
            self.abort()

    def _take(self, request: mbap.Request) -> None:
        twin = self._line.route(request.unit)
        if twin is None:
            code = ExceptionCode.GATEWAY_TARGET_FAILED
            answer = refusal(request.pdu[0], code)
            self.say(mbap.wrap(request.transaction, request.unit, answer))
            return
        struck = twin.strike()
        late_s = delay_s(struck)
        if not late_s:
            self._answer(twin, request, struck)
        elif self._waiting < WAITING:
            self._waiting += 1
            self._loop.call_later(late_s, self._answer_late, twin, request, struck)

    def _answer_late(
        self, twin: ModbusTwin, request: mbap.Request, struck: tuple[Struck, ...]
    ) -> None:
        self._waiting -= 1
        self._answer(twin, request, struck)

    def _answer(self, twin: ModbusTwin, request: mbap.Request, struck: tuple[Struck, ...]) -> None:
        reply = twin.reply(request.pdu, struck, self._loop.time())
        if reply is None:
            return
        wire = spoil.tcp_wire(struck, request.transaction, request.unit, reply.pdu)
        if not self.say(wire):
            return
        twin.sent()
        if reply.number is not None:
            twin.served(reply.number, certain=reply.certain and not self._line.floods)
