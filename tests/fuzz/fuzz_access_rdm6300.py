"""Any bytes to the frames of an RDM6300: numbers, or what was torn."""

from __future__ import annotations

from drivers.access.rdm6300.codec import Frames, encode


def one(data: bytes) -> None:
    """Feed the bytes, whole and split; both give the same."""
    whole = Frames().feed(data)
    frames = Frames()
    if [*frames.feed(data[: len(data) // 2]), *frames.feed(data[len(data) // 2 :])] != whole:
        raise AssertionError(data.hex())
    for found in whole:
        if isinstance(found, bytes) and encode(found) not in data:
            raise AssertionError(data.hex())
