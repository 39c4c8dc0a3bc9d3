"""Any bytes to the frames of OSDP, of the driver and of the twin: they find the same ones."""

from __future__ import annotations

from contextlib import suppress

from drivers.access.osdp.codec import Frames, is_sound
from drivers.access.osdp.discover import Answer, identity
from gateway.model.errors import FrameError
from simulators.access.osdp.frames import next_command, read


def one(data: bytes) -> None:
    """Feed the bytes in two pieces."""
    frames = Frames()
    found = [*frames.feed(data[: len(data) // 2]), *frames.feed(data[len(data) // 2 :])]
    for frame in found:
        if not is_sound(frame.wire):
            raise AssertionError(data.hex())
        read(frame.wire)
    if data:
        with suppress(FrameError):
            size = Answer(data[0] & 0x7F).measure(data)
            if size > 0:
                identity(data[:size])
    heard = bytearray(data)
    while next_command(heard) is not None:
        pass
