"""What all twins on pins share: edges at their microsecond, a wire that can be cut."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from simulators.faults import Fault, Silent, Stuck
from simulators.gpio.chip import Chip
from simulators.gpio.options import PinOptions
from simulators.truth import TruthJournal
from simulators.twin import InPlay, Twin


class Step(NamedTuple):
    """One level of a pin, and when."""

    after_us: int
    level: bool | None
    """High, low, or None: nobody drives it."""


class PinTwin(Twin):
    """What hangs on a pin."""

    def __init__(self, options: PinOptions, chip: Chip, truth: TruthJournal) -> None:
        """Take the scene's options and the chip."""
        super().__init__(options.id, truth)
        self.pin: Final = options.pin
        self._chip: Final = chip
        self._loop: Final = asyncio.get_running_loop()
        self._timers: Final[set[asyncio.TimerHandle]] = set()
        self._busy_until_us = 0

    @property
    def cut(self) -> bool:
        """Say whether its wire is cut, or it is not there at all."""
        return self.off or any(isinstance(item.fault, Silent) for item in self.faults)

    @property
    def stuck(self) -> bool:
        """Say whether its contact does not move."""
        return any(isinstance(item.fault, Stuck) for item in self.faults)

    def power_on(self) -> None:
        """Have nothing to forget."""

    def advance(self, now_s: float) -> None:
        """Have nothing that moves by itself."""

    def about(self) -> dict[str, object]:
        """Return the pin."""
        return {"pin": self.pin}

    def begin(self, fault: Fault) -> InPlay:
        """Let a fault hold from now on; it shows at once."""
        held = super().begin(fault)
        self.show()
        return held

    def end(self, held: InPlay) -> None:
        """End a fault; it shows at once."""
        super().end(held)
        self.show()

    def show(self) -> None:
        """Bring the pins to what they have to be now."""

    def play(self, pin: int, steps: Iterable[Step]) -> None:
        """Take a pin through levels, each at its microsecond, after what was played before."""
        now = self._chip.now_us
        start = max(now, self._busy_until_us)
        for after_us, level in steps:
            at_us = start + after_us
            self.later((at_us - now) / 1e6, functools.partial(self._drive, pin, level, at_us))
            self._busy_until_us = max(self._busy_until_us, at_us)

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        """Do something after a while, unless the scene ends first."""

        def run() -> None:
            self._timers.discard(timer)
            do()

        timer = self._loop.call_later(seconds, run)
        self._timers.add(timer)

    def flutter(self, every_s: float, held: InPlay) -> None:
        """Change the level again and again for as long as the fault holds."""
        if held not in self.faults:
            self.show()
            return
        driven = self._chip.pins[self.pin].outside
        self._chip.drive(self.pin, None if driven is False else False)
        self.later(every_s, functools.partial(self.flutter, every_s, held))

    def retire(self) -> None:
        """Do nothing more."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _drive(self, pin: int, level: bool | None, at_us: int) -> None:  # noqa: FBT001
        if not self.cut:
            self._chip.drive(pin, level, at_us)


def bouncing(to: bool | None, back: bool | None, bounces: int, over_us: int) -> list[Step]:  # noqa: FBT001
    """Return how a contact moves: it touches, springs back so many times, and rests.

    Args:
        to: the level it rests at.
        back: the level it springs back to.
        bounces: how many times.
        over_us: all of it.
    """
    steps = [Step(0, to)]
    part = over_us / (2 * bounces) if bounces else 0
    for bounce in range(bounces):
        steps.append(Step(round(part * (2 * bounce + 1)), back))
        steps.append(Step(round(part * (2 * bounce + 2)), to))
    return steps
