"""Where a meter meets its line: it hears every request and answers what is for it.

Source: EN 13757-2: a meter answers 11 to 330 bit times (and 50 ms) after a request; a frame that
rests for 33 bit times is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from simulators.faults import Silent
from simulators.lines.hub import End, Fate
from simulators.lines.serial_server import SerialServer
from simulators.lines.spoiling import serial_wire
from simulators.mbus import frames
from simulators.mbus.frames import Asked
from simulators.mbus.twin import MbusTwin, Reply
from simulators.twin import Struck, delay_s

OVER_BITS: Final = 33
LONGEST: Final = 261
PIECE_S: Final = 0.04
"""How long the pieces are in which an answer comes."""


class MbusSlave:
    """One meter on a line."""

    def __init__(self, line: SerialServer, twin: MbusTwin) -> None:
        """Join the line."""
        self._line = line
        self._hub = line.hub
        self._twin = twin
        self._loop = asyncio.get_running_loop()
        self._heard = bytearray()
        self._over: asyncio.TimerHandle | None = None
        self._busy = False
        self._end = self._hub.add_end(self._hear, twin.baud_rate or self._hub.baud_rate)
        line.join(twin, self)

    @property
    def end(self) -> End:
        """Return its end of the line: another one after it has changed its speed."""
        return self._end

    def _hear(self, wire: bytes) -> None:
        self._heard += wire
        del self._heard[: -(LONGEST + 1)]
        if self._over is not None:
            self._over.cancel()
        self._over = self._loop.call_later(OVER_BITS / self._end.speed, self._frame_is_over)

    def _frame_is_over(self) -> None:
        frame = bytes(self._heard)
        self._heard.clear()
        asked = frames.unwrap(frame)
        if asked is None or self._busy or not self._twin.is_meant(asked):
            return
        struck = self._twin.strike()
        if not self._twin.hears(struck):
            return
        self._busy = True
        self._loop.call_later(delay_s(struck), self._answer, frame, asked, struck)

    def _answer(self, frame: bytes, asked: Asked, struck: Sequence[Struck]) -> None:
        self._busy = False
        if self._twin.off:
            return
        self._twin.advance(self._loop.time())
        reply = self._twin.obey(asked, struck)
        if reply is None or any(isinstance(fault, Silent) for fault, _rng in struck):
            return
        self._busy = True
        self._twin.sent()
        self._say(serial_wire(struck, reply.wire, frame), reply)

    def _say(self, wire: bytes, reply: Reply) -> None:
        """Say it piece by piece: a master must hear it begin long before its end."""
        size = max(1, int(PIECE_S / self._hub.byte_s(self._end.speed)))
        pieces = [wire[place : place + size] for place in range(0, len(wire), size)]
        fates: list[Fate] = []

        def told(fate: Fate) -> None:
            fates.append(fate)
            if len(fates) == len(pieces):
                whole = all(each is Fate.WHOLE for each in fates)
                self._told(reply, Fate.WHOLE if whole else Fate.COLLIDED)

        for piece in pieces:
            self._end.say(piece, told)

    def _told(self, reply: Reply, fate: Fate) -> None:
        self._busy = False
        if reply.baud_rate is not None:
            self._end.close()
            self._end = self._hub.add_end(self._hear, reply.baud_rate)
        if reply.number is not None and fate is Fate.WHOLE:
            certain = reply.certain and not self._line.floods
            self._twin.served(reply.number, certain=certain)
