"""A radio whose clock is turned by hand: what a driver sees of one, without a radio."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from drivers.ble.advert import Advert, Identify
from drivers.ble.air import Peer, Timer
from gateway.model.driver import Priority

T = TypeVar("T")


@dataclass
class HandTimer:
    """Something that will happen, unless it is cancelled."""

    at_s: float
    call: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class HandAir:
    """A `drivers.ble.air.Air`."""

    scan_interval_s: float = 0.0
    medium: str = "ble"
    now_s: float = 0.0
    listened_s: float = 0.0
    ears: dict[Identify, dict[Hashable, list[Callable[[Advert], None]]]] = field(
        default_factory=dict
    )
    timers: list[HandTimer] = field(default_factory=list)

    def hear(self, identify: Identify, who: Hashable, hear: Callable[[Advert], None]) -> None:
        self.ears.setdefault(identify, {}).setdefault(who, []).append(hear)

    def after(self, delay_s: float, call: Callable[[], None]) -> Timer:
        timer = HandTimer(self.now_s + delay_s, call)
        self.timers.append(timer)
        return timer

    async def converse(
        self,
        address: str,
        talk: Callable[[Peer], Awaitable[T]],
        *,
        timeout_s: float,
        priority: Priority,
    ) -> T:
        raise AssertionError(address, talk, timeout_s, priority)

    # For the test

    def send(
        self,
        address: str,
        *,
        services: Mapping[str, bytes] | None = None,
        manufacturer: Mapping[int, bytes] | None = None,
        rssi: int = -60,
    ) -> None:
        """Let somebody advertise, now."""
        advert = Advert(address, rssi, self.now_s, manufacturer or {}, services or {})
        for identify, ears in self.ears.items():
            for hear in ears.get(identify(advert), ()):
                hear(advert)

    def pass_time(self, seconds: float, *, listening: bool = True) -> None:
        """Turn the clock, and let happen what is due."""
        end_s = self.now_s + seconds
        while due := [timer for timer in self.timers if timer.at_s <= end_s]:
            timer = min(due, key=lambda each: each.at_s)
            self.timers.remove(timer)
            self._turn(timer.at_s, listening=listening)
            if not timer.cancelled:
                timer.call()
        self._turn(end_s, listening=listening)

    def _turn(self, now_s: float, *, listening: bool) -> None:
        if listening:
            self.listened_s += now_s - self.now_s
        self.now_s = now_s
