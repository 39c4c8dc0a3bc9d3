"""Any bytes as the answer of a card: a UID, or refused."""

from __future__ import annotations

from contextlib import suppress

from drivers.access.pcsc.codec import decode_uid
from gateway.model.errors import DeviceRejectedError, FrameError


def one(data: bytes) -> None:
    """Feed one answer."""
    with suppress(FrameError, DeviceRejectedError):
        decode_uid(data)
