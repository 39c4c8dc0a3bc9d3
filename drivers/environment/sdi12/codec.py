"""Commands and responses of SDI-12. Pure.

A command is an address, a body and an exclamation mark; a response begins with the address of the
sensor and ends with CR LF. A CRC of 16 bits (polynomial A001, start 0) stands as three characters
before CR LF where the command asked for one; without it nothing guards a response.

Source: SDI-12, A Serial-Digital Interface Standard for Microprocessor-Based Sensors, version 1.4,
4.3 (addresses), 4.4 (commands; tables 5 to 11), 4.4.12 (CRC).
"""

from __future__ import annotations

import re
from string import ascii_letters, digits
from typing import Final, NamedTuple

from gateway.model.errors import FrameError

ADDRESSES: Final = frozenset(digits + ascii_letters)
ANYBODY: Final = "?"
END: Final = b"\r\n"
CRC_SIZE: Final = 3
LONGEST: Final = 96
"""Of a response: address, 75 characters of values (4.4.8), CRC, CR LF, and some room."""
LAST_DATA: Final = 9
"""aD0! to aD9! (4.4.8)."""
_POLYNOMIAL: Final = 0xA001
_CRC_LOWEST: Final = 0x40
_VALUE: Final = re.compile(r"[+-](?:\d{1,7}(?:\.\d{0,6})?|\.\d{1,6})", re.ASCII)
_MOST_DIGITS: Final = 7
_IDENTITY: Final = re.compile(r"(\d\d)(.{8})(.{6})(.{3})(.{0,13})", re.ASCII)


class Started(NamedTuple):
    """What a sensor says to the command that starts a measurement."""

    wait_s: int
    """After so many seconds the values are there, 0 to 999."""
    promised: int
    """How many there will be."""


class Identity(NamedTuple):
    """What a sensor is (4.4.2, table 7)."""

    sdi12_version: str
    vendor: str
    model: str
    sensor_version: str
    serial: str


def command(address: str, body: str = "") -> bytes:
    """Return a command, for example `0M!`."""
    return f"{address}{body}!".encode("ascii")


def crc(data: bytes) -> bytes:
    """Return the three characters that guard `data` (4.4.12.1, 4.4.12.2)."""
    rest = 0
    for byte in data:
        rest ^= byte
        for _bit in range(8):
            rest = rest >> 1 ^ _POLYNOMIAL if rest & 1 else rest >> 1
    return bytes(_CRC_LOWEST | part for part in (rest >> 12, rest >> 6 & 0x3F, rest & 0x3F))


def text(response: bytes | bytearray, *, guarded: bool = False) -> tuple[str, str]:
    """Return the address and the text of a response, without CRC and end.

    Args:
        response: with CR LF.
        guarded: a CRC stands before the end.

    Raises:
        FrameError: no end, no address, a wrong CRC, characters that cannot be.
    """
    body = bytes(response[: -len(END)])
    if not response.endswith(END) or not body or chr(body[0]) not in ADDRESSES:
        msg = "SDI-12: no response"
        raise FrameError(msg, answer=bytes(response))
    if guarded:
        if len(body) < 1 + CRC_SIZE or crc(body[:-CRC_SIZE]) != body[-CRC_SIZE:]:
            msg = "SDI-12: wrong CRC"
            raise FrameError(msg, answer=bytes(response))
        body = body[:-CRC_SIZE]
    if any(not 0x20 <= byte < 0x7F for byte in body):  # noqa: PLR2004 - printable ASCII (4.2)
        msg = "SDI-12: characters that cannot be in a response"
        raise FrameError(msg, answer=bytes(response))
    return chr(body[0]), body[1:].decode("ascii")


def started(said: str, *, concurrent: bool) -> Started:
    """Return when how many values will be there: `tttn`, or `tttnn` to a concurrent measurement.

    Raises:
        FrameError: it says something else.

    Source:
        4.4.5 table 9, 4.4.7 table 10.
    """
    size = 5 if concurrent else 4
    if len(said) != size or not (said.isascii() and said.isdecimal()):
        msg = f"SDI-12: {said!r} does not say when how many values come"
        raise FrameError(msg, answer=said.encode("utf-8"))
    return Started(int(said[:3]), int(said[3:]))


def values(said: str) -> tuple[float, ...]:
    """Return the values of a response: each a sign, at most seven digits, perhaps a point.

    Raises:
        FrameError: something in it is no value.

    Source:
        4.4.8, table 11.
    """
    found: list[float] = []
    at = 0
    while at < len(said):
        match = _VALUE.match(said, at)
        if match is None or sum(map(str.isdecimal, match[0])) > _MOST_DIGITS:
            msg = f"SDI-12: {said!r} are no values"
            raise FrameError(msg, answer=said.encode("utf-8"))
        found.append(float(match[0]))
        at = match.end()
    return tuple(found)


def identity(said: str) -> Identity:
    """Return what a sensor says it is.

    Raises:
        FrameError: it is too short or too long for that.
    """
    match = _IDENTITY.fullmatch(said)
    if match is None:
        msg = f"SDI-12: {said!r} is no identification"
        raise FrameError(msg, answer=said.encode("utf-8"))
    version, vendor, model, revision, serial = (part.strip() for part in match.groups())
    return Identity(f"{version[0]}.{version[1]}", vendor, model, revision, serial)
