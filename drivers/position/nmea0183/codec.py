"""Sentences of NMEA 0183. Pure.

A sentence is `$`, a talker of two letters, a kind of three, fields with commas, `*`, the XOR of all
between in two hexadecimal digits, CR LF. One without a checksum is refused: nothing else guards it.

Source: u-blox 8 / M8 receiver description and protocol specification (UBX-13003221 R25) and u-blox
ZED-F9P interface description, chapters on NMEA (frame, fields, fix flags, antenna notices); fields
of GGA and GSA also as Garmin's GPS 35 specification, 4.2.4 and 4.2.5, prints them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

from gateway.model.errors import FrameError

START: Final = b"$"
END: Final = b"\n"
LONGEST: Final = 128
"""The standard ends at 82; receivers with more digits go beyond."""
KNOT_M_S: Final = 1852 / 3600
KM_H_M_S: Final = 1 / 3.6
_FRAME: Final = re.compile(rb"\$([ -)+-~]*)\*([0-9A-Fa-f]{2})\r?\n")
_NAME: Final = re.compile(r"([A-Z]{2})([A-Z]{3})")
_CLOCK: Final = re.compile(r"(\d\d)(\d\d)(\d\d(?:\.\d{1,6})?)", re.ASCII)
_DATE: Final = re.compile(r"(\d\d)(\d\d)(\d\d)", re.ASCII)
_ANGLE: Final = re.compile(r"(\d{2,3})(\d\d\.\d{1,10}|\d\d)", re.ASCII)
_NUMBER: Final = re.compile(r"-?\d{1,9}(?:\.\d{0,9})?", re.ASCII)
_OLD_CENTURY: Final = 80
_GGA_FIELDS: Final = 10
_RMC_FIELDS: Final = 9
_RMC_MODE: Final = 11
_GSA_FIELDS: Final = 17
_GSV_FIELDS: Final = 3
_VTG_FIELDS: Final = 8
_TXT_FIELDS: Final = 4


class Quality(IntEnum):
    """Where a position comes from (GGA field 6)."""

    NONE = 0
    SATELLITES = 1
    DIFFERENTIAL = 2
    PRECISE = 3
    RTK = 4
    RTK_FLOAT = 5
    ESTIMATED = 6
    MANUAL = 7
    SIMULATED = 8


class Antenna(IntEnum):
    """What the receiver says of its antenna (u-blox, notices ANTSTATUS)."""

    UNKNOWN = 0
    INIT = 1
    OK = 2
    SHORT = 3
    OPEN = 4


_MODES: Final = {
    "A": Quality.SATELLITES,
    "D": Quality.DIFFERENTIAL,
    "P": Quality.PRECISE,
    "R": Quality.RTK,
    "F": Quality.RTK_FLOAT,
    "E": Quality.ESTIMATED,
    "M": Quality.MANUAL,
    "S": Quality.SIMULATED,
    "N": Quality.NONE,
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sound sentence."""

    talker: str
    kind: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gga:
    """Position, where it comes from and how good it is."""

    clock_s: float | None
    """Seconds since midnight, UTC."""
    latitude: float | None
    longitude: float | None
    quality: Quality
    satellites: int | None
    hdop: float | None
    altitude: float | None
    """Above mean sea level, metres."""


@dataclass(frozen=True, slots=True)
class Rmc:
    """Position, motion and date."""

    clock_s: float | None
    valid: bool
    latitude: float | None
    longitude: float | None
    speed: float | None
    """m/s."""
    course: float | None
    """Degrees from true north."""
    midnight_s: float | None
    """Unix time of the begin of the day, UTC."""
    quality: Quality


@dataclass(frozen=True, slots=True)
class Gsa:
    """Kind of fix and dilution of precision."""

    dimensions: int
    """1: no fix, 2, 3."""
    hdop: float | None


@dataclass(frozen=True, slots=True)
class Gsv:
    """Satellites in view of one constellation."""

    number: int
    """Of this sentence in its row."""
    in_view: int


@dataclass(frozen=True, slots=True)
class Vtg:
    """Motion over ground."""

    course: float | None
    speed: float | None
    """m/s."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a receiver says of its antenna."""

    antenna: Antenna


Told = Gga | Rmc | Gsa | Gsv | Vtg | Notice


def checksum(body: bytes) -> int:
    """Return the XOR of everything between `$` and `*`."""
    rest = 0
    for byte in body:
        rest ^= byte
    return rest


def find(buffer: bytearray) -> int:
    """Find a sentence at the head of what came; see `drivers.media.stream.Find`."""
    start = buffer.find(START)
    if start:
        return -(start if start > 0 else len(buffer))
    end = buffer.find(END)
    again = buffer.find(START, 1, end if end >= 0 else len(buffer))
    if again > 0:
        return -again
    if end < 0:
        return 0 if len(buffer) <= LONGEST else -1
    try:
        sentence(buffer[: end + 1])
    except FrameError:
        return -(end + 1)
    return end + 1


def sentence(frame: bytes | bytearray) -> Sentence:
    """Return what stands in a sentence.

    Raises:
        FrameError: too long, no checksum or a wrong one, or no talker and kind.
    """
    match = _FRAME.fullmatch(frame)
    if match is None or len(frame) > LONGEST:
        msg = "no sentence of NMEA 0183 with a checksum"
        raise FrameError(msg, answer=bytes(frame[:LONGEST]))
    if checksum(match[1]) != int(match[2], 16):
        msg = "NMEA 0183: wrong checksum"
        raise FrameError(msg, answer=bytes(frame))
    name, *fields = match[1].decode("ascii").split(",")
    known = _NAME.fullmatch(name)
    # A maker's own sentence begins with P and has no talker.
    talker, kind = (known[1], known[2]) if known else ("", name)
    return Sentence(talker, kind, tuple(fields))


def read(said: Sentence) -> Told | None:
    """Return what a sentence tells; None: it is of a kind that nobody here wants.

    Raises:
        FrameError: a field is missing, or cannot be what it should be.
    """
    reader = _READERS.get(said.kind)
    if reader is None or not said.talker:
        return None
    least, build = reader
    if len(said.fields) < least:
        msg = f"NMEA 0183: {said.kind} with {len(said.fields)} fields"
        raise FrameError(msg, answer=",".join(said.fields).encode("ascii"))
    try:
        return build(said.fields)
    except ValueError as error:
        msg = f"NMEA 0183: {said.kind}: {error}"
        raise FrameError(msg, answer=",".join(said.fields).encode("ascii")) from error


# Fields; each raises ValueError with what is wrong


def _number(field: str) -> float | None:
    if not field:
        return None
    if _NUMBER.fullmatch(field) is None:
        msg = f"{field!r} is no number"
        raise ValueError(msg)
    return float(field)


def _whole(field: str, *, below: int = 1000) -> int | None:
    if not field:
        return None
    if not (field.isascii() and field.isdecimal()) or int(field) >= below:
        msg = f"{field!r} is no number below {below}"
        raise ValueError(msg)
    return int(field)


def _needed(field: str, *, below: int = 1000) -> int:
    number = _whole(field, below=below)
    if number is None:
        msg = "a number is missing"
        raise ValueError(msg)
    return number


def _clock(field: str) -> float | None:
    if not field:
        return None
    match = _CLOCK.fullmatch(field)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59 or float(match[3]) >= 61:  # noqa: PLR2004 - a day; 60 is a leap second
        msg = f"{field!r} is no time of day"
        raise ValueError(msg)
    return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])


def _midnight(field: str) -> float | None:
    if not field:
        return None
    match = _DATE.fullmatch(field)
    if match is None:
        msg = f"{field!r} is no date"
        raise ValueError(msg)
    day, month, year = map(int, match.groups())
    century = 1900 if year >= _OLD_CENTURY else 2000
    return datetime(century + year, month, day, tzinfo=UTC).timestamp()


def _angle(field: str, side: str, sides: str, most: float) -> float | None:
    if not field:
        return None
    match = _ANGLE.fullmatch(field)
    if match is None or len(side) != 1 or side not in sides:
        msg = f"{field!r} {side!r} is no place"
        raise ValueError(msg)
    minutes = float(match[2])
    degrees = int(match[1]) + minutes / 60
    if minutes >= 60 or degrees > most:  # noqa: PLR2004 - minutes of a degree
        msg = f"{field!r} is beyond {most} degrees"
        raise ValueError(msg)
    return -degrees if side == sides[1] else degrees


def _latitude(fields: tuple[str, ...], at: int) -> float | None:
    return _angle(fields[at], fields[at + 1], "NS", 90.0)


def _longitude(fields: tuple[str, ...], at: int) -> float | None:
    return _angle(fields[at], fields[at + 1], "EW", 180.0)


def _course(field: str) -> float | None:
    course = _number(field)
    if course is not None and not 0 <= course <= 360:  # noqa: PLR2004 - a full turn
        msg = f"{field!r} is no course"
        raise ValueError(msg)
    return course


def _speed(field: str, unit: float) -> float | None:
    speed = _number(field)
    if speed is not None and speed < 0:
        msg = f"{field!r} is no speed"
        raise ValueError(msg)
    return None if speed is None else speed * unit


def _gga(fields: tuple[str, ...]) -> Gga:
    return Gga(
        _clock(fields[0]),
        _latitude(fields, 1),
        _longitude(fields, 3),
        Quality(_whole(fields[5]) or 0),
        _whole(fields[6]),
        _number(fields[7]),
        _number(fields[8]),
    )


def _rmc(fields: tuple[str, ...]) -> Rmc:
    valid = fields[1] == "A"
    mode = fields[_RMC_MODE] if len(fields) > _RMC_MODE else ""
    if mode and mode not in _MODES:
        msg = f"{mode!r} is no mode"
        raise ValueError(msg)
    # Before version 2.3 there is no mode: valid is all that is known.
    quality = _MODES[mode] if mode else Quality.SATELLITES
    return Rmc(
        _clock(fields[0]),
        valid,
        _latitude(fields, 2),
        _longitude(fields, 4),
        _speed(fields[6], KNOT_M_S),
        _course(fields[7]),
        _midnight(fields[8]),
        quality if valid else Quality.NONE,
    )


def _gsa(fields: tuple[str, ...]) -> Gsa:
    dimensions = _needed(fields[1])
    if dimensions not in {1, 2, 3}:
        msg = f"{dimensions} is no kind of fix"
        raise ValueError(msg)
    return Gsa(dimensions, _number(fields[15]))


def _gsv(fields: tuple[str, ...]) -> Gsv:
    return Gsv(_needed(fields[1]), _needed(fields[2]))


def _vtg(fields: tuple[str, ...]) -> Vtg:
    return Vtg(_course(fields[0]), _speed(fields[6], KM_H_M_S))


def _txt(fields: tuple[str, ...]) -> Notice | None:
    name, equals, state = fields[3].partition("=")
    if name != "ANTSTATUS" or not equals:
        return None
    return Notice(Antenna[state] if state in Antenna.__members__ else Antenna.UNKNOWN)


_READERS: Final[Mapping[str, tuple[int, Callable[[tuple[str, ...]], Told | None]]]] = {
    "GGA": (_GGA_FIELDS, _gga),
    "RMC": (_RMC_FIELDS, _rmc),
    "GSA": (_GSA_FIELDS, _gsa),
    "GSV": (_GSV_FIELDS, _gsv),
    "VTG": (_VTG_FIELDS, _vtg),
    "TXT": (_TXT_FIELDS, _txt),
}
"""By kind: how many fields it has at least, and who reads them."""
