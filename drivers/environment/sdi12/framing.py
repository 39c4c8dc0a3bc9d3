"""How the response of an SDI-12 sensor looks to the owner of its line. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from drivers.environment.sdi12 import codec
from drivers.environment.sdi12.codec import ANYBODY, END, LONGEST
from drivers.media.framing import ForeignFrameError
from gateway.model.errors import FrameError

_GLITCHES: Final = frozenset({0x00, 0xFF})
"""What a receiver makes of a break, or of a line that begins to be driven."""


@dataclass(frozen=True, slots=True)
class Response:
    """A line of text that begins with the address of who was asked."""

    address: str
    body: str
    """Of the command."""
    guarded: bool = False
    """A CRC stands in it."""

    @property
    def shape(self) -> Hashable | None:
        """Return the address, and what was asked, as far as responses differ by it.

        A service request has none: nothing that comes late is waited for.
        """
        return ("sdi12", self.address, self.body) if self.body or self.address == ANYBODY else None

    def measure(self, received: bytes | bytearray, /) -> int:
        """Find the response; see `Framing.measure`.

        Raises:
            ForeignFrameError: noise, or another sensor.
            FrameError: wrong CRC, characters that cannot be, or without end.
        """
        if not received:
            return 0
        if received[0] in _GLITCHES:
            return -1
        first = chr(received[0])
        if first not in codec.ADDRESSES or self.address not in {ANYBODY, first}:
            msg = f"SDI-12: {first!r} answers instead of {self.address}, or noise"
            raise ForeignFrameError(msg, answer=bytes(received))
        end = received.find(END)
        if end < 0:
            if len(received) > LONGEST:
                msg = "SDI-12: a response without end"
                raise FrameError(msg, answer=bytes(received[:LONGEST]))
            return 0
        size = end + len(END)
        codec.text(received[:size], guarded=self.guarded)
        return size
