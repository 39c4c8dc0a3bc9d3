"""Modbus TCP frames: the MBAP header and a PDU, cut out of a stream.

Source: MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3 (MBAP header).
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

_HEAD: Final = struct.Struct(">HHHB")
PROTOCOL: Final = 0
MIN_LENGTH: Final = 2
"""Unit and function code."""
MAX_LENGTH: Final = 254
"""Unit and the longest PDU."""
_BEFORE_LENGTH: Final = 6
"""Bytes of the header that the length does not count."""


class Request(NamedTuple):
    """One request with what its answer must repeat."""

    transaction: int
    unit: int
    pdu: bytes


class StreamError(ValueError):
    """The stream is not Modbus TCP, or lost its place: the connection must be closed."""


def wrap(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Return the frame."""
    return _HEAD.pack(transaction, PROTOCOL, len(pdu) + 1, unit) + pdu


def take(stream: bytearray) -> list[Request]:
    """Cut whole requests off the front of `stream`; what is not whole yet stays there.

    Returns:
        The requests before the first thing that is none; the next call tells of that.

    Raises:
        StreamError: a header that is none; the stream cannot be followed any more.
    """
    requests: list[Request] = []
    while len(stream) >= _HEAD.size:
        transaction, protocol, length, unit = _HEAD.unpack_from(stream)
        if protocol != PROTOCOL or not MIN_LENGTH <= length <= MAX_LENGTH:
            if requests:
                break
            msg = f"not an MBAP header: {stream[: _HEAD.size].hex(' ')}"
            raise StreamError(msg)
        end = _BEFORE_LENGTH + length
        if len(stream) < end:
            break
        requests.append(Request(transaction, unit, bytes(stream[_HEAD.size : end])))
        del stream[:end]
    return requests
