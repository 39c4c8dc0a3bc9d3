"""A twin of an SDI-12 weather station: `aM!`, `aC!`, both with CRC, `aR0!`, service requests.

Source: SDI-12, version 1.4, 4.3, 4.4. The break that wakes a sensor is made by the adapter and not
seen here; that a break ends a measurement with M is: whatever is said on the line does.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from random import Random
from string import ascii_letters, digits
from typing import Final, Literal

from pydantic import Field

from simulators.environment.physics import Weather, change
from simulators.faults import Crc, Liar, WrongUnit
from simulators.lines.byte_slave import ByteTwin, Said
from simulators.lines.spoiling import serial_wire
from simulators.options import SerialTwinOptions
from simulators.truth import TruthJournal
from simulators.twin import Struck

ADDRESSES: Final = digits + ascii_letters
VENDOR: Final = "MAYAK".ljust(8)
MODEL: Final = "WTHR-6"
REVISION: Final = "1.0"
WIDTH: Final = 35
"""Characters of values in a response to a measurement with M (1.4, 4.4.8)."""
WIDTH_CONCURRENT: Final = 75
EARLY: Final = 0.8
"""Of the promised time, after which it really is ready."""
_COMMAND: Final = re.compile(rb"([0-9A-Za-z?])([A-Z][0-9A-Za-z]{0,3})?!")
_MEASURES: Final = re.compile(r"([MC])(C?)([1-9]?)")
_READS: Final = re.compile(r"R(C?)0")
_CR_LF: Final = b"\r\n"


class Sdi12Options(SerialTwinOptions):
    """Options of an SDI-12 weather station in a scene."""

    kind: Literal["sdi12-weather"] = "sdi12-weather"
    address: str = Field(default="0", pattern=r"^[0-9A-Za-z]$", description="a digit or a letter")
    measure_s: int = Field(default=2, ge=0, le=999, description="what it says a measurement takes")
    service: bool = Field(default=True, description="asks for service when ready, after M")
    start_hour: float = Field(default=7.0, ge=0, lt=24, description="of the day, hours")
    day_s: float = Field(default=86_400.0, gt=0, description="seconds that a whole day takes")

    @property
    def place(self) -> Hashable:
        """Return its address."""
        return "sdi12", self.address


class Sdi12Twin(ByteTwin):
    """The station."""

    def __init__(self, options: Sdi12Options, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options.id, truth, options.baud_rate)
        self.address = options.address
        self.weather = Weather(options.start_hour)
        self.interrupted = 0
        """Measurements with M that something on the line has ended."""
        self._options: Final = options
        self._rng: Final = Random(options.seed)
        self._groups: list[str] = []
        self._guarded = False
        self._measuring: object | None = None
        self._alone = False
        self._ready_at = 0.0
        self._now_s = 0.0

    def power_on(self) -> None:
        """Forget what was measured."""
        self._groups, self._measuring = [], None

    def about(self) -> dict[str, object]:
        """Return its address."""
        return {"address": self.address}

    def step(self, dt_s: float) -> None:
        """Let the weather change."""
        self._now_s += dt_s
        self.weather = change(self.weather, dt_s, self._options.day_s, self._rng)

    @property
    def values(self) -> tuple[str, ...]:
        """Return air, humidity, pressure, wind, direction and rain as it says them."""
        now = self.weather
        figures = (
            f"{now.air:+.1f}",
            f"{now.humidity:+.1f}",
            f"{now.pressure:+.2f}",
            f"{now.wind:+.1f}",
            f"{now.direction:+.0f}",
            f"{now.rain:+.2f}",
        )
        return tuple(figures)

    # The line

    def cut(self, heard: bytearray) -> bytes | None:
        """Find a command; one to somebody else ends a measurement with M all the same."""
        while (match := _COMMAND.search(heard)) is not None:
            request = match[0]
            del heard[: match.end()]
            if self._measuring is not None and self._alone and self._now_s < self._ready_at:
                self._measuring, self._groups = None, []
                self.interrupted += 1
            if request[:1] in {b"?", self.address.encode()}:
                return bytes(request)
        return None

    def answer(self, request: bytes, struck: Sequence[Struck]) -> Sequence[Said]:
        """Carry a command out."""
        body = request[1:-1].decode("ascii")
        if body and request[:1] == b"?":
            return []
        if (measures := _MEASURES.fullmatch(body)) is not None:
            return self._measure(struck, measures)
        reads = _READS.fullmatch(body)
        match body[:1]:
            case "":
                said = self._say(struck, "")
            case "I":
                said = self._say(struck, f"14{VENDOR}{MODEL}{REVISION}SN0001")
            case "A":
                self.address = body[1:2] or self.address
                said = self._say(struck, "")
            case "D":
                said = self._data(struck, int(body[1:] or "0", 36))
            case "R" if reads is not None:
                said = self._say(struck, "".join(self._figures(struck)), guarded=bool(reads[1]))
            case _:
                return []
        return [said]

    def _measure(self, struck: Sequence[Struck], asked: re.Match[str]) -> Sequence[Said]:
        concurrent = asked[1] == "C"
        figures = self._figures(struck, extra=asked[3])
        count = len(figures) if not asked[3] else min(2, len(self.values))
        if asked[3] not in {"", "1"}:
            figures, count = (), 0
        self._guarded = bool(asked[2])
        self._groups = _split(figures, WIDTH_CONCURRENT if concurrent else WIDTH)
        self._measuring = job = object()
        self._alone = not concurrent
        wait_s = self._options.measure_s if count else 0
        self._ready_at = self._now_s + EARLY * wait_s
        said = [
            self._say(struck, f"{wait_s:03}{count:02}" if concurrent else f"{wait_s:03}{count}")
        ]
        if not wait_s:
            self._measuring = None
        elif self._alone and self._options.service:
            said.append(self._service(struck, job, EARLY * wait_s))
        return said

    def _service(self, struck: Sequence[Struck], job: object, after_s: float) -> Said:
        def still() -> bool:
            if self._measuring is not job:
                return False
            self._measuring = None
            return True

        return Said(self._line(struck, "", guarded=False), after_s, still)

    def _data(self, struck: Sequence[Struck], number: int) -> Said:
        if self._measuring is not None and self._now_s < self._ready_at:
            self._groups = []  # a command in the middle of it ends the measurement
        self._measuring = None
        text = self._groups[number] if number < len(self._groups) else ""
        return self._say(struck, text, guarded=self._guarded)

    def _figures(self, struck: Sequence[Struck], extra: str = "") -> tuple[str, ...]:
        figures = self.values[:2] if extra else self.values
        for fault, _rng in struck:
            if isinstance(fault, Liar):
                match fault.how:
                    case "values":
                        figures = ("+9999999",) * len(figures)
                    case "count":
                        figures = (*figures, "+1")
                    case "length":
                        figures = ("+123456789", *figures[1:])
        return figures

    def _say(self, struck: Sequence[Struck], text: str, *, guarded: bool = False) -> Said:
        return Said(self._line(struck, text, guarded=guarded))

    def _line(self, struck: Sequence[Struck], text: str, *, guarded: bool) -> bytes:
        address = self.address
        for fault, _rng in struck:
            if isinstance(fault, WrongUnit):
                at = ADDRESSES.index(address) + fault.offset
                address = ADDRESSES[at % len(ADDRESSES)]
        body = f"{address}{text}".encode("ascii")
        if guarded:
            body += _guard(body)
        return body + _CR_LF

    def spoil(self, struck: Sequence[Struck], wire: bytes, request: bytes) -> bytes:
        """Spoil the CRC where one stands: before the end of the line."""
        rest = [item for item in struck if not isinstance(item.fault, Crc)]
        if len(rest) < len(struck) and len(wire) > len(_CR_LF) + 1:
            spoilt = bytearray(wire)
            spoilt[-3] ^= 0x01
            wire = bytes(spoilt)
        return serial_wire(rest, wire, request)


def _split(figures: Sequence[str], width: int) -> list[str]:
    """Return the values in groups that fit into one response each."""
    groups = [""]
    for figure in figures:
        if len(groups[-1]) + len(figure) > width:
            groups.append("")
        groups[-1] += figure
    return groups


def _guard(data: bytes) -> bytes:
    """Return the CRC of version 1.4, 4.4.12, as three characters."""
    rest = 0
    for byte in data:
        rest ^= byte
        for _bit in range(8):
            odd = rest & 1
            rest >>= 1
            if odd:
                rest ^= 0xA001
    return bytes((0x40 | rest >> 12, 0x40 | (rest >> 6) % 64, 0x40 | rest % 64))
