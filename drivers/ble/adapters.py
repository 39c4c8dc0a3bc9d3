"""Which stack drives an adapter, where it is, and what it may break with."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.ble.config import BleConfig
from gateway.model.errors import BusUnavailableError

if TYPE_CHECKING:
    from drivers.ble.stack import Stack


def failures() -> tuple[type[Exception], ...]:
    """Return what a step of an adapter may break with."""
    from bleak.exc import BleakError  # noqa: PLC0415 - bleak, when it is needed

    return (BleakError, OSError, TimeoutError)


def reason_of(error: Exception) -> str:
    """Say why a step failed, as the rest of a sentence about the adapter."""
    if isinstance(error, TimeoutError) and not error.args:
        return "does not answer: pull the adapter out and plug it in"
    return f"cannot be used: {error}"


def place(config: BleConfig) -> str:
    """Return what a person calls the adapter."""
    return config.controller or config.adapter


def load_stack(config: BleConfig) -> Stack:
    """Return what drives the adapter.

    Raises:
        BusUnavailableError: a package that it needs is not installed.
    """
    try:
        if config.controller is not None:
            from drivers.ble.bumble_stack import BumbleStack  # noqa: PLC0415 - only when named

            return BumbleStack(config.controller)
        from drivers.ble.bluez_stack import BluezStack  # noqa: PLC0415 - only when named

        return BluezStack(config.adapter)
    except ModuleNotFoundError as error:
        extra = "ble-virtual" if config.controller is not None else "ble"
        msg = f"{place(config)}: package {error.name} is missing: install mayak[{extra}]"
        raise BusUnavailableError(msg) from error


def probe(config: BleConfig) -> str | None:
    """Say why the adapter is not there now, or None; touches nothing."""
    if config.controller is not None:
        return None
    if Path("/sys/class/bluetooth", config.adapter).exists():
        return None
    return (
        f"there is no Bluetooth adapter {config.adapter}: look whether it is plugged in, and "
        "whether Bluetooth is switched off (rfkill)"
    )


def resource(config: BleConfig) -> Hashable:
    """Return the adapter or the transport."""
    return place(config)
