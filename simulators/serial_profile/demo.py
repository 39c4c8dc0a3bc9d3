"""A level sensor of this project with a text protocol; no device on the market speaks so.

Its telegrams stand in README.md beside this page.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from random import Random
from typing import Final, Literal

from pydantic import Field

from simulators.environment.physics import drift
from simulators.faults import Liar, Refuse, WrongUnit
from simulators.lines.byte_slave import ByteTwin, Said
from simulators.options import SerialTwinOptions
from simulators.truth import TruthJournal
from simulators.twin import Struck

HIGHEST_CM: Final = 500.0
HIGHEST_SETPOINT_CM: Final = 400.0
MODES: Final = ("OFF", "AUTO", "MAN")
_TELEGRAM: Final = re.compile(
    rb"\$([0-9]{2}),([A-Z?]{1,8})(?:=([0-9A-Z.]{1,8}))?\*([0-9A-F]{2})\r\n"
)
_COUNT: Final = 10**10


class SerialDemoOptions(SerialTwinOptions):
    """Options of the demonstration sensor in a scene."""

    kind: Literal["serial-demo"] = "serial-demo"
    address: int = Field(default=1, ge=1, le=99, description="on its line")

    @property
    def place(self) -> Hashable:
        """Return its address."""
        return "serial-demo", self.address


class SerialDemoTwin(ByteTwin):
    """The sensor: the level of water in a pit, held about a set point by a pump."""

    def __init__(self, options: SerialDemoOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options.id, truth, options.baud_rate)
        self.address: Final = options.address
        self.level_cm = 120.0
        self.door = False
        self.setpoint_cm = 200.0
        self.mode = "AUTO"
        self._rng: Final = Random(options.seed)

    def power_on(self) -> None:
        """Forget what was set."""
        self.setpoint_cm, self.mode = 200.0, "AUTO"

    def about(self) -> dict[str, object]:
        """Return its address."""
        return {"address": self.address}

    def step(self, dt_s: float) -> None:
        """Let the water come and go."""
        mean = self.setpoint_cm if self.mode == "AUTO" else 150.0
        level = drift(self.level_cm, mean, 15.0, 120.0, dt_s, self._rng)
        self.level_cm = min(HIGHEST_CM, max(0.0, level))

    def cut(self, heard: bytearray) -> bytes | None:
        """Find a telegram with a right sum for this address."""
        while (found := _TELEGRAM.search(bytes(heard))) is not None:
            telegram = found[0]
            del heard[: found.end()]
            if int(found[1]) == self.address and telegram == _telegram(telegram[1:-5].decode()):
                return telegram
        return None

    def answer(self, request: bytes, struck: Sequence[Struck]) -> Sequence[Said]:
        """Carry a telegram out."""
        found = _TELEGRAM.fullmatch(request)
        if found is None:
            return []
        refused = next((fault for fault, _ in struck if isinstance(fault, Refuse)), None)
        body = (
            f"ERR,{refused.code}"
            if refused
            else self._carry_out(found[2].decode(), (found[3] or b"").decode(), struck)
        )
        return [Said(_telegram(f"{self._address(struck):02d},{body}", struck))]

    def _address(self, struck: Sequence[Struck]) -> int:
        offsets = [fault.offset for fault, _ in struck if isinstance(fault, WrongUnit)]
        return (self.address - 1 + sum(offsets)) % 99 + 1

    def _carry_out(self, order: str, value: str, struck: Sequence[Struck]) -> str:
        match order:
            case "READ":
                self.answers = (self.answers + 1) % _COUNT
                lies = any(isinstance(fault, Liar) and fault.how == "values" for fault, _ in struck)
                level = "9999.9" if lies else f"{self.level_cm:.1f}"
                return f"VAL,{level},{int(self.door)},{self.answers}"
            case "SET?":
                return f"SET,{self.setpoint_cm:.1f},{self.mode}"
            case "SET":
                return self._set(value)
            case "MODE" if value in MODES:
                self.mode = value
                return f"MODE,{value}"
            case _:
                return "ERR,2"

    def _set(self, value: str) -> str:
        try:
            wanted = float(value)
        except ValueError:
            return "ERR,3"
        if not 0 <= wanted <= HIGHEST_SETPOINT_CM:
            return "ERR,7"
        self.setpoint_cm = wanted
        return "OK"


def _telegram(body: str, struck: Sequence[Struck] = ()) -> bytes:
    text = body.encode()
    check = 0
    for byte in text:
        check ^= byte
    for fault, _rng in struck:
        if isinstance(fault, Liar) and fault.how == "count":
            text = text[:-1]
        if isinstance(fault, Liar) and fault.how == "length":
            text += b"7"
    return b"$" + text + b"*%02X\r\n" % check
