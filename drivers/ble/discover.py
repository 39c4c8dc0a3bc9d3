"""Looks for devices that advertise, for `mayak scan`: listens, and sends nothing of its own.

Each driver knows its own by what stands in the frame. What an encrypted sensor tells nobody can say
without its key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from typing import Any, Final

from drivers.ble.advert import Advert, uuid_of
from drivers.ble.air import Air
from drivers.ble.beacon import codec as beacon
from drivers.ble.bthome import codec as bthome
from drivers.ble.ruuvi import codec as ruuvi
from gateway.model.discovery import Found, Looked, Scope, State
from gateway.model.errors import FrameError

LISTENS_S: Final = 15.0
"""Most sensors advertise more often; one on a coin cell may want a second search."""
STEPS: Final = 15
BTHOME: Final = uuid_of(0xFCD2)
RUUVI: Final = 0x0499
_ANYBODY: Final = "anybody"

Options = Mapping[str, Any]  # Any: values of options
Known = Callable[[Advert], Found | None]


def everybody(_advert: Advert) -> Hashable:
    """Identify every advertisement as one of those that are looked at."""
    return _ANYBODY


def as_bthome(advert: Advert) -> Found | None:
    """Return a BTHome sensor with the objects of this frame.

    Raises:
        FrameError: it looks like one and is none.
    """
    data = advert.services.get(BTHOME)
    if data is None:
        return None
    if bthome.is_encrypted(data):
        return Found("bthome", {"address": advert.address}, _strength(advert), (), "scan-ble-key")
    frame = bthome.decode(data[1:])
    told = {"address": advert.address, "frames": [sorted(frame.values)]}
    return Found("bthome", told, _strength(advert))


def as_ruuvi(advert: Advert) -> Found | None:
    """Return a Ruuvi tag.

    Raises:
        FrameError: it looks like one and is none.
    """
    data = advert.manufacturer.get(RUUVI)
    if data is None:
        return None
    ruuvi.decode(data)
    return Found("ruuvi", {"address": advert.address}, _strength(advert))


def as_ibeacon(advert: Advert) -> Found | None:
    """Return an iBeacon.

    Raises:
        FrameError: it looks like one and is none.
    """
    data = advert.manufacturer.get(beacon.APPLE)
    if data is None or not beacon.is_ibeacon(data):
        return None
    found = beacon.decode_ibeacon(data)
    digits = found.uuid.hex()
    uuid = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    options = {"uuid": uuid, "major": found.major, "minor": found.minor}
    return Found("ibeacon", options, _strength(advert))


def as_eddystone(advert: Advert) -> Found | None:
    """Return an Eddystone beacon.

    Raises:
        FrameError: it looks like one and is none.
    """
    data = advert.services.get(beacon.EDDYSTONE)
    if data is None or not isinstance(beacon.decode_eddystone(data), beacon.Uid):
        return None
    options = {"namespace": data[2:12].hex(), "instance": data[12:18].hex()}
    return Found("eddystone", options, _strength(advert))


def _strength(advert: Advert) -> dict[str, str]:
    return {"rssi": f"{advert.rssi} dBm", "address": advert.address}


async def discover(known: Known, air: Air, _scope: Scope, state: State) -> AsyncIterator[Looked]:
    """Listen for a while; see `gateway.model.discovery.Discover`.

    Several kinds of frames of one BTHome sensor become one device with all of them.

    Args:
        known: what one driver takes for its own.
        air: the radio, open.
        state: how often it listened already.
    """
    found: dict[str, Found] = {}
    broken: set[str] = set()

    def hear(advert: Advert) -> None:
        try:
            each = known(advert)
        except FrameError:
            broken.add(advert.address)
            return
        if each is not None:
            key = str(sorted((k, v) for k, v in each.options.items() if k != "frames"))
            before = found.get(key)
            found[key] = each if before is None else _joined(before, each)

    air.hear(everybody, _ANYBODY, hear)
    for step in range(int(state.get("step", 0)), STEPS):
        await asyncio.sleep(LISTENS_S / STEPS)
        yield Looked(f"{len(found)}", (step + 1) / STEPS, {"step": step + 1})
    for each in found.values():
        yield Looked(str(each.options.get("address", each.driver)), 1.0, {"step": STEPS}, each)
    for address in sorted(broken):
        yield Looked(address, 1.0, {"step": STEPS}, trouble="scan-garbled")


def _joined(before: Found, now: Found) -> Found:
    """Return a sensor with the kinds of frames of both."""
    frames = [*before.options.get("frames", [])]
    frames += [frame for frame in now.options.get("frames", []) if frame not in frames]
    if not frames:
        return before
    return Found(now.driver, {**now.options, "frames": frames}, before.identity, (), now.remark)
