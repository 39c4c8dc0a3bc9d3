"""M-Bus as a meter sees it: requests in, answers out. Pure, written from the documents.

Source: EN 13757-2; "The M-Bus: A Documentation", Rev. 4.8, 5 and 7.
"""

from __future__ import annotations

from typing import Final, NamedTuple

ACK: Final = b"\xe5"
NKE: Final = 0x40
SEND: Final = 0x53
REQUEST: Final = 0x5B
COUNT_BIT: Final = 0x20
NETWORK: Final = 253
TEST: Final = 254
ALL: Final = 255
ANSWER: Final = 0x08
VARIABLE: Final = 0x72
REFUSAL: Final = 0x70

_SHORT_START: Final = 0x10
_LONG_START: Final = 0x68
_SHORT: Final = 5
_SHORT_BODY: Final = ("control", "address")
_FRAME_ROOM: Final = 6


class Asked(NamedTuple):
    """A request."""

    control: int
    address: int
    information: int
    """Control information; -1 in a short frame."""
    data: bytes


def unwrap(wire: bytes) -> Asked | None:
    """Return the request that the bytes are, or None."""
    if wire[-1:] != b"\x16" or len(wire) < _SHORT:
        return None
    if wire[0] == _SHORT_START and len(wire) == _SHORT:
        body = wire[1:3]
    elif wire[0] == wire[3] == _LONG_START and wire[1] == wire[2] == len(wire) - _FRAME_ROOM:
        body = wire[4:-2]
    else:
        return None
    if sum(body) % 256 != wire[-2]:
        return None
    information = body[2] if len(body) > len(_SHORT_BODY) else -1
    return Asked(body[0], body[1], information, body[3:])


def wrap(address: int, information: int, data: bytes) -> bytes:
    """Return an answer with data."""
    body = bytes((ANSWER, address, information)) + data
    return bytes((0x68, len(body), len(body), 0x68)) + body + bytes((sum(body) % 256, 0x16))


def maker(letters: str) -> bytes:
    """Return the two bytes of a manufacturer's three letters."""
    number = 0
    for letter in letters:
        number = number * 32 + ord(letter) - 64
    return number.to_bytes(2, "little")


def matches(pattern: bytes, own: bytes) -> bool:
    """Say whether a selection means the meter with these eight bytes.

    Digits of the identification are wild as F, the other fields as bytes of ones.
    """
    for mask, byte in zip(pattern[:4].hex(), own[:4].hex(), strict=True):
        if mask not in {"f", byte}:
            return False
    fields = ((4, 6), (6, 7), (7, 8))
    return all(pattern[a:b] in {own[a:b], b"\xff" * (b - a)} for a, b in fields)
