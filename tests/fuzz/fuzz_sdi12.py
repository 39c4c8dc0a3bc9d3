"""Any bytes to the codec of SDI-12: a response with what it says, or a FrameError."""

from __future__ import annotations

from contextlib import suppress

from drivers.environment.sdi12 import codec
from drivers.environment.sdi12.framing import Response
from gateway.model.errors import FrameError


def one(data: bytes) -> None:
    """Feed one input."""
    for guarded in (False, True):
        with suppress(FrameError):
            Response("0", "D0", guarded).measure(data)
        with suppress(FrameError):
            _address, said = codec.text(data, guarded=guarded)
            for concurrent in (False, True):
                with suppress(FrameError):
                    codec.started(said, concurrent=concurrent)
            for read in (codec.values, codec.identity):
                with suppress(FrameError):
                    read(said)
