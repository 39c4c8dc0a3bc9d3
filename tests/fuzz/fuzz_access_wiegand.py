"""Any edges to the decoder of Wiegand words, and its words to cards and keys."""

from __future__ import annotations

import struct
from contextlib import suppress

from drivers.access.wiegand.codec import STANDARD, decode, decode_key
from drivers.access.wiegand.pulses import Pulse, Timing, Torn, words
from gateway.model.errors import FrameError

_EDGE = struct.Struct("<IB")


def one(data: bytes) -> None:
    """Read the bytes as ticks, lines and levels."""
    usable = data[: len(data) // _EDGE.size * _EDGE.size]
    edges = [
        Pulse(tick * 1000, bits & 1, bool(bits & 2)) for tick, bits in _EDGE.iter_unpack(usable)
    ]
    for word in words(edges, Timing()):
        if isinstance(word, Torn):
            continue
        with suppress(FrameError):
            decode(word, tuple(STANDARD.values()))
        with suppress(FrameError):
            decode_key(word)
