"""iBeacon and Eddystone frames. Pure.

Source: Apple, Proximity Beacon Specification, release R1 (2015-09-04), table 2-1; google/eddystone,
protocol-specification.md, eddystone-uid, eddystone-url and eddystone-tlm/tlm-plain.md, as of
2018-01-08.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from drivers.ble.advert import uuid_of
from gateway.model.errors import FrameError

APPLE: Final = 0x004C
EDDYSTONE: Final = uuid_of(0xFEAA)
_PROXIMITY: Final = b"\x02\x15"
"""Type and length of a proximity beacon within the data of its maker."""
_PROXIMITY_LENGTH: Final = 23
_LOSS_AT_1_M: Final = 41
"""What of the strength at 0 m is gone at 1 m, in dB (eddystone-uid, "Tx Power")."""


class IBeacon(NamedTuple):
    """One proximity beacon."""

    uuid: bytes
    major: int
    minor: int
    power_1m: int
    """Strength at 1 m, in dBm."""


def is_ibeacon(data: bytes) -> bool:
    """Say whether Apple's manufacturer data is that of a proximity beacon."""
    return data[:2] == _PROXIMITY


def decode_ibeacon(data: bytes) -> IBeacon:
    """Return who the beacon is.

    Args:
        data: manufacturer data of company 0x004C, without the company.

    Raises:
        FrameError: it is no proximity beacon, or its length is another.

    Source:
        Table 2-1: type 0x02, length 0x15, UUID, major, minor (most significant byte first),
        measured power (two's complement).
    """
    if not is_ibeacon(data) or len(data) != _PROXIMITY_LENGTH:
        msg = "not a proximity beacon, or not of its length"
        raise FrameError(msg, answer=data)
    uuid, major, minor, power = struct.unpack_from(">16sHHb", data, 2)
    return IBeacon(uuid, major, minor, power)


class Uid(NamedTuple):
    """An Eddystone frame that says who the beacon is."""

    beacon: bytes
    """Namespace of 10 bytes and instance of 6."""
    power_1m: int
    """Strength at 1 m, in dBm."""


class Url(NamedTuple):
    """An Eddystone frame with an address on the web."""

    url: str
    power_1m: int


class Telemetry(NamedTuple):
    """An Eddystone frame about the beacon itself; None: it does not know."""

    battery_v: float | None
    temperature_c: float | None
    adverts: int
    uptime_s: float


UID: Final = 0x00
URL: Final = 0x10
TLM: Final = 0x20
_UID_LENGTHS: Final = frozenset({18, 20})
"""Older beacons leave out the two reserved bytes (eddystone-uid, "Field Notes")."""
_URL_LENGTHS: Final = range(4, 21)
_TLM_LENGTH: Final = 14
_NO_TEMPERATURE: Final = -0x8000
_SCHEMES: Final = ("http://www.", "https://www.", "http://", "https://")
_DOMAINS: Final = (".com", ".org", ".edu", ".net", ".info", ".biz", ".gov")
_EXPANSIONS: Final = (*(domain + "/" for domain in _DOMAINS), *_DOMAINS)


def decode_eddystone(data: bytes) -> Uid | Url | Telemetry | None:
    """Return what a frame says, None for a kind that says nothing in plain (EID, encrypted TLM).

    Args:
        data: service data of UUID 0xFEAA, without it.

    Raises:
        FrameError: a length or a content that its kind cannot have.
    """
    kind = data[0] if data else -1
    if kind == UID and len(data) in _UID_LENGTHS:
        return Uid(data[2:18], _signed(data[1]) - _LOSS_AT_1_M)
    if kind == URL and len(data) in _URL_LENGTHS:
        return Url(_url(data), _signed(data[1]) - _LOSS_AT_1_M)
    if kind == TLM and len(data) > 1 and data[1] != 0:
        return None
    if kind == TLM and len(data) == _TLM_LENGTH:
        millivolts, temperature, adverts, tenths = struct.unpack_from(">HhII", data, 2)
        return Telemetry(
            millivolts / 1000 if millivolts else None,
            None if temperature == _NO_TEMPERATURE else temperature / 256,
            adverts,
            tenths / 10,
        )
    if kind in {0x30, 0x40}:
        return None
    msg = "not an Eddystone frame, or not of its length"
    raise FrameError(msg, answer=data)


def _signed(byte: int) -> int:
    return byte - (byte & 0x80) * 2


def _url(data: bytes) -> str:
    if data[2] >= len(_SCHEMES):
        msg = "a URL whose scheme is not known"
        raise FrameError(msg, answer=data)
    parts = [_SCHEMES[data[2]]]
    for byte in data[3:]:
        if byte < len(_EXPANSIONS):
            parts.append(_EXPANSIONS[byte])
        elif 0x20 < byte < 0x7F:  # noqa: PLR2004 - graphic printable characters of US-ASCII
            parts.append(chr(byte))
        else:
            msg = "a URL with a reserved character"
            raise FrameError(msg, answer=data)
    return "".join(parts)
