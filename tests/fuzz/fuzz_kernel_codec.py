"""Any bytes in the files of the kernel: a value, or refused."""

from __future__ import annotations

from contextlib import suppress

from drivers.kernel.codec import decode_name, decode_number, decode_therm
from gateway.model.errors import FrameError, NoResponseError


def one(data: bytes) -> None:
    """Read the bytes as each kind of file."""
    with suppress(FrameError, NoResponseError):
        decode_therm(data)
    with suppress(FrameError):
        decode_number(data, "value")
    with suppress(FrameError):
        decode_name(data, "name")
