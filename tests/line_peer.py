"""The far end of a byte line, on a socket pair: what a device would do, step by step.

With `tests.virtual_time.run` times are exact, since a socket pair delivers at once.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import ClassVar

from drivers.media.framing import ForeignFrameError
from drivers.media.line import Line
from drivers.media.port import Channel
from gateway.model.errors import BusUnavailableError, FrameError
from gateway.model.ids import LineId


class PairLine(Line):
    """A line whose port is one end of a socket pair; `far` is the other one."""

    medium: ClassVar[str] = "serial"
    _when_closed: ClassVar[str] = "look at the pair"
    far: socket.socket

    def __init__(
        self,
        *,
        gap_s: float = 0.0,
        char_s: float = 0.0,
        silence_s: float = 0.03,
        echo: bool = False,
        room: int | None = None,
    ) -> None:
        super().__init__(LineId("pair"), gap_s=gap_s, char_s=char_s, silence_s=silence_s, echo=echo)
        self.there = True
        self._fars: list[socket.socket] = []
        self.room = room

    @property
    def _place(self) -> str:
        return "/dev/pair"

    async def _connect(self) -> Channel:
        if not self.there:
            msg = f"line {self.id}: there is no port {self._place}: plug the adapter in"
            raise BusUnavailableError(msg)
        near, self.far = socket.socketpair()
        self._fars.append(self.far)
        for end in (near, self.far):
            end.setblocking(False)
        if self.room is not None:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.room)
        return near

    async def end(self) -> None:
        """Close all that was opened."""
        await self.close()
        for far in self._fars:
            far.close()

    async def hear(self) -> bytes:
        """Return what the line sent, as soon as there is something."""
        return await asyncio.get_running_loop().sock_recv(self.far, 1 << 16)

    def say(self, data: bytes) -> None:
        """Send, as the device."""
        self.far.sendall(data)


class DroppingLine(PairLine):
    """As a TCP line: after three silences the port is opened anew."""

    _drops_after_silences: ClassVar[int | None] = 3


@dataclass(frozen=True, slots=True)
class Letters:
    """A toy protocol: an answer is a letter, some text without full stops, and a full stop.

    `letter` says whose answer it is; an exclamation mark in it makes it damaged. Answers that are
    not `alike` are told apart by their letter, as by a transaction number.
    """

    letter: str
    alike: bool = True

    @property
    def shape(self) -> str | None:
        return self.letter if self.alike else None

    def measure(self, received: bytes | bytearray, /) -> int:
        text = bytes(received).decode("latin-1")
        if not text:
            return 0
        end = text.find(".") + 1
        if text[0] != self.letter:
            if not self.alike and end:
                return -end
            msg = "somebody else"
            raise ForeignFrameError(msg, answer=bytes(received))
        if "!" in text[:end]:
            msg = "damaged"
            raise FrameError(msg, answer=bytes(received))
        return end
