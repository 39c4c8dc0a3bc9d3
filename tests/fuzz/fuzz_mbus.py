"""Any bytes to the codec of M-Bus: a telegram, or one of the errors of a device."""

from __future__ import annotations

from contextlib import suppress

from drivers.mbus import codec
from drivers.mbus.address import SecondaryAddress
from drivers.mbus.link import Acknowledgement, Response, user_data
from gateway.model.errors import DeviceRejectedError, FrameError, NoResponseError

WHO = SecondaryAddress("1234FFFF", device_type=7)


def one(data: bytes) -> None:
    """Feed one input."""
    with suppress(FrameError):
        Acknowledgement().measure(data)
    for answer in (Response(254), Response(1), Response(253, WHO)):
        with suppress(FrameError, DeviceRejectedError, NoResponseError):
            size = answer.measure(data)
            if size > 0:
                codec.decode(*user_data(data[:size]))
    for control_information in (0x72, 0x73, 0x70, 0x7A):
        with suppress(FrameError, DeviceRejectedError, NoResponseError):
            codec.decode(control_information, data)
