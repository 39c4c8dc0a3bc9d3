"""A search by radio: everybody who advertises, once, as a part of a site file that reads them."""

from __future__ import annotations

import tomllib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.ble import discover as looking
from drivers.ble.advert import Advert
from drivers.ble.beacon import codec
from drivers.ble.config import BleConfig
from drivers.ble.radio import BleRadio
from gateway.model.discovery import Discover, Found, Scope
from gateway.model.errors import FrameError
from gateway.model.ids import LineId
from gateway.plugins.finding import Catalogue
from gateway.scanning.proposal import proposal
from gateway.scanning.scan import Progress, Scan, Seen
from simulators.ble.line import RunningRadio
from simulators.demo.sites import part_of
from simulators.running import run_scene
from simulators.scene import load_scene
from tests.checked_options import checked

DRIVERS = ("bthome", "ruuvi", "ibeacon", "eddystone")


def discovers() -> dict[str, Discover]:
    catalogue = Catalogue.installed()
    found = {name: catalogue.driver(name).discover for name in DRIVERS}
    return {name: each for name, each in found.items() if each is not None}


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twins advertise each second or more often."""
    monkeypatch.setattr(looking, "LISTENS_S", 3.0)


async def search() -> tuple[list[Found], list[Seen]]:
    progress, seen = Progress("radio"), list[Seen]()
    async with run_scene(load_scene("beacons")) as running:
        [line] = running.lines.values()
        assert isinstance(line, RunningRadio)
        controller = f"tcp-client:{line.address.host}:{line.address.port}"
        radio = BleRadio(LineId("air"), checked(BleConfig, {"controller": controller}))
        await radio.open()
        try:
            scope = Scope(())
            kept: list[str] = []
            scan = Scan(discovers(), dict.fromkeys(DRIVERS, scope), progress, kept.append)
            await scan.run(radio, seen.append)
        finally:
            await radio.close()
    return progress.found, seen


async def test_everybody_who_advertises_is_found_once() -> None:
    found, _ = await search()
    expected = [each for each in part_of("beacons").devices if each["driver"] in DRIVERS]
    assert sorted(each.driver for each in found) == sorted(each["driver"] for each in expected)
    for device in expected:
        [same] = [
            each
            for each in found
            if each.driver == device["driver"]
            and all(
                str(device[name]).lower() == str(each.options[name]).lower()
                for name in ("address", "uuid", "major", "minor", "namespace", "instance")
                if name in device
            )
        ]
        if "key_file" in device:
            assert same.remark == "scan-ble-key"
        elif "frames" in device:
            assert [set(frame) for frame in same.options["frames"]] == [
                set(frame) for frame in device["frames"]
            ]
    told = tomllib.loads(proposal({"id": "air", "medium": "ble"}, found, {}, "ru"))
    assert len(told["device"]) == len(found)
    assert len({device["id"] for device in told["device"]}) == len(found)


def test_each_driver_of_what_advertises_can_look() -> None:
    assert set(discovers()) == set(DRIVERS)


@pytest.mark.parametrize("name", DRIVERS)
@given(data=st.binary(max_size=40), head=st.sampled_from([b"", b"\x40", b"\x02\x15", b"\x00"]))
def test_any_frame_is_somebody_nobody_or_refused(name: str, data: bytes, head: bytes) -> None:
    services = {looking.BTHOME: head + data, codec.EDDYSTONE: head + data}
    manufacturer = {looking.RUUVI: head + data, codec.APPLE: head + data}
    advert = Advert("C0:00:00:00:00:01", -60, 0.0, manufacturer, services)
    with suppress(FrameError):
        found = getattr(looking, f"as_{name}")(advert)
        assert found is None or found.driver == name
