"""How the answer of a PMS5003 looks to the owner of its line. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from drivers.environment.pms5003 import codec
from drivers.environment.pms5003.codec import MEASUREMENT, REPLY, Order
from drivers.media.framing import ForeignFrameError
from gateway.model.errors import FrameError


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one order: a measurement to READ, else a short frame."""

    order: Order
    data: int = 0
    talks: bool = False
    """The sensor talks by itself: what it says in between is passed over."""

    @property
    def shape(self) -> Hashable:
        """Return what its answers have in common."""
        return "pms5003", self.order, self.data

    @property
    def size(self) -> int:
        """Return how long it is. Who wakes up measures at once, and says nothing else."""
        return MEASUREMENT if self.order is Order.READ or self._wakes else REPLY

    @property
    def _wakes(self) -> bool:
        return self.order is Order.WORK and self.data == 1

    def measure(self, received: bytes | bytearray, /) -> int:
        """Find the answer; see `Framing.measure`.

        Raises:
            ForeignFrameError: noise.
            FrameError: wrong sum.
        """
        if not received:
            return 0
        if self.talks:
            size = codec.find(bytearray(received))
            if size <= 0:
                return size
        else:
            try:
                size = codec.size(received)
            except FrameError as error:
                msg = "PMS5003: noise, or another device"
                raise ForeignFrameError(msg, answer=error.answer) from error
        if not size or len(received) < size:
            return 0
        frame = received[:size]
        codec.check(frame)
        if size != self.size or (size == REPLY and codec.reply(frame) != (self.order, self.data)):
            return -size
        return size
