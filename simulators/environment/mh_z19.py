"""A twin of the MH-Z19B and MH-Z19C: carbon dioxide in a room with people.

Source: Winsen, MH-Z19B user's manual, chapter "Software setting".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from pydantic import Field

from simulators.environment.physics import Room, breathe
from simulators.faults import Liar
from simulators.lines.byte_slave import ByteTwin, Said
from simulators.options import SerialTwinOptions
from simulators.truth import TruthJournal
from simulators.twin import Struck

REQUEST_SIZE: Final = 9
_START: Final = b"\xff\x01"
_READ: Final = 0x86
FRESH_PPM: Final = 400


class MhZ19Options(SerialTwinOptions):
    """Options of an MH-Z19 in a scene."""

    kind: Literal["mh-z19"] = "mh-z19"
    range_ppm: Literal[2000, 5000, 10_000] = Field(default=5000, description="its measuring range")
    people: int = Field(default=26, ge=0, le=500, description="who sit in the room in a lesson")
    volume_m3: float = Field(default=190.0, gt=0, description="of the room")
    changes_per_hour: float = Field(default=1.5, gt=0, description="how often its air is changed")
    start_hour: float = Field(default=7.5, ge=0, lt=24, description="of the day, hours")
    day_s: float = Field(default=86_400.0, gt=0, description="seconds that a whole day takes")
    confirms: bool = Field(
        default=False, description="answers also to orders to which the manual knows no answer"
    )


class MhZ19Twin(ByteTwin):
    """The sensor."""

    def __init__(self, options: MhZ19Options, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options.id, truth, options.baud_rate)
        self.room = Room(options.start_hour)
        self.self_calibration = True
        self.offset = 0.0
        """What a calibration has added, ppm."""
        self.calibrations = 0
        self._options: Final = options

    def power_on(self) -> None:
        """Have nothing to forget."""

    def about(self) -> dict[str, object]:
        """Return its range."""
        return {"range_ppm": self._options.range_ppm}

    def step(self, dt_s: float) -> None:
        """Let people breathe."""
        options = self._options
        self.room = breathe(
            self.room,
            dt_s,
            people=options.people,
            volume_m3=options.volume_m3,
            changes_per_hour=options.changes_per_hour,
            day_s=options.day_s,
        )

    @property
    def ppm(self) -> int:
        """Return what it measures now, within its range."""
        return max(FRESH_PPM, min(self._options.range_ppm, round(self.room.ppm + self.offset)))

    def cut(self, heard: bytearray) -> bytes | None:
        """Find a command with a right checksum."""
        while (start := heard.find(_START)) >= 0:
            frame = bytes(heard[start : start + REQUEST_SIZE])
            if len(frame) < REQUEST_SIZE:
                return None
            if (sum(frame[1:]) & 0xFF) != 0:
                del heard[: start + 1]
                continue
            del heard[: start + REQUEST_SIZE]
            return frame
        return None

    def answer(self, request: bytes, struck: Sequence[Struck]) -> Sequence[Said]:
        """Carry a command out."""
        match request[2]:
            case 0x86:
                lies = any(isinstance(f, Liar) and f.how == "values" for f, _rng in struck)
                ppm = 0xFFFF if lies else self.ppm
                return [Said(_frame(struck, bytes((_READ,)) + ppm.to_bytes(2, "big") + bytes(4)))]
            case 0x87:
                self.offset += FRESH_PPM - (self.room.ppm + self.offset)
                self.calibrations += 1
            case 0x79:
                self.self_calibration = request[3] == 0xA0  # noqa: PLR2004 - switches it on
            case _:
                return []
        if not self._options.confirms:
            return []
        return [Said(_frame(struck, bytes((request[2], 1)) + bytes(5)))]


def _frame(struck: Sequence[Struck], body: bytes) -> bytes:
    for fault, _rng in struck:
        if isinstance(fault, Liar) and fault.how == "count":
            body = body[:-1]
        if isinstance(fault, Liar) and fault.how == "length":
            body = body[:-1] + b"\x01\x01"
    return b"\xff" + body + bytes((-sum(body) & 0xFF,))
