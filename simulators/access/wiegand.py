"""A reader with a Wiegand output: low pulses on two pins of a board.

Source: Promag WEC200 user's manual, appendix B (pulses of 20 to 100 us, 200 us to 20 ms apart);
keys of four and eight bits: Rosslare AYC-Qx4, HID PINPad 7393760.
"""

from __future__ import annotations

import functools
from typing import Final, Literal

from pydantic import Field

from simulators.access.cards import CardNumber, Crowd, wiegand_26
from simulators.gpio.chip import Chip
from simulators.gpio.options import Gpio, PinOptions
from simulators.gpio.pin_twin import PinTwin
from simulators.truth import TruthJournal

KEYS: Final = "0123456789*#"


class WiegandOptions(PinOptions):
    """Options of a Wiegand reader in a scene; `pin` is its Data 0."""

    kind: Literal["wiegand-reader"] = "wiegand-reader"
    d1: Gpio
    width_us: int = Field(default=50, ge=20, le=100, description="of a pulse")
    interval_us: int = Field(default=2000, ge=200, le=20_000, description="from pulse to pulse")
    key_bits: Literal[4, 8] = 4
    cards: tuple[CardNumber, ...] = Field(
        default=("12:3456", "12:3457", "77:65535"), description="facility:number of those who come"
    )
    showings_per_hour: float = Field(default=0.0, ge=0, le=36_000, description="how many come")


class WiegandTwin(PinTwin):
    """The reader."""

    def __init__(self, options: WiegandOptions, chip: Chip, truth: TruthJournal) -> None:
        """Take the scene's options and the chip."""
        super().__init__(options, chip, truth)
        self._options: Final = options
        self._crowd: Final = Crowd(options.cards, options.showings_per_hour, options.seed)
        self.shown = 0
        self._free_us = 0

    def about(self) -> dict[str, object]:
        """Return both pins."""
        return {"pin": self.pin, "d1": self._options.d1, "shown": self.shown}

    def advance(self, now_s: float) -> None:
        """Let people come."""
        for facility, number in self._crowd.come(now_s):
            self.card(facility, number)

    def card(self, facility: int, number: int) -> None:
        """Have a card of 26 bits shown."""
        self.send(wiegand_26(facility, number))

    def press(self, keys: str) -> None:
        """Have keys pressed."""
        for key in keys:
            value = KEYS.index(key)
            high = f"{value ^ 0xF:04b}" if self._options.key_bits == 8 else ""  # noqa: PLR2004
            self.send(f"{high}{value:04b}")

    def send(self, bits: str, *, pause_us: int = 60_000) -> None:
        """Send a word, and be quiet after it.

        Args:
            bits: 0 and 1, the first sent first.
            pause_us: silence after it.
        """
        self.shown += 1
        options = self._options
        begin = max(self._chip.now_us, self._free_us)
        for place, bit in enumerate(bits):
            pin = options.d1 if bit == "1" else self.pin
            at_us = begin + place * options.interval_us
            wait_s = (at_us - self._chip.now_us) / 1e6
            self.later(wait_s, functools.partial(self._pulse, pin, at_us))
        self._free_us = begin + len(bits) * options.interval_us + pause_us

    def _pulse(self, pin: int, at_us: int) -> None:
        """Go down and up in one go: the stamps say when that was, however late the loop is."""
        self._drive(pin, False, at_us)  # noqa: FBT003 - low
        self._drive(pin, None, at_us + self._options.width_us)

    def show(self) -> None:
        """Let both lines go; when stuck pull both down, as a short circuit of the cable does."""
        for pin in (self.pin, self._options.d1):
            self._chip.drive(pin, False if self.stuck else None)
