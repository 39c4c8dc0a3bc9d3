"""An event loop in which waiting takes no time: hours of timers run in milliseconds, in order.

For code that is nothing but asyncio (no threads, no sockets): when nothing is ready, the clock is
put forward to the next timer.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from gateway.model.clock import Instant, Trust
from gateway.model.ids import BootId
from tests.clock import START_WALL_MS

T = TypeVar("T")
START_S = 1000.0


class VirtualClock:
    """A `gateway.model.clock.Clock` that the loop of `run` puts forward."""

    def __init__(self) -> None:
        self.seconds = START_S
        self.set_by_ms = 0
        """By how much somebody has set the wall clock."""

    @property
    def boot(self) -> BootId:
        return BootId(bytes(16))

    def now(self) -> Instant:
        mono_ms = int(self.seconds * 1000)
        return Instant(mono_ms, START_WALL_MS + mono_ms + self.set_by_ms, Trust.SYNCED)

    def monotonic_s(self) -> float:
        return self.seconds

    def uncertainty_ms(self) -> int | None:
        return None


class _Leap(selectors.SelectSelector):
    """Waits for nothing: leaps to the end of the wait instead."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits for somebody else"
            self._clock.seconds += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_Leap(clock))
        self._virtual = clock
        self.broken: list[Mapping[str, Any]] = []  # Any: as asyncio hands it over
        self.set_exception_handler(lambda _, context: self.broken.append(context))

    def time(self) -> float:
        return self._virtual.monotonic_s()


def run(
    main: Callable[[VirtualClock], Coroutine[object, object, T]],
) -> T:
    """Run `main` to its end in virtual time, and return what it returns."""
    clock = VirtualClock()
    loop = _Loop(clock)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(main(clock))
    assert not loop.broken
    return result
