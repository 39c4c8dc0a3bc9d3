"""Any bytes to the codec of the MH-Z19: a frame, or a FrameError."""

from __future__ import annotations

from contextlib import suppress

from drivers.environment.mh_z19 import codec
from drivers.environment.mh_z19.codec import Command
from drivers.environment.mh_z19.driver import Answer
from gateway.model.errors import FrameError


def one(data: bytes) -> None:
    """Feed one input."""
    with suppress(FrameError):
        codec.concentration(codec.unwrap(data)[1])
    for command in Command:
        with suppress(FrameError):
            Answer(command).measure(data)
