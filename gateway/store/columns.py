"""Numbers into bytes: the packed integers and planes of the wire reference. Pure."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from math import isfinite
from operator import sub
from typing import Final, Literal

_HALF: Final = 1 << 63
_WHOLE: Final = 1 << 64

_CODES: Final[dict[int, str]] = {1: "B", 2: "H", 3: "I", 4: "I", 5: "Q", 6: "Q", 7: "Q", 8: "Q"}


def differences(numbers: Sequence[int]) -> list[int]:
    """Return each number less the one before; the first less 0.

    Args:
        numbers: -2**63 <= n < 2**64 each.
    """
    return list(map(sub, numbers, [0, *numbers]))


def pack_ints(numbers: Sequence[int]) -> bytes:
    """Return the packed integers of the wire reference (§3): width, then planes of zigzag bytes.

    Args:
        numbers: any integers; those beyond 64 bits are taken modulo 2**64.
    """
    if not numbers:
        return b"\0"
    zigzag = [n + n if n >= 0 else -n - n - 1 for n in numbers]
    highest = max(zigzag)
    if highest >= _WHOLE:
        zigzag = _wrapped(numbers)
        highest = max(zigzag)
    width = (highest.bit_length() + 7) // 8
    if width == 0:
        return b"\0"
    room = array(_CODES[width], zigzag)
    return bytes((width,)) + planes(room.tobytes(), room.itemsize, width)


def pack_floats(numbers: Iterable[float], code: Literal["f", "d"]) -> bytes:
    """Return the planes of IEEE 754 numbers: binary32 for "f", binary64 for "d".

    Raises:
        OverflowError: a number is too large for binary32.
        ValueError: a number is infinite or none at all: that is no measurement.
    """
    room = array(code, numbers)
    if not all(map(isfinite, room)):
        msg = "not finite"
        raise ValueError(msg)
    return planes(room.tobytes(), room.itemsize, room.itemsize)


def planes(raw: bytes, itemsize: int, width: int) -> bytes:
    """Return little-endian items of `itemsize` bytes as `width` planes, the lowest first."""
    return b"".join(raw[plane::itemsize] for plane in range(width))


def _wrapped(numbers: Sequence[int]) -> list[int]:
    signed = ((n + _HALF) % _WHOLE - _HALF for n in numbers)
    return [n + n if n >= 0 else -n - n - 1 for n in signed]
