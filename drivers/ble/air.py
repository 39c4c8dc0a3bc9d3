"""What a driver sees of a radio: what is in the air, and one device at a time to talk to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Protocol, TypeVar

from drivers.ble.advert import Advert, Identify
from gateway.model.driver import Priority

T = TypeVar("T")


class Timer(Protocol):
    """Something that will happen."""

    def cancel(self) -> None:
        """Let it not happen."""
        ...


class Peer(Protocol):
    """A device one is connected to. Every wait ends: errors are those of `Air.converse`."""

    async def read(self, characteristic: str) -> bytes:
        """Return the value of a characteristic, by its UUID."""
        ...

    async def write(self, characteristic: str, value: bytes, *, proven: bool) -> None:
        """Write a characteristic.

        Args:
            characteristic: its UUID.
            value: what to write.
            proven: with a response of the device, else without.
        """
        ...

    async def notified(self, characteristic: str, timeout_s: float) -> bytes:
        """Subscribe to a characteristic and return the first value that the device sends."""
        ...


class Air(Protocol):
    """A radio."""

    @property
    def medium(self) -> str:
        """Return the name of its kind."""
        ...

    @property
    def scan_interval_s(self) -> float:
        """Return how often the radio begins to listen, 0 when it always does."""
        ...

    @property
    def listened_s(self) -> float:
        """Return for how long the radio has certainly listened since it was made, in seconds.

        Neither pauses count, nor connections, nor a silence of the whole air until somebody is
        heard again: what was not heard in this time was not sent.
        """
        ...

    def hear(self, identify: Identify, who: Hashable, hear: Callable[[Advert], None]) -> None:
        """Have `hear` called in the loop with each advertisement `identify` finds `who` in."""
        ...

    def after(self, delay_s: float, call: Callable[[], None]) -> Timer:
        """Have `call` called in the loop after so many seconds of the radio's own clock.

        Returns at once; only while the loop runs.
        """
        ...

    async def converse(
        self,
        address: str,
        talk: Callable[[Peer], Awaitable[T]],
        *,
        timeout_s: float,
        priority: Priority,
    ) -> T:
        """Connect to a device in turn, commands first, talk to it, and disconnect.

        Args:
            address: of the device.
            talk: is handed the device, and returns what is returned here.
            timeout_s: for each step: connecting, a read, a write.
            priority: who goes first.

        Raises:
            NoResponseError: it is not there, or went away in between.
            DeviceRejectedError: it refuses, with the error code of the attribute protocol.
            FrameError: it has no such characteristic.
            BusUnavailableError: the adapter is gone.
        """
        ...


Memory = dict[str, Any]  # Any: plain JSON values
