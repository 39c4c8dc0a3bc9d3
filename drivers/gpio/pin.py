"""An input whose bounces are left out: what `gpio-input` and `gpio-counter` hear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from drivers.gpio.chip import GpioChip
from drivers.gpio.debounce import Change, Debounce
from drivers.media.edges import Pull

SETTLE_MARGIN_S: Final = 0.01
"""Waited longer than a level must hold, so that an edge on its way is heard first."""


class SteadyPin:
    """One input."""

    def __init__(
        self,
        chip: GpioChip,
        pin: int,
        pull: Pull,
        steady_ms: float,
        glitch_us: int,
    ) -> None:
        """Begin to watch a pin at the next opening of the chip.

        Args:
            chip: whose pin.
            pin: its number.
            pull: the resistor to switch on.
            steady_ms: how long a level must hold, milliseconds.
            glitch_us: what is shorter is not even told by the chip, microseconds.

        Raises:
            ValueError: there is no such pin, or it is used already.
        """
        chip.watch(pin, self._edge, pull=pull, glitch_us=glitch_us)
        self._chip: Final = chip
        self._pin: Final = pin
        self._debounce: Final = Debounce(round(steady_ms * 1e6))
        self._changed: Callable[[Change, int], None] | None = None
        self._began: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unnoticed = 0

    @property
    def level(self) -> bool:
        """Return the level that counts."""
        return self._debounce.level

    @property
    def since_ns(self) -> int:
        """Return the tick since when it holds."""
        return self._debounce.since_ns

    @property
    def unnoticed(self) -> int:
        """Return how many changes were not told by an edge, or only half."""
        return self._unnoticed + self._debounce.repeated

    def attend(self, began: Callable[[], None], changed: Callable[[Change, int], None]) -> None:
        """Have told in the loop that the chip was opened, and each change that counts.

        Args:
            began: called with each opening; `level` is then what was found.
            changed: called with the change and with the tick since when the level before it held.
        """
        self._began = began
        self._changed = changed

    async def look(self) -> tuple[int, bool]:
        """Ask for the level and bring in a change that no edge told; return tick and level.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        tick, level = await self._chip.look(self._pin)
        if level != self._debounce.raw:
            self._unnoticed += 1
            self._tell(self._debounce.edge, tick, level=level)
        else:
            self._settle_at(tick)
        return tick, level

    def _edge(self, tick_ns: int, level: bool, *, first: bool) -> None:  # noqa: FBT001  an `Edge`
        if first:
            self._debounce.begin(tick_ns, level)
            self._stop_waiting()
            if self._began is not None:
                self._began()
        else:
            self._tell(self._debounce.edge, tick_ns, level=level)

    def _tell(
        self, take: Callable[[int, bool], list[Change]], tick_ns: int, *, level: bool
    ) -> None:
        before_ns = self._debounce.since_ns
        for change in take(tick_ns, level):
            if self._changed is not None:
                self._changed(change, before_ns)
            before_ns = change.since_ns
        self._wait()

    def _settle_at(self, tick_ns: int) -> None:
        before_ns = self._debounce.since_ns
        for change in self._debounce.settle(tick_ns):
            if self._changed is not None:
                self._changed(change, before_ns)
        if self._debounce.settles_ns is None:
            self._stop_waiting()

    def _wait(self) -> None:
        """See to it that a level that holds counts, though no further edge comes."""
        self._stop_waiting()
        settles_ns = self._debounce.settles_ns
        if settles_ns is not None:
            wait_s = self._debounce.steady_s + SETTLE_MARGIN_S
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(wait_s, self._settle_at, settles_ns)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
