"""What each command of the service does to the chip. No I/O.

Source: pigpio, "C interface": gpioSetMode, gpioSetPullUpDown, gpioRead, gpioWrite, gpioPWM,
gpioSetPWMrange, gpioSetPWMfrequency, gpioTrigger, gpioGlitchFilter with what they refuse.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from simulators.gpio.chip import FREQUENCIES, PINS, TELLING, Chip, Pull
from simulators.gpio.wire import Command, Refusal, Request

_LEVEL: Final = struct.Struct("<I")
_STEPS: Final = dict(FREQUENCIES)
LAST_MODE: Final = 7
"""ALT3: INPUT, OUTPUT and six others."""
RANGES: Final = range(25, 40_001)
TRIGGERS_US: Final = range(1, 101)
LONGEST_FILTER_US: Final = 300_000


@dataclass(frozen=True, slots=True)
class Deed:
    """One command about one pin."""

    do: Callable[[Chip, int, Request], int]
    """Takes the chip, the pin and the request; returns the result."""
    pins: int = TELLING
    """How many pins take it."""
    most: int | None = None
    """The highest second parameter."""
    else_: Refusal = Refusal.BAD_LEVEL
    """What a higher one is refused with."""

    def carry_out(self, chip: Chip, request: Request) -> int:
        """Do it, or return why not."""
        if request.p1 >= self.pins:
            return Refusal.BAD_GPIO if self.pins == PINS else Refusal.BAD_USER_GPIO
        if self.most is not None and request.p2 > self.most:
            return self.else_
        return self.do(chip, request.p1, request)


def _mode(chip: Chip, pin: int, request: Request) -> int:
    chip.set_mode(pin, request.p2)
    return 0


def _pull(chip: Chip, pin: int, request: Request) -> int:
    chip.set_pull(pin, request.p2)
    return 0


def _write(chip: Chip, pin: int, request: Request) -> int:
    chip.write(pin, bool(request.p2))
    return 0


def _pwm(chip: Chip, pin: int, request: Request) -> int:
    if request.p2 > chip.pins[pin].duty_range:
        return Refusal.BAD_DUTYCYCLE
    chip.pulse(pin, request.p2)
    return 0


def _duty(chip: Chip, pin: int, _request: Request) -> int:
    duty = chip.pins[pin].duty
    return Refusal.NOT_PWM_GPIO if duty is None else duty


def _range(chip: Chip, pin: int, request: Request) -> int:
    if request.p2 not in RANGES:
        return Refusal.BAD_DUTYRANGE
    chip.pins[pin].duty_range = request.p2
    return _STEPS[chip.pins[pin].frequency]


def _filter(chip: Chip, pin: int, request: Request) -> int:
    chip.pins[pin].filter_us = request.p2
    return 0


def _trigger(chip: Chip, pin: int, request: Request) -> int:
    if len(request.extension) != _LEVEL.size or request.p2 not in TRIGGERS_US:
        return Refusal.BAD_PULSELEN
    (level,) = _LEVEL.unpack(request.extension)
    if level > 1:
        return Refusal.BAD_LEVEL
    chip.write(pin, bool(level))
    chip.write(pin, not level)
    return 0


DEEDS: Final[Mapping[int, Deed]] = {
    Command.MODES: Deed(_mode, PINS, LAST_MODE, Refusal.BAD_MODE),
    Command.MODEG: Deed(lambda chip, pin, _: chip.pins[pin].mode, PINS),
    Command.PUD: Deed(_pull, PINS, Pull.UP, Refusal.BAD_PUD),
    Command.READ: Deed(lambda chip, pin, _: int(chip.pins[pin].level), PINS),
    Command.WRITE: Deed(_write, PINS, 1),
    Command.PWM: Deed(_pwm),
    Command.GDC: Deed(_duty),
    Command.PRS: Deed(_range),
    Command.PRG: Deed(lambda chip, pin, _: chip.pins[pin].duty_range),
    Command.PRRG: Deed(lambda chip, pin, _: _STEPS[chip.pins[pin].frequency]),
    Command.PFS: Deed(lambda chip, pin, request: chip.set_frequency(pin, request.p2)),
    Command.PFG: Deed(lambda chip, pin, _: chip.pins[pin].frequency),
    Command.FG: Deed(_filter, TELLING, LONGEST_FILTER_US, Refusal.BAD_FILTER),
    Command.TRIG: Deed(_trigger),
}
