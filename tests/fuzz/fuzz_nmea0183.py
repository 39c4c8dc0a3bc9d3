"""Any bytes to the codec of NMEA 0183: sentences and fixes, or a FrameError."""

from __future__ import annotations

from contextlib import suppress

from drivers.media.stream import Stream
from drivers.position.nmea0183 import codec
from drivers.position.nmea0183.epochs import Epochs
from gateway.model.errors import FrameError


def one(data: bytes) -> None:
    """Feed one input as it is, and as the body of a sentence with a right checksum."""
    body = bytes(byte for byte in data if 0x20 <= byte < 0x7F and byte not in b"$*")
    whole = b"$" + body + f"*{codec.checksum(body):02X}\r\n".encode("ascii")
    epochs = Epochs()
    for wire in (data, whole, whole + whole):
        for found in Stream(codec.find, codec.LONGEST).take(wire):
            with suppress(FrameError):
                if isinstance(found, bytes):
                    said = codec.sentence(found)
                    told = codec.read(said)
                    if told is not None:
                        epochs.take(said, told)
