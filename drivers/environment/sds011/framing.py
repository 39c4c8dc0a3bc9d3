"""How the answer of an SDS011 looks to the owner of its line. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from drivers.environment.sds011.codec import (
    ANY_SENSOR,
    COMMAND,
    FRAME,
    HEAD,
    MEASUREMENT,
    REPLY,
    Number,
    find,
    unwrap,
)
from drivers.media.framing import ForeignFrameError

_HEAD: Final = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one command."""

    number: Number
    sensor: int = ANY_SENSOR
    talks: bool = False
    """The sensor talks by itself: what it says in between is passed over."""

    @property
    def kind(self) -> int:
        """Return the kind of frame that answers it."""
        return MEASUREMENT if self.number is Number.QUERY else REPLY

    @property
    def shape(self) -> Hashable:
        """Return what its answers have in common."""
        return "sds011", self.number, self.sensor

    def measure(self, received: bytes | bytearray, /) -> int:
        """Find the answer; see `Framing.measure`.

        Raises:
            ForeignFrameError: noise, or another sensor.
            FrameError: wrong checksum.
        """
        if not received:
            return 0
        if self.talks:
            size = find(bytearray(received))
            if size <= 0:
                return size
        elif received[0] != HEAD or (
            len(received) >= _HEAD and received[1] not in {MEASUREMENT, REPLY}
        ):
            own = len(received) >= _HEAD and received[1] == COMMAND
            msg = "SDS011: a command, not an answer" if own else "SDS011: noise, or another device"
            raise ForeignFrameError(msg, answer=bytes(received))
        if len(received) < FRAME:
            return 0
        frame = unwrap(received[:FRAME])
        if frame.kind != self.kind or (frame.kind == REPLY and frame.data[0] != self.number):
            return -FRAME
        if self.sensor not in {ANY_SENSOR, frame.sensor}:
            msg = f"SDS011: sensor {frame.sensor:04X} answers, not {self.sensor:04X}"
            raise ForeignFrameError(msg, answer=bytes(received[:FRAME]))
        return FRAME
