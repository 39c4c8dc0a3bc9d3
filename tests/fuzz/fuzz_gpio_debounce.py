"""Any edges to the debouncing of a pin: changes that alternate."""

from __future__ import annotations

import struct

from drivers.gpio.debounce import Debounce

_EDGE = struct.Struct("<IB")


def one(data: bytes) -> None:
    """Read the bytes as ticks and levels."""
    debounce = Debounce(data[0] if data else 0)
    debounce.begin(0, False)
    last = False
    for tick, level in _EDGE.iter_unpack(data[: len(data) // _EDGE.size * _EDGE.size]):
        for change in debounce.edge(tick, bool(level & 1)):
            if change.level == last:
                raise AssertionError(data.hex())
            last = change.level
