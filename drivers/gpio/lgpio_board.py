"""Pins of a chip of this board, through the kernel.

lgpio makes a pipe in its working folder as soon as it is imported: LG_WD says where. Its ticks
count from the start of the board, on early kernels from 1970: those are replaced.

Source: lg, "lgpio Python" (`callback`: on the origin of ticks; FILES; LG_WD), version 0.2.2.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from drivers.gpio.board import Board, TellLevel, library
from drivers.gpio.config import GpioConfig
from gateway.model.errors import BusUnavailableError

_BELIEVED_NS: Final = 600_000_000_000
"""A tick further from now counts from another beginning."""


class LgpioBoard(Board):
    """Pins of a chip of this board, through the kernel."""

    def __init__(self, config: GpioConfig) -> None:
        """Open it.

        Raises:
            BusUnavailableError: there is no such chip, or no right to use it.
        """
        super().__init__()
        os.environ.setdefault("LG_WD", tempfile.gettempdir())
        try:
            self._lgpio: Final = library("lgpio")
        except OSError as error:
            msg = f"lgpio cannot make its pipe in {os.environ['LG_WD']} ({error}): set LG_WD"
            raise BusUnavailableError(msg) from error
        factories = library("gpiozero.pins.lgpio")
        self._refused = (self._lgpio.error, library("gpiozero.exc").GPIOZeroError, ValueError)
        name = "the chip of this board" if config.chip is None else f"/dev/gpiochip{config.chip}"
        with self.asked(name, claim=True):
            self._factory = factories.LGPIOFactory(config.chip)

    def now_ns(self) -> int:
        """Return the present tick in nanoseconds: the kernel stamps edges with this clock."""
        with self.asked("the chip", claim=True):
            self._lgpio.gpio_get_chip_info(self._factory._handle)  # noqa: SLF001  it has no other way
        return time.monotonic_ns()

    def watch(self, pins: Mapping[int, TellLevel]) -> None:
        """Have the changes of inputs told from now on."""
        for pin, tell in pins.items():
            with self.asked(f"GPIO {pin}: its changes", claim=True):
                at = self._pins[pin]
                callback = _told_in_seconds(tell)
                self._callbacks.append(callback)
                at.edges = "both"
                at.when_changed = callback

    def _become_output(self, pin: int, *, level: bool) -> None:
        handle = self._factory._handle  # noqa: SLF001  gpiozero itself begins with a low level
        self._lgpio.gpio_claim_output(handle, pin, int(level))

    def close(self) -> None:
        """Let go of everything; what then becomes of the outputs is the kernel's."""
        with suppress(*self._refused, OSError):  # a chip that is gone has nothing to let go
            for pin in self._pins.keys() - self._outputs:
                self._pins[pin].when_changed = None
        self._factory.pins.clear()
        with suppress(*self._refused, OSError):  # likewise
            self._factory.close()
        self._pins.clear()


def _told_in_seconds(tell: TellLevel) -> Callable[[float, int], None]:
    def told(ticks_s: float, level: int) -> None:
        now, tick = time.monotonic_ns(), round(ticks_s * 1e9)
        tell(tick if abs(now - tick) < _BELIEVED_NS else now, bool(level))

    return told
