"""A twin of a satellite receiver in a vehicle: it tells NMEA 0183 once a second.

Source: u-blox 8 / M8 receiver description (UBX-13003221 R25) and ZED-F9P interface description:
sentences, fix flags, notices of the antenna.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, Literal

from pydantic import Field

from simulators.faults import Crc, Liar
from simulators.lines.byte_slave import ByteTwin, Said
from simulators.lines.spoiling import serial_wire
from simulators.options import SerialTwinOptions
from simulators.position.road import Vehicle, course, drive, on_earth, place_m
from simulators.truth import TruthJournal
from simulators.twin import Struck

KNOT_M_S: Final = 0.514444
BEGINS: Final = datetime(2026, 3, 20, 6, 0, 0, tzinfo=UTC)
RECKONS_S: Final = 5.0
"""In a tunnel it goes on by itself for so long, then it knows nothing."""
AWAY_M: Final = 30_000.0
"""So far north a falsified signal puts it."""
LONG: Final = 140
"""Characters of a sentence that no receiver sends."""


class NmeaOptions(SerialTwinOptions):
    """Options of a receiver in a scene."""

    kind: Literal["nmea-receiver"] = "nmea-receiver"
    talker: Literal["GP", "GN", "GL"] = Field(default="GN", description="satellites it uses")
    latitude: float = Field(default=55.7558, ge=-80, le=80, description="where its round begins")
    longitude: float = Field(default=37.6173, ge=-180, le=180, description="likewise, degrees")
    tells_every_s: float = Field(default=1.0, gt=0, description="how often it tells, seconds")
    hurry: float = Field(default=1.0, gt=0, description="how much faster the vehicle lives")
    tunnel_every_s: float | None = Field(
        default=None, gt=0, description="how often it enters a tunnel; none: never"
    )
    tunnel_s: float = Field(default=20.0, gt=0, description="how long it is in the tunnel")
    hdop: float = Field(default=0.9, ge=0.5, le=99, description="of its positions")
    antenna: Literal["OK", "SHORT", "OPEN"] = Field(default="OK", description="its antenna")

    @property
    def place(self) -> Hashable:
        """Return the same for all: one talker on a line."""
        return "nmea"


class NmeaTwin(ByteTwin):
    """The receiver."""

    def __init__(self, options: NmeaOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options.id, truth, options.baud_rate)
        self.vehicle = Vehicle()
        self.antenna: str = options.antenna
        self.hdop = options.hdop
        self._options: Final = options
        self._rng: Final = Random(options.seed)
        self._fresh = True

    def power_on(self) -> None:
        """Say what its antenna is like, as at a start."""
        self._fresh = True

    def about(self) -> dict[str, object]:
        """Return its talker."""
        return {"talker": self._options.talker}

    def step(self, dt_s: float) -> None:
        """Let the vehicle drive."""
        left_s = dt_s * self._options.hurry
        while left_s > 0:
            piece_s = min(left_s, 1.0)
            self.vehicle = drive(self.vehicle, piece_s, self._rng)
            left_s -= piece_s

    @property
    def place(self) -> tuple[float, float]:
        """Return where the receiver believes to be: latitude and longitude."""
        east, north = place_m(self.vehicle)
        car = self.vehicle
        origin = self._options.latitude, self._options.longitude
        return on_earth(origin, east + car.error_e, north + car.error_n)

    @property
    def in_tunnel_s(self) -> float | None:
        """Return for how long it has been in a tunnel; None: it is not."""
        every_s = self._options.tunnel_every_s
        if every_s is None:
            return None
        since = self.vehicle.passed_s % every_s
        inside = since - (every_s - min(self._options.tunnel_s, every_s))
        return inside if inside >= 0 else None

    @property
    def talks_every_s(self) -> float:
        """Return how often it tells."""
        return self._options.tells_every_s

    def cut(self, heard: bytearray) -> bytes | None:
        """Hear nothing: nobody may tell it anything."""
        heard.clear()
        return None

    def answer(self, request: bytes, struck: Sequence[Struck]) -> Sequence[Said]:
        """Answer nothing."""
        del request, struck
        return []

    def say_antenna(self, state: Literal["OK", "SHORT", "OPEN"]) -> None:
        """Let the antenna be so from now on; it is told with the next fix."""
        self.antenna, self._fresh = state, True

    def talk(self, struck: Sequence[Struck]) -> bytes:
        """Return all sentences of this moment."""
        bodies = self._sentences(struck)
        return b"".join(_sentence(struck, body) for body in bodies)

    def spoil(self, struck: Sequence[Struck], wire: bytes, request: bytes) -> bytes:
        """Spoil every sentence for itself, its checksum where it stands."""
        rest = [item for item in struck if not isinstance(item.fault, Crc)]
        spoilt = [serial_wire(rest, line, request) for line in wire.splitlines(keepends=True)]
        return b"".join(spoilt)

    def _sentences(self, struck: Sequence[Struck]) -> list[str]:
        talker = self._options.talker
        moment = BEGINS + timedelta(seconds=self.vehicle.passed_s)
        clock = f"{moment:%H%M%S}.{moment.microsecond // 10_000:02}"
        inside_s = self.in_tunnel_s
        lost = inside_s is not None and inside_s > RECKONS_S
        quality, mode = (6, "E") if inside_s is not None else (1, "A")
        if lost:
            quality, mode = 0, "N"
        where, height = ",,,", ""
        if not lost:
            where, height = self._where(struck), "152.3"
        used, hdop = ("00", "99.99") if lost else ("09", f"{self.hdop:.2f}")
        status = "V" if lost else "A"
        motion, knots, km_h = "", "", ""
        if not lost:
            knots, km_h = f"{self.vehicle.speed / KNOT_M_S:.3f}", f"{self.vehicle.speed * 3.6:.3f}"
            motion = f"{course(self.vehicle):.2f}" if self.vehicle.speed > 0.5 else ""  # noqa: PLR2004 - too slow to tell
        date = f"{moment:%d%m%y}"
        dimensions = 1 if lost else 3
        said = [
            f"{talker}RMC,{clock},{status},{where},{knots},{motion},{date},,,{mode}",
            f"{talker}VTG,{motion},T,,M,{knots},N,{km_h},K,{mode}",
            f"{talker}GGA,{clock},{where},{quality},{used},{hdop},{height},M,14.4,M,,",
            f"{talker}GSA,A,{dimensions},05,07,09,13,14,20,28,30,,,,,1.60,{hdop},1.31",
            "GPGSV,2,1,07,05,41,201,38,07,63,291,42,09,12,318,30,13,22,051,35",
            "GPGSV,2,2,07,14,55,110,41,20,33,075,37,30,71,180,44",
            "GLGSV,1,1,03,71,44,062,36,72,29,121,31,86,18,301,28",
        ]
        if self._fresh:
            self._fresh = False
            said.insert(0, f"{talker}TXT,01,01,02,ANTSTATUS={self.antenna}")
        for fault, _rng in struck:
            if isinstance(fault, Liar) and fault.how == "count":
                said = [body.rsplit(",", 8)[0] for body in said]
            if isinstance(fault, Liar) and fault.how == "length":
                said = [body.ljust(LONG, "0") for body in said]
        return said

    def _where(self, struck: Sequence[Struck]) -> str:
        latitude, longitude = self.place
        if any(isinstance(fault, Liar) and fault.how == "values" for fault, _rng in struck):
            latitude, longitude = on_earth((latitude, longitude), 0.0, AWAY_M)
        north, east = "N" if latitude >= 0 else "S", "E" if longitude >= 0 else "W"
        return f"{_minutes(latitude, 2)},{north},{_minutes(longitude, 3)},{east}"


def _minutes(angle: float, width: int) -> str:
    """Return an angle as degrees and minutes without a sign."""
    total = round(abs(angle) * 60 * 100_000)
    degrees, rest = divmod(total, 60 * 100_000)
    return f"{degrees:0{width}}{rest / 100_000:08.5f}"


def _sentence(struck: Sequence[Struck], body: str) -> bytes:
    check = 0
    for byte in body.encode("ascii"):
        check ^= byte
    if any(isinstance(fault, Crc) for fault, _rng in struck):
        check ^= 0x11
    return f"${body}*{check:02X}\r\n".encode("ascii")
