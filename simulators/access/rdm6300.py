"""An RDM6300: says the number of a card again and again for as long as it lies there.

Source: Seeed Studio, 125Khz RFID module - UART, "TTL Interface RS232 Data Format".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from pydantic import Field

from simulators.access.cards import Crowd, SerialReaderOptions
from simulators.faults import Liar
from simulators.lines.byte_slave import ByteTwin, Said
from simulators.truth import TruthJournal
from simulators.twin import Struck


class Rdm6300Options(SerialReaderOptions):
    """Options of an RDM6300 in a scene."""

    kind: Literal["rdm6300"] = "rdm6300"
    repeats_every_s: float = Field(default=0.2, ge=0.05, le=5, description="while a card is there")
    stays_s: float = Field(default=1.0, gt=0, le=600, description="how long a card lies there")
    version: int = Field(default=0x1F, ge=0, le=0xFF, description="first byte of its cards")


class Rdm6300Twin(ByteTwin):
    """The module."""

    def __init__(self, options: Rdm6300Options, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options.id, truth, options.baud_rate)
        self._options: Final = options
        self._crowd: Final = Crowd(options.cards, options.showings_per_hour, options.seed)
        self._now_s = 0.0
        self._card: bytes | None = None
        self._left_s = 0.0
        self._laid_on = False
        """Just now: how long before that time stood still does not count."""
        self.shown = 0

    def power_on(self) -> None:
        """Have nothing to forget: a card that lies there is read again."""

    def about(self) -> dict[str, object]:
        """Return how many cards were shown."""
        return {"shown": self.shown}

    def step(self, dt_s: float) -> None:
        """Let people come and go."""
        self._now_s += dt_s
        if not self._laid_on:
            self._left_s -= dt_s
        self._laid_on = False
        if self._left_s <= 0:
            self._card = None
        for facility, number in self._crowd.come(self._now_s):
            self.card(facility, number)

    def card(self, facility: int, number: int) -> bytes:
        """Lay a card on it; return the five bytes of its number."""
        told = bytes((self._options.version, 0, facility)) + number.to_bytes(2, "big")
        self._card = told
        self._left_s = self._options.stays_s
        self._laid_on = True
        self.shown += 1
        return told

    @property
    def talks_every_s(self) -> float | None:
        """Return how often it repeats a card; None: none is there."""
        return None if self._card is None else self._options.repeats_every_s

    def cut(self, heard: bytearray) -> bytes | None:
        """Hear nothing: it has no commands."""
        heard.clear()
        return None

    def answer(self, request: bytes, struck: Sequence[Struck]) -> Sequence[Said]:
        """Say nothing: it is never asked."""
        del request, struck
        return []

    def talk(self, struck: Sequence[Struck]) -> bytes:
        """Return the frame of the card that lies there."""
        if self._card is None:
            return b""
        number = self._card
        lies = [fault.how for fault, _rng in struck if isinstance(fault, Liar)]
        if "values" in lies:
            number = b"\xff" * 5
        check = 0
        for byte in number:
            check ^= byte
        digits = (number + bytes((check,))).hex().upper()
        if "count" in lies:
            digits = digits[:-2]
        if "length" in lies:
            digits += "00"
        return b"\x02" + digits.encode("ascii") + b"\x03"
