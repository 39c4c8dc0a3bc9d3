"""What one advertisement says, and what an address is. Pure.

Source: Bluetooth Core Specification, Vol 3 Part C, 11 (format of advertising data) and Vol 6
Part B, 1.3.2 (random addresses: the two most significant bits say which kind), both as cited in
the sources of bumble and in Nordic's page on its controller; Core Specification Supplement, Part A,
1.11 (service data) and 1.4 (manufacturer specific data), as cited in the Eddystone specification.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

from gateway.model.errors import FrameError
from gateway.model.options import Checked, Limits

_ADDRESS: Final = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")
_BASE_UUID: Final = "-0000-1000-8000-00805f9b34fb"


class Advert(NamedTuple):
    """One advertisement as it was heard."""

    address: str
    """As bleak writes it: `C0:12:34:56:78:9A`."""
    rssi: int
    """In dBm."""
    at_s: float
    """When, by the radio's own monotonic clock, in seconds."""
    manufacturer: Mapping[int, bytes]
    """By company identifier, without it."""
    services: Mapping[str, bytes]
    """Service data by UUID of 128 bits in lower case."""


Identify = Callable[[Advert], Hashable | None]
"""Finds in an advertisement who sent it; None: nobody of this kind. Fast: called for each one."""


def by_address(advert: Advert) -> Hashable | None:
    """Identify by the address it came from."""
    return advert.address


def uuid_of(short: int) -> str:
    """Return a UUID of 16 bits in the long form."""
    return f"{short:08x}{_BASE_UUID}"


def check_address(address: str, _before: Mapping[str, Any], _site_dir: Path | None) -> None:
    """Refuse what is no address, or one that will soon be another.

    Raises:
        ValueError: with the reason.
    """
    if not _ADDRESS.fullmatch(address):
        msg = "is no address of the form C0:12:34:56:78:9A (capital letters)"
        raise ValueError(msg)


Address = Annotated[str, Limits(min_length=17, max_length=17), Checked(check_address)]
"""The address of a device in a site file."""


def address_bytes(address: str) -> bytes:
    """Return the six bytes of an address, the most significant first."""
    return bytes.fromhex(address.replace(":", ""))


def address_text(raw: bytes) -> str:
    """Return an address as people write it, from six bytes, the most significant first."""
    return raw.hex(":").upper()


_UUID_LENGTHS: Final = {0x16: 2, 0x20: 4, 0x21: 16}
"""AD types of service data, with the length of the UUID before it."""
_MANUFACTURER: Final = 0xFF


def read_structures(
    payload: bytes,
) -> tuple[dict[int, bytes], dict[str, bytes], str | None]:
    """Return manufacturer data, service data and the name in the payload of one advertisement.

    Args:
        payload: AD structures one after the other; a length of zero ends them early.

    Raises:
        FrameError: a structure is longer than what is left, or too short for what it says to be.

    Source:
        Core Specification, Vol 3 Part C, 11; Core Specification Supplement, Part A, 1.2, 1.4, 1.11.
    """
    manufacturer: dict[int, bytes] = {}
    services: dict[str, bytes] = {}
    name: str | None = None
    place, end = 0, len(payload)
    while place < end:
        length = payload[place]
        if not length:
            break  # early termination
        following = place + 1 + length
        if following > end:
            msg = f"an AD structure of {length} bytes, {end - place - 1} are left"
            raise FrameError(msg, answer=payload)
        kind = payload[place + 1]
        body = payload[place + 2 : following]
        if kind == _MANUFACTURER:
            if len(body) < 2:  # noqa: PLR2004 - the company identifier
                msg = "manufacturer data without a company"
                raise FrameError(msg, answer=payload)
            manufacturer[body[0] | body[1] << 8] = body[2:]
        elif (size := _UUID_LENGTHS.get(kind)) is not None:
            if len(body) < size:
                msg = "service data without a UUID"
                raise FrameError(msg, answer=payload)
            services[_uuid(body[:size])] = body[size:]
        elif kind in {0x08, 0x09}:
            name = body.decode("utf-8", "replace")
        place = following
    return manufacturer, services, name


def _uuid(raw: bytes) -> str:
    if len(raw) == 2:  # noqa: PLR2004 - bytes of a short UUID, the case that matters
        return f"0000{raw[1]:02x}{raw[0]:02x}{_BASE_UUID}"
    digits = raw[::-1].hex()
    if len(raw) == 4:  # noqa: PLR2004 - likewise
        return digits + _BASE_UUID
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
