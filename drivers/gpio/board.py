"""The pins as a thread uses them: a `gpiozero.Pin` each. Everything here may block.

gpiozero is imported when a board is opened, and never given its global pin factory. A factory that
is closed makes every pin an input, whatever was last written to it: a board is closed without.

Source: gpiozero 2, "API - Pins" (factories, `Pin`).
"""

from __future__ import annotations

import importlib
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

from drivers.media.edges import Pull
from gateway.model.errors import BusUnavailableError, DeviceRejectedError

TellLevel = Callable[[int, bool], None]
"""Called in a thread of the library with the tick in nanoseconds and the level."""
_PULLS: Final = {Pull.UP: "up", Pull.DOWN: "down", Pull.NONE: "floating"}
_DUTY_STEPS: Final = 10_000
_HALF_A_STEP: Final = 0.5
"""Added to a duty cycle: both libraries cut off what is behind the point, and 0.29 * 100 is less
than 29 in a computer."""


class GpioPin(Protocol):
    """A `gpiozero.Pin`, as far as it is used."""

    function: str
    state: Any  # Any: a number or a boolean, as the factory likes
    pull: str
    frequency: float | None
    bounce: float | None
    edges: str
    when_changed: Any  # Any: a callable, kept weakly


class Board(ABC):
    """The pins of one chip, while it is open."""

    def __init__(self) -> None:
        """Start without pins."""
        self._pins: Final[dict[int, GpioPin]] = {}
        self._outputs: Final[set[int]] = set()
        self._callbacks: Final[list[object]] = []  # gpiozero keeps them weakly

    # For a kind of board

    _factory: Any  # Any: a gpiozero factory, which has no types
    _refused: tuple[type[Exception], ...] = ()
    """What the library raises when the chip says no."""

    @abstractmethod
    def now_ns(self) -> int:
        """Return the present tick in nanoseconds.

        Raises:
            BusUnavailableError: the chip is gone.
        """

    @abstractmethod
    def watch(self, pins: Mapping[int, TellLevel]) -> None:
        """Have the changes of inputs told from now on.

        Raises:
            BusUnavailableError: the chip is gone.
        """

    @abstractmethod
    def _become_output(self, pin: int, *, level: bool) -> None:
        """Make an output of a pin in one step: a relay must not see another level in between.

        Raises what the library raises.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of everything and leave the outputs as they are; raises nothing."""

    # What all share

    def claim_input(self, pin: int, pull: Pull, glitch_us: int) -> None:
        """Make a pin an input.

        Raises:
            BusUnavailableError: it cannot be had, or the chip is gone.
        """
        with self.asked(f"GPIO {pin} as an input", claim=True):
            at = self._pin(pin)
            at.function = "input"
            if at.pull != _PULLS[pull]:
                at.pull = _PULLS[pull]
            if glitch_us:
                at.bounce = glitch_us / 1e6

    def claim_output(self, pin: int, *, level: bool) -> None:
        """Make a pin an output that has that level from the beginning.

        Raises:
            BusUnavailableError: it cannot be had, or the chip is gone.
        """
        with self.asked(f"GPIO {pin} as an output", claim=True):
            self._pin(pin)
            self._outputs.add(pin)
            self._drive(pin, level=level)

    def claim_pwm(self, pin: int, frequency_hz: float, percent: float) -> None:
        """Make a pin an output that is pulsed.

        Raises:
            BusUnavailableError: it cannot be had, or the chip is gone.
        """
        with self.asked(f"GPIO {pin} as a pulsed output", claim=True):
            at = self._pin(pin)
            self._outputs.add(pin)
            self._drive(pin, level=False)
            at.frequency = frequency_hz
            at.state = _share(percent)

    def read(self, pin: int) -> bool:
        """Return the level of a pin.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        with self.asked(f"GPIO {pin}: its level"):
            return bool(self._pins[pin].state)

    def write(self, pin: int, *, level: bool) -> bool:
        """Set the level of an output and return what it reads back as.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        with self.asked(f"GPIO {pin}: set it"):
            self._drive(pin, level=level)
            return bool(self._pins[pin].state)

    def dim(self, pin: int, percent: float) -> float:
        """Set the duty cycle of a pulsed output and return what it reads back as, in percent.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        with self.asked(f"GPIO {pin}: set its duty cycle"):
            self._pins[pin].state = _share(percent)
        return self.dimmed(pin)[0]

    def dimmed(self, pin: int) -> tuple[float, float]:
        """Return duty cycle in percent and frequency in hertz of a pulsed output.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        with self.asked(f"GPIO {pin}: its duty cycle"):
            at = self._pins[pin]
            return round(float(at.state) * 100, 2), float(at.frequency or 0)

    def _pin(self, number: int) -> GpioPin:
        at: GpioPin = self._factory.pin(number)
        self._pins[number] = at
        return at

    def _drive(self, pin: int, *, level: bool) -> None:
        """Set a level; a pin that is no output becomes one with that level, not with another."""
        at = self._pins[pin]
        if at.function != "output":
            self._become_output(pin, level=level)
        at.state = level

    @contextmanager
    def asked(self, what: str, *, claim: bool = False) -> Iterator[None]:
        """Turn what the library raises into what the caller does next."""
        try:
            yield
        except self._refused as error:
            msg = f"{what}: {_words(error)}"
            if claim:
                raise BusUnavailableError(msg) from error
            raise DeviceRejectedError(msg, code=1) from error
        except TimeoutError as error:
            msg = f"{what}: no answer"
            raise BusUnavailableError(msg) from error
        except (OSError, struct.error) as error:
            msg = f"{what}: the connection is gone ({error})"
            raise BusUnavailableError(msg) from error


def _share(percent: float) -> float:
    return (round(percent / 100 * _DUTY_STEPS) + _HALF_A_STEP) / _DUTY_STEPS


def library(name: str) -> Any:  # Any: these have no types
    """Return a module of the extra `gpio`.

    Raises:
        BusUnavailableError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        msg = f"pins want the package {error.name}: install mayak[gpio]"
        raise BusUnavailableError(msg) from error


def _words(error: Exception) -> str:
    return str(error).strip("'\"") or type(error).__name__
