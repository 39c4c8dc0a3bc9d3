"""How the number of a contactless card is asked for, and what the answers mean. Pure.

Source: Interoperability Specification for ICCs and Personal Computer Systems (PC/SC), part 3,
supplemental document for contactless ICCs: GET DATA; the status words as in the Advanced Card
Systems ACM1281U reference manual V1.02, 5.1.2.1, and the SCM SCL3711 reference manual, 6.1.1.
"""

from __future__ import annotations

from typing import Final

from gateway.model.errors import DeviceRejectedError, FrameError

GET_UID: Final = bytes.fromhex("ff ca 00 00 00")
SHORTEST_UID: Final = 4
LONGEST_UID: Final = 12
"""FeliCa; ISO 14443 A has 4, 7 or 10 bytes, B has 4."""
_WELL: Final = 0x9000
_STATUS: Final = 2


def decode_uid(answer: bytes) -> bytes:
    """Return the UID in the answer to `GET_UID`, in the order the reader tells it.

    Raises:
        DeviceRejectedError: the reader or the card has none; the code is the status word.
        FrameError: it is no answer, or no UID has this length. No byte of it is told.
    """
    if len(answer) < _STATUS:
        msg = f"an answer of {len(answer)} bytes has no status word"
        raise FrameError(msg)
    status = int.from_bytes(answer[-_STATUS:], "big")
    if status != _WELL:
        msg = f"the reader tells no UID of this card: {status:04X}"
        raise DeviceRejectedError(msg, code=status)
    uid = answer[:-_STATUS]
    if not SHORTEST_UID <= len(uid) <= LONGEST_UID:
        msg = f"a UID of {len(uid)} bytes"
        raise FrameError(msg)
    return uid
