"""What a Bluetooth stack does for a radio: BlueZ, or bumble over an HCI transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice

Heard = Callable[[Any, Any], None]  # Any: bleak's BLEDevice and AdvertisementData


class Stack(Protocol):
    """One adapter with what drives it. Each method may raise OSError, TimeoutError, BleakError."""

    async def open(self) -> None:
        """Make the adapter usable."""
        ...

    async def close(self) -> None:
        """Let go of it; does nothing when it is closed. Raises nothing."""
        ...

    def scanner(self, heard: Heard, scanning: str) -> BleakScanner:
        """Return a new scan, not begun."""
        ...

    def client(self, device: BLEDevice, timeout_s: float) -> BleakClient:
        """Return a connection, not made."""
        ...

    async def power_cycle(self) -> None:
        """Switch the adapter off and on."""
        ...

    async def reset(self) -> None:
        """Reset the adapter below its stack."""
        ...

    def when_gone(self, tell: Callable[[str], None]) -> None:
        """Have `tell` called in the loop with the reason when the adapter goes by itself."""
        ...
