"""Any bytes to the simulated pigpio service: requests, or refused."""

from __future__ import annotations

from contextlib import suppress

from simulators.gpio.wire import ProtocolError, Requests


def one(data: bytes) -> None:
    """Feed the bytes, split in two."""
    parser = Requests()
    with suppress(ProtocolError):
        parser.feed(data[: len(data) // 2])
        parser.feed(data[len(data) // 2 :])
