"""People with cards: when somebody comes, and which card is shown."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Annotated, Final

from pydantic import Field

from simulators.options import SerialTwinOptions, TwinOptions

CardNumber = Annotated[str, Field(pattern=r"^[0-9]{1,5}:[0-9]{1,5}$")]
"""Facility and number, as printed on many cards: `12:3456`."""


class ReaderOptions(TwinOptions):
    """What every reader of a scene has."""

    cards: tuple[CardNumber, ...] = Field(
        default=("12:3456", "12:3457", "77:65535"), description="facility:number of those who come"
    )
    showings_per_hour: float = Field(
        default=0.0, ge=0, le=36_000, description="how many come; 0: only when a test says so"
    )


class SerialReaderOptions(ReaderOptions, SerialTwinOptions):
    """A reader on a serial line."""


def parse(card: str) -> tuple[int, int]:
    """Return facility and number.

    Raises:
        ValueError: the facility is above 255 or the number above 65535.
    """
    facility, number = (int(part) for part in card.split(":"))
    if facility >= 1 << 8 or number >= 1 << 16:
        msg = f"{card}: a facility is up to 255, a number up to 65535"
        raise ValueError(msg)
    return facility, number


class Crowd:
    """Decides, as time goes on, who comes next."""

    def __init__(self, cards: Sequence[str], per_hour: float, seed: int) -> None:
        """Take who there is."""
        self._cards: Final = [parse(card) for card in cards]
        self._per_hour: Final = per_hour
        self._rng: Final = Random(seed)
        self._next_s: float | None = None

    def come(self, now_s: float) -> list[tuple[int, int]]:
        """Return facility and number of each who came since the last call."""
        if not self._per_hour or not self._cards:
            return []
        if self._next_s is None:
            self._next_s = now_s + self._rng.expovariate(self._per_hour / 3600)
        come = []
        while self._next_s <= now_s:
            come.append(self._rng.choice(self._cards))
            self._next_s += self._rng.expovariate(self._per_hour / 3600)
        return come


def wiegand_26(facility: int, number: int) -> str:
    """Return the 26 bits of a card (H10301): even parity, facility, number, odd parity."""
    middle = f"{facility:08b}{number:016b}"
    even = middle[:12].count("1") % 2
    odd = 1 - middle[12:].count("1") % 2
    return f"{even}{middle}{odd}"
