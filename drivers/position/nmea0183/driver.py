"""A satellite receiver that tells where it is.

Source: as `codec.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from drivers.media.framing import ByteLine
from drivers.media.stream import Stream
from drivers.position.nmea0183 import codec
from drivers.position.nmea0183.codec import LONGEST, Antenna, Quality
from drivers.position.nmea0183.epochs import Epochs, Fix
from drivers.position.nmea0183.track import Passed, Plausibility, Thinning
from gateway.model.driver import Ear, Happening, Manifest, PollGroup
from gateway.model.errors import FrameError
from gateway.model.event import Severity
from gateway.model.ids import PointId
from gateway.model.options import About, Limits, Options
from gateway.model.reading import (
    NO_FLAGS,
    Cause,
    Deadband,
    Flag,
    Kind,
    Point,
    PointTable,
    Sample,
    Value,
    all_bad,
)
from gateway.model.reading import Quality as Trust

PLACE_STEP: Final = 1e-7
"""Degrees; about a centimetre."""
_NOTHING: Final = Flag(Trust.BAD, Cause.NO_VALUE)
_ESTIMATED: Final = Flag(Trust.UNCERTAIN, Cause.ESTIMATED)
_IMPLAUSIBLE: Final = Flag(Trust.UNCERTAIN, Cause.IMPLAUSIBLE)
_SPACE: Final = 3
"""Dimensions of a fix with an altitude."""
_BROKEN: Final = {Antenna.SHORT: "antenna-short", Antenna.OPEN: "antenna-open"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Nmea0183Config(Options):
    """Options of one receiver. It sets the speed of its line."""

    corridor_m: Annotated[
        float,
        Limits(ge=0, le=10_000),
        About("a position is told when the track leaves a line by so many metres; 0: every one"),
    ] = 10.0
    position_every_s: Annotated[
        float, Limits(ge=1, le=3600), About("and at least so often, in seconds")
    ] = 30.0
    largest_hdop: Annotated[
        float,
        Limits(gt=0, le=100),
        About("above this horizontal dilution of precision a position is uncertain"),
    ] = 5.0
    plausible_speed_m_s: Annotated[
        float,
        Limits(gt=0, le=400),
        About("nothing moves faster here: a position out of its reach is uncertain"),
    ] = 70.0
    silence_s: Annotated[
        float, Limits(ge=1, le=3600), About("a receiver that is silent for longer is lost")
    ] = 10.0


def _position(config: Nmea0183Config) -> PollGroup:
    table = PointTable(
        Point(PointId("latitude"), unit="deg", kind=Kind.NUMBER, scale=PLACE_STEP),
        Point(PointId("longitude"), unit="deg", kind=Kind.NUMBER, scale=PLACE_STEP),
        Point(PointId("altitude"), unit="m", kind=Kind.NUMBER, scale=0.1),
        Point(PointId("speed"), unit="m/s", kind=Kind.NUMBER, scale=0.01),
        Point(PointId("course"), unit="deg", kind=Kind.NUMBER, scale=0.01),
        Point(PointId("receiver_time"), unit="s", kind=Kind.NUMBER, scale=0.001),
    )
    return PollGroup("position", table, config.position_every_s + config.silence_s, told=True)


def _fix(config: Nmea0183Config) -> PollGroup:
    changes = Deadband()
    table = PointTable(
        Point(
            PointId("fix_quality"),
            kind=Kind.STATE,
            states={each.value: each.name.lower() for each in Quality},
            deadband=changes,
        ),
        Point(
            PointId("fix_mode"),
            kind=Kind.STATE,
            states={1: "none", 2: "2d", 3: "3d"},
            deadband=changes,
        ),
        Point(PointId("satellites_used"), unit="{count}", kind=Kind.NUMBER, deadband=changes),
        Point(PointId("satellites_in_view"), unit="{count}", kind=Kind.NUMBER, deadband=changes),
        Point(PointId("hdop"), kind=Kind.NUMBER, scale=0.01, deadband=Deadband(absolute=0.5)),
        Point(
            PointId("antenna"),
            kind=Kind.STATE,
            states={each.value: each.name.lower() for each in Antenna},
            deadband=changes,
        ),
    )
    return PollGroup("fix", table, config.silence_s, told=True)


class Nmea0183:
    """One receiver. A `ListeningDriver`; nothing is ever sent to it."""

    def __init__(self, config: Nmea0183Config, line: ByteLine) -> None:
        """Take the options, and the line it is on.

        Raises:
            ValueError: another device of the line tells by itself already.
        """
        self._config: Final = config
        self._position: Final = _position(config)
        self._fix: Final = _fix(config)
        self._stream: Final = Stream(codec.find, LONGEST)
        self._epochs: Final = Epochs()
        self._thinning: Final = Thinning[Sample](config.corridor_m)
        self._plausible: Final = Plausibility(config.plausible_speed_m_s)
        self._flag: Flag | None = None
        """Of the last position that was told."""
        self._told_at = float("-inf")
        self._jumped = False
        self._antenna = Antenna.UNKNOWN
        self._ear: Ear | None = None
        line.listen(self._hear)

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return where it is, and how it knows."""
        return self._position, self._fix

    def attend(self, ear: Ear) -> None:
        """Tell the ear whatever the receiver tells, from now on."""
        self._ear = ear

    def _hear(self, data: bytes) -> None:
        ear = self._ear
        for found in self._stream.take(data):
            if ear is None:
                continue
            if isinstance(found, FrameError):
                ear.misheard(found)
                continue
            said = codec.sentence(found)
            try:
                told = codec.read(said)
            except FrameError as error:
                ear.misheard(error)
                continue
            if told is not None:
                for fix in self._epochs.take(said, told):
                    self._take(ear, fix)

    def _take(self, ear: Ear, fix: Fix) -> None:
        ear.heard(self._fix, _fix_sample(fix))
        self._watch_antenna(ear, fix.antenna)
        now = asyncio.get_running_loop().time()
        if fix.quality is Quality.NONE or fix.latitude is None or fix.longitude is None:
            self._thinning.lost()
            if self._flag is not _NOTHING or now - self._told_at >= self._config.position_every_s:
                self._tell(ear, all_bad(self._position.table, Cause.NO_VALUE), _NOTHING, now)
            return
        place = fix.latitude, fix.longitude
        flag = self._judge(ear, fix, place, now)
        passed = Passed(place, _position_sample(fix, flag))
        worth = self._thinning.take(passed)
        if flag is not self._flag or now - self._told_at >= self._config.position_every_s:
            if worth is not None and worth is not passed:
                self._tell(ear, worth.load, self._flag, now)
            self._thinning.told(passed)
            worth = passed
        if worth is not None:
            self._tell(ear, worth.load, flag, now)

    def _tell(self, ear: Ear, sample: Sample, flag: Flag | None, now: float) -> None:
        self._flag, self._told_at = flag, now
        ear.heard(self._position, sample)

    def _judge(self, ear: Ear, fix: Fix, place: tuple[float, float], now: float) -> Flag | None:
        """Return what is doubtful about a position."""
        jump_m = self._plausible.jump_m(place, now)
        if jump_m and not self._jumped:
            args = {"distance_m": round(jump_m)}
            ear.happened(Happening("position-jumped", Severity.WARNING, args))
        self._jumped = bool(jump_m)
        if jump_m:
            return _IMPLAUSIBLE
        vague = fix.hdop is not None and fix.hdop > self._config.largest_hdop
        return _ESTIMATED if fix.quality >= Quality.ESTIMATED or vague else None

    def _watch_antenna(self, ear: Ear, antenna: Antenna) -> None:
        was, self._antenna = self._antenna, antenna
        if antenna in _BROKEN and was is not antenna:
            ear.happened(Happening(_BROKEN[antenna], Severity.WARNING))
        elif was in _BROKEN and antenna is Antenna.OK:
            ear.happened(Happening("antenna-back"))


def _position_sample(fix: Fix, flag: Flag | None) -> Sample:
    """Return the points of a position; what of it is not said is BAD, the rest as doubtful."""
    flat = fix.dimensions is not None and fix.dimensions < _SPACE
    cells: tuple[Value | None, ...] = (
        _rounded(fix.latitude, 7),
        _rounded(fix.longitude, 7),
        None if flat else _rounded(fix.altitude, 1),
        _rounded(fix.speed, 2),
        _rounded(fix.course, 2),
        _rounded(fix.time_s, 3),
    )
    flags = {place: _NOTHING for place, cell in enumerate(cells) if cell is None}
    if flag is not None:
        flags |= {place: flag for place, cell in enumerate(cells) if cell is not None}
    return Sample(cells, flags or NO_FLAGS)


def _rounded(value: float | None, digits: int) -> float | None:
    """Return a value with as many digits as its point has."""
    return None if value is None else round(value, digits)


def _fix_sample(fix: Fix) -> Sample:
    cells: tuple[Value | None, ...] = (
        fix.quality.value,
        fix.dimensions,
        fix.satellites_used,
        fix.satellites_in_view,
        fix.hdop,
        fix.antenna.value,
    )
    flags = {place: _NOTHING for place, cell in enumerate(cells) if cell is None}
    return Sample(cells, flags or NO_FLAGS)


def _address(_config: Nmea0183Config) -> Hashable:
    """Return the same for all: one talker on a line."""
    return "nmea0183"


MANIFEST: Final = Manifest(
    name="nmea0183",
    media=("serial", "tcp"),
    config=Nmea0183Config,
    build=Nmea0183,
    address=_address,
)
