"""Any bytes to the codec of the PMS5003: a frame, or a FrameError."""

from __future__ import annotations

from contextlib import suppress

from drivers.environment.pms5003 import codec
from drivers.environment.pms5003.codec import Order
from drivers.environment.pms5003.framing import Answer
from drivers.media.stream import Stream
from gateway.model.errors import FrameError


def one(data: bytes) -> None:
    """Feed one input."""
    for read in (codec.values, codec.reply):
        with suppress(FrameError):
            read(data)
    for order in Order:
        for talks in (False, True):
            with suppress(FrameError):
                Answer(order, talks=talks).measure(data)
    Stream(codec.find, codec.MEASUREMENT).take(data)
