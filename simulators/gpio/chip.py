"""A chip with pins: what each is set to, what drives it from outside, what level it has. No I/O.

A pin that nobody drives has the level of its pull resistor, or stays as it was when there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

PINS: Final = 54
"""GPIO of the BCM2835; 0 to 31 tell their changes."""
TELLING: Final = 32
DEFAULT_RANGE: Final = 255
"""Of the duty cycle, until it is set."""
FREQUENCIES: Final = (
    (8000, 25),
    (4000, 50),
    (2000, 100),
    (1600, 125),
    (1000, 200),
    (800, 250),
    (500, 400),
    (400, 500),
    (320, 625),
    (250, 800),
    (200, 1000),
    (160, 1250),
    (100, 2000),
    (80, 2500),
    (50, 4000),
    (40, 5000),
    (20, 10000),
    (10, 20000),
)
"""Hertz that the service can do at its usual sample rate of 5 us, and steps of the duty cycle at
each (pigpio, C interface, gpioSetPWMfrequency)."""
DEFAULT_FREQUENCY: Final = 800


class Mode(IntEnum):
    """What a pin does; the numbers are those of the service."""

    INPUT = 0
    OUTPUT = 1


class Pull(IntEnum):
    """The resistor inside; the numbers are those of the service."""

    NONE = 0
    DOWN = 1
    UP = 2


Watcher = Callable[[int, bool, int], None]
"""Called with the pin, its new level and the tick in microseconds."""


@dataclass(slots=True)
class Pin:
    """One pin."""

    mode: int = Mode.INPUT
    pull: int = Pull.NONE
    level: bool = False
    outside: bool | None = None
    """What drives it from outside; None: nothing does."""
    latch: bool = False
    """What was written to it last."""
    duty: int | None = None
    """Of `duty_range`, while it is pulsed; None: it is not."""
    duty_range: int = DEFAULT_RANGE
    frequency: int = DEFAULT_FREQUENCY
    filter_us: int = 0
    watchers: list[Watcher] = field(default_factory=list)


class Chip:
    """All the pins of a board."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        """Take what tells the microseconds; they count on for ever."""
        self._now_us: Final = now_us
        self.pins: Final = [Pin() for _ in range(PINS)]
        self._listeners: Final[list[Watcher]] = []

    @property
    def now_us(self) -> int:
        """Return this moment in microseconds."""
        return self._now_us()

    @property
    def levels(self) -> int:
        """Return the levels of pins 0 to 31, one bit each."""
        return sum(1 << place for place in range(TELLING) if self.pins[place].level)

    # What hangs on the pins

    def listen(self, tell: Watcher) -> None:
        """Have every change of every pin told."""
        self._listeners.append(tell)

    def watch(self, pin: int, tell: Watcher) -> None:
        """Have told whatever happens to one pin: how a relay sees its coil."""
        self.pins[pin].watchers.append(tell)

    def drive(self, pin: int, level: bool | None, at_us: int | None = None) -> None:  # noqa: FBT001
        """Drive a pin from outside.

        Args:
            pin: which.
            level: high, low, or None: let it go.
            at_us: when that is, if not just now: a board stamps it in its hardware.
        """
        self.pins[pin].outside = level
        self._settle(pin, at_us)

    # What the service does

    def reset(self) -> None:
        """Be as after power-up: every pin an input without a resistor."""
        for number, pin in enumerate(self.pins):
            pin.mode, pin.pull, pin.latch, pin.duty = Mode.INPUT, Pull.NONE, False, None
            pin.duty_range, pin.frequency, pin.filter_us = DEFAULT_RANGE, DEFAULT_FREQUENCY, 0
            pin.level = pin.level and pin.outside is not None
            self._settle(number)

    def set_mode(self, pin: int, mode: int) -> None:
        """Make it an input or an output."""
        self.pins[pin].mode = mode
        if mode == Mode.INPUT:
            self.pins[pin].duty = None
        self._settle(pin)

    def set_pull(self, pin: int, pull: int) -> None:
        """Switch a resistor on or off."""
        self.pins[pin].pull = pull
        self._settle(pin)

    def write(self, pin: int, level: bool) -> None:  # noqa: FBT001
        """Make it an output with that level; it is pulsed no more."""
        at = self.pins[pin]
        at.mode, at.latch, at.duty = Mode.OUTPUT, level, None
        self._settle(pin)

    def pulse(self, pin: int, duty: int) -> None:
        """Make it an output that is pulsed; half the duty cycle and more counts as high."""
        at = self.pins[pin]
        at.mode, at.duty = Mode.OUTPUT, duty
        at.latch = 2 * duty >= at.duty_range
        self._settle(pin)

    def set_frequency(self, pin: int, hertz: int) -> int:
        """Set the frequency nearest to what is asked for, and return it."""
        self.pins[pin].frequency = min(FREQUENCIES, key=lambda pair: abs(pair[0] - hertz))[0]
        return self.pins[pin].frequency

    def _settle(self, number: int, at_us: int | None = None) -> None:
        pin = self.pins[number]
        level = pin.level
        if pin.mode == Mode.OUTPUT:
            level = pin.latch
        elif pin.outside is not None:
            level = pin.outside
        elif pin.pull != Pull.NONE:
            level = pin.pull == Pull.UP
        moved = level != pin.level
        pin.level = level
        tick = self.now_us if at_us is None else at_us
        for tell in (*pin.watchers, *(self._listeners if moved else ())):
            tell(number, level, tick)
