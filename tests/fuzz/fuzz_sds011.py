"""Any bytes to the codec of the SDS011: a frame, or a FrameError."""

from __future__ import annotations

from contextlib import suppress

from drivers.environment.sds011 import codec
from drivers.environment.sds011.codec import Number
from drivers.environment.sds011.framing import Answer
from drivers.media.stream import Stream
from gateway.model.errors import FrameError


def one(data: bytes) -> None:
    """Feed one input."""
    with suppress(FrameError):
        frame = codec.unwrap(data)
        codec.concentrations(frame.data)
        codec.firmware(frame.data)
    for talks in (False, True):
        with suppress(FrameError):
            Answer(Number.QUERY, talks=talks).measure(data)
    Stream(codec.find, codec.FRAME).take(data)
