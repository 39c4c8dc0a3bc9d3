"""What a device means by an exception code, and what follows from it. Pure.

Source: MODBUS Application Protocol Specification V1.1b3, 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from drivers.modbus.fields import Span
from drivers.modbus.plan import Lore
from drivers.telegrams.modbus import refusal_name
from gateway.model.errors import DeviceError, DeviceFaultError, DeviceRejectedError, NoResponseError
from gateway.model.reading import Cause

ILLEGAL_FUNCTION: Final = 1
"""Nothing of this table can be had: taking the read apart would help nobody."""
DEVICE_FAILURE: Final = 4
ACKNOWLEDGE: Final = 5
"""Taken, but it takes long: nothing is known until it is asked again."""
BUSY: Final = 6
MEMORY_PARITY: Final = 8
GATEWAY_PATH: Final = 10
GATEWAY_TARGET: Final = 11
"""A gateway got no answer from the device behind it: for us the device is silent."""

_NOT_NOW: Final = frozenset({ACKNOWLEDGE, BUSY, GATEWAY_PATH, GATEWAY_TARGET})
_UNKNOWN_END: Final = frozenset({ACKNOWLEDGE, GATEWAY_PATH, GATEWAY_TARGET})
FAULTS: Final = frozenset({DEVICE_FAILURE, MEMORY_PARITY})


def cause_of(code: int) -> Cause:
    """Return why a point is BAD that was refused with this code."""
    return Cause.DEVICE_FAULT if code in FAULTS else Cause.REJECTED


def raise_for_read(code: int, asked: str) -> None:
    """Raise for codes that say nothing about what was asked, only that it cannot be had now.

    Raises:
        NoResponseError: busy, or a gateway without its device. The caller asks again, as it would
        after silence.
    """
    if code in _NOT_NOW:
        msg = f"{asked}: not now, {_named(code)}"
        raise NoResponseError(msg)


def raise_for_write(code: int | None, asked: str) -> None:
    """Raise for every code of a refused write; None is none.

    Raises:
        NoResponseError: nobody knows how it ended.
        DeviceFaultError: the device says that it is broken.
        DeviceRejectedError: refused (also busy): nothing was moved.
    """
    if code is None:
        return
    msg = f"{asked}: {_named(code)}"
    if code in _UNKNOWN_END:
        raise NoResponseError(msg)
    if code in FAULTS:
        raise DeviceFaultError(msg, code=code)
    raise DeviceRejectedError(msg, code=code)


def whole_refusal(lore: Lore, spans: Sequence[Span], asked: str) -> DeviceError:
    """Return the error for a group of which nothing can be had."""
    code = next(lore.refused[span] for span in spans if span in lore.refused)
    msg = f"{asked}: all of it is refused, {_named(code)}"
    if code in FAULTS:
        return DeviceFaultError(msg, code=code)
    return DeviceRejectedError(msg, code=code)


def _named(code: int) -> str:
    return f"exception {code} ({refusal_name(code)})"
