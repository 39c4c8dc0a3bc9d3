"""Puts the sentences of one moment together: a fix. Pure.

A receiver tells the same moment in several sentences. Which of them come is learned: when all that
came the last time are there, the fix is whole, without waiting for the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.position.nmea0183.codec import (
    Antenna,
    Gga,
    Gsa,
    Gsv,
    Notice,
    Quality,
    Rmc,
    Sentence,
    Told,
    Vtg,
)


@dataclass(frozen=True, slots=True)
class Fix:
    """What a receiver says of one moment; None: it does not say."""

    quality: Quality
    latitude: float | None = None
    longitude: float | None = None
    altitude: float | None = None
    speed: float | None = None
    course: float | None = None
    time_s: float | None = None
    """Unix time of the receiver, UTC: not the gateway's."""
    dimensions: int | None = None
    satellites_used: int | None = None
    satellites_in_view: int | None = None
    hdop: float | None = None
    antenna: Antenna = Antenna.UNKNOWN


class Epochs:
    """Takes sentences in the order of the line and gives fixes."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._gga: Gga | None = None
        self._rmc: Rmc | None = None
        self._usual: frozenset[str] | None = None
        self._gsa: Gsa | None = None
        self._vtg: Vtg | None = None
        self._in_view: dict[str, int] = {}
        self._antenna = Antenna.UNKNOWN

    def take(self, sentence: Sentence, told: Told) -> list[Fix]:
        """Take one sentence; return the fixes that are whole now: none, one, or two."""
        match told:
            case Gga() | Rmc():
                return self._timed(told)
            case Gsa():
                self._gsa = told
            case Vtg():
                self._vtg = told
            case Gsv():
                self._in_view[sentence.talker] = told.in_view
            case Notice():
                self._antenna = told.antenna
        return []

    def _timed(self, told: Gga | Rmc) -> list[Fix]:
        """Take a sentence that says its moment."""
        fixes = []
        same = self._gga if isinstance(told, Gga) else self._rmc
        other = self._rmc if isinstance(told, Gga) else self._gga
        if same is not None or (other is not None and other.clock_s != told.clock_s):
            self._usual = self._here()
            fixes.append(self._finish())
        if isinstance(told, Gga):
            self._gga = told
        else:
            self._rmc = told
        if self._usual is not None and self._here() >= self._usual:
            fixes.append(self._finish())
        return fixes

    def _here(self) -> frozenset[str]:
        pieces = {"gga": self._gga, "rmc": self._rmc}
        return frozenset(name for name, piece in pieces.items() if piece is not None)

    def _finish(self) -> Fix:
        gga, rmc, gsa, vtg = self._gga, self._rmc, self._gsa, self._vtg
        self._gga = self._rmc = None
        place = gga if gga is not None and gga.latitude is not None else rmc
        clock_s = next((each.clock_s for each in (rmc, gga) if each is not None), None)
        time_s = None
        if rmc is not None and rmc.midnight_s is not None and clock_s is not None:
            time_s = rmc.midnight_s + clock_s
        speed, course = (rmc.speed, rmc.course) if rmc is not None else (None, None)
        if rmc is None and vtg is not None:
            speed, course = vtg.speed, vtg.course
        hdop = gga.hdop if gga is not None else None
        return Fix(
            _worst(gga, rmc),
            place.latitude if place is not None else None,
            place.longitude if place is not None else None,
            gga.altitude if gga is not None else None,
            speed,
            course,
            time_s,
            gsa.dimensions if gsa is not None else None,
            gga.satellites if gga is not None else None,
            sum(self._in_view.values()) if self._in_view else None,
            hdop if hdop is not None or gsa is None else gsa.hdop,
            self._antenna,
        )


def _worst(gga: Gga | None, rmc: Rmc | None) -> Quality:
    """Return where the position comes from; of two that differ the one that promises less."""
    found = [each.quality for each in (gga, rmc) if each is not None]
    if Quality.NONE in found:
        return Quality.NONE
    unsure = [quality for quality in found if quality >= Quality.ESTIMATED]
    return (unsure or found)[0]
