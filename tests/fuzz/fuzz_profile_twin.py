"""Any bytes as a profile: a twin, or a sentence why there is none."""

from __future__ import annotations

from contextlib import suppress

from simulators.modbus.pdu import serve
from simulators.modbus.profile.device import ProfileDevice
from simulators.modbus.profile.reader import ProfileTwinError, parse_plan


def one(data: bytes) -> None:
    """Read the bytes as a text."""
    text, _, request = data.partition(b"\0")
    with suppress(ProfileTwinError):
        device = ProfileDevice(parse_plan(text.decode("utf-8", "replace"), "thing"))
        serve(device.memory, device.identity, request)
