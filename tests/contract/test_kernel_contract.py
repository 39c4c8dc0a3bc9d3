"""The drivers of kernel files keep a driver's promises against a tree that twins keep alive."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from drivers.kernel import files as medium
from drivers.kernel import hwmon, iio, w1_therm
from drivers.kernel.codec import HWMON_QUANTITIES, IIO_QUANTITIES
from gateway.model.driver import Manifest
from gateway.model.errors import (
    DeviceError,
    DeviceRejectedError,
    NoResponseError,
)
from simulators.faults import Liar, Reboot
from simulators.kernel.therm import Thermometer
from tests.checked_options import checked
from tests.kernel_site import AIR, THERM, KernelSite, kernel_site, poll

README = Path(medium.__file__).parent / "README.md"
MANIFESTS = (w1_therm.MANIFEST, iio.MANIFEST, hwmon.MANIFEST)


@pytest.fixture
async def site() -> AsyncIterator[KernelSite]:
    async with kernel_site() as opened:
        yield opened


# 1-Wire


@pytest.mark.parametrize(
    ("name", "sensor"), [("lamp-housing", "28-0316a2795cff"), ("outside", "28-0316a2791111")]
)
async def test_therm_agrees_with_its_twin(site: KernelSite, name: str, sensor: str) -> None:
    twin = site.twin(name, Thermometer)
    driver = site.make(w1_therm.MANIFEST, sensor=sensor)
    assert (await poll(driver)).values == {"temperature": twin.milli / 1000}
    assert twin.milli / 1000 == pytest.approx(twin.celsius, abs=0.0625)


async def test_therm_that_is_not_there_is_told_with_those_that_are(site: KernelSite) -> None:
    driver = site.make(w1_therm.MANIFEST, sensor="28-000000000000")
    with pytest.raises(NoResponseError, match="there are: 28-0316a2791111, 28-0316a2795cff"):
        await poll(driver)


async def test_therm_is_corrected(site: KernelSite) -> None:
    driver = site.make(w1_therm.MANIFEST, **THERM, correction=-1.5)
    milli = site.twin("lamp-housing", Thermometer).milli
    assert (await poll(driver)).values == {"temperature": pytest.approx(milli / 1000 - 1.5)}


async def test_therm_beyond_what_it_measures_is_no_value(site: KernelSite) -> None:
    driver = site.make(w1_therm.MANIFEST, sensor="28-0316a2791111", correction=-10)
    twin = site.twin("outside", Thermometer)
    twin.celsius = -54.0
    twin.convert()
    twin.show()
    sample = await poll(driver)
    assert (sample.values, sample.causes) == (
        {"temperature": None},
        {"temperature": "OUT_OF_RANGE"},
    )


async def test_therm_takes_its_resolution_back_after_it_lost_its_power(site: KernelSite) -> None:
    driver = site.make(w1_therm.MANIFEST, **THERM, resolution=9)
    twin = site.twin("lamp-housing", Thermometer)
    await poll(driver)
    twin.advance(1000.0)
    twin.advance(1001.0)
    assert twin.resolution == 9
    assert twin.milli % 500 == 0
    async with site.fault("lamp-housing", Reboot()):
        with pytest.raises(NoResponseError):
            await poll(driver)
    assert twin.resolution == 12
    await poll(driver)
    twin.advance(1002.0)
    assert twin.resolution == 9


async def test_therms_of_a_bus_convert_at_once(site: KernelSite) -> None:
    drivers = [
        site.make(w1_therm.MANIFEST, sensor=sensor, conversion="bulk")
        for sensor in ("28-0316a2795cff", "28-0316a2791111")
    ]
    names = ("lamp-housing", "outside")
    values = [(await poll(driver)).values["temperature"] for driver in drivers]
    assert site.line.master.triggered == 1
    assert values == [site.twin(name, Thermometer).milli / 1000 for name in names]
    await poll(drivers[0])
    assert site.line.master.triggered == 2


async def test_therm_of_a_kernel_without_bulk_is_told(site: KernelSite) -> None:
    driver = site.make(w1_therm.MANIFEST, **THERM, conversion="bulk")
    site.line.master.retire()
    (site.line.root / "devices/w1_bus_master1/therm_bulk_read").unlink()
    with pytest.raises(NoResponseError, match="therm_bulk_read"):
        await poll(driver)


async def test_therm_that_says_85_degrees_after_power_up_has_no_value(site: KernelSite) -> None:
    driver = site.make(w1_therm.MANIFEST, **THERM)
    async with site.fault("lamp-housing", Liar()):
        sample = await poll(driver)
    assert sample.values == {"temperature": None}
    assert sample.causes == {"temperature": "NO_VALUE"}
    assert (await poll(driver)).causes == {}


# Chips


async def test_iio_agrees_with_its_twin(site: KernelSite) -> None:
    driver = site.make(iio.MANIFEST, **AIR)
    assert (await poll(driver)).values == {
        "temperature": pytest.approx(21.43),
        "humidity": pytest.approx(41.25),
        "pressure": pytest.approx(998.75),
    }
    units = [point.unit for point in driver.groups[0].table]
    assert units == ["Cel", "%", "hPa"]


async def test_iio_scales_raw_values(site: KernelSite) -> None:
    driver = site.make(
        iio.MANIFEST,
        name="mcp3208",
        at="spi0.0",
        channels={
            "level": {"channel": "voltage0", "unit": "m", "factor": 2.0, "add": -0.5},
            "supply": {"channel": "voltage1"},
        },
    )
    assert (await poll(driver)).values == {
        "level": pytest.approx(2.0, abs=0.002),
        "supply": pytest.approx(2.5, abs=0.001),
    }


async def test_iio_is_found_again_under_another_number(site: KernelSite) -> None:
    driver = site.make(iio.MANIFEST, **AIR)
    await poll(driver)
    devices = site.line.root / "bus/iio/devices"
    (devices / "iio:device3").rename(devices / "iio:device0")
    assert (await poll(driver)).values["temperature"] == pytest.approx(21.43)


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"name": "sht4x"}, NoResponseError, "no chip sht4x in .*; there are: bme280, mcp3208"),
        ({"name": "bme280", "at": "1-0077"}, NoResponseError, "at 1-0077"),
        ({"name": "bme280", "label": "roof"}, NoResponseError, "labelled 'roof'"),
        (
            {"name": "bme280", "channels": {"light": {"channel": "illuminance"}}},
            DeviceRejectedError,
            "there are: humidityrelative, pressure, temp",
        ),
    ],
)
async def test_iio_that_is_not_there_is_told_with_what_is(
    site: KernelSite, options: dict[str, Any], error: type[DeviceError], says: str
) -> None:
    driver = site.make(iio.MANIFEST, **{**AIR, **options})
    with pytest.raises(error, match=says):
        await poll(driver)


async def test_two_chips_of_one_name_are_told_apart_by_their_place(site: KernelSite) -> None:
    twin = site.line.root / "devices/i2c-9/1-0077/iio:device9"
    twin.mkdir(parents=True)
    (twin / "name").write_text("bme280\n")
    (twin / "in_temp_input").write_text("-5000\n")
    (site.line.root / "bus/iio/devices/iio:device9").symlink_to(twin)
    with pytest.raises(DeviceRejectedError, match="say which by label or at"):
        await poll(site.make(iio.MANIFEST, **AIR))
    other = site.make(
        iio.MANIFEST, name="bme280", at="1-0077", channels={"temperature": {"channel": "temp"}}
    )
    assert (await poll(other)).values == {"temperature": -5}


async def test_hwmon_agrees_with_its_twin(site: KernelSite) -> None:
    driver = site.make(
        hwmon.MANIFEST,
        name="sht3x",
        channels={
            "air": {"channel": "temp", "label": "air"},
            "broken": {"channel": "temp2"},
            "missing": {"channel": "temp9"},
            "humidity": {"channel": "humidity1"},
            "supply": {"channel": "in0"},
            "fan": {"channel": "fan1"},
            "current": {"channel": "curr1"},
            "power": {"channel": "power1"},
            "energy": {"channel": "energy1"},
        },
    )
    sample = await poll(driver)
    assert sample.values == {
        "air": pytest.approx(18.2),
        "broken": None,
        "missing": None,
        "humidity": pytest.approx(55.5),
        "supply": pytest.approx(12.34),
        "fan": pytest.approx(25),
        "current": pytest.approx(0.25),
        "power": pytest.approx(3),
        "energy": pytest.approx(2),
    }
    assert sample.causes == {"broken": "DEVICE_FAULT", "missing": "REJECTED"}


async def test_a_value_no_sensor_can_have_is_no_value(site: KernelSite) -> None:
    driver = site.make(iio.MANIFEST, **AIR)
    async with site.fault("air", Liar()):
        sample = await poll(driver)
    assert sample.causes == {"temperature": "OUT_OF_RANGE"}


# Options and pages


@pytest.mark.parametrize(
    ("manifest", "options"),
    [
        (w1_therm.MANIFEST, {"sensor": "28-0316A2795CFF"}),
        (w1_therm.MANIFEST, {"sensor": "26-0316a2795cff"}),
        (w1_therm.MANIFEST, {**THERM, "resolution": 13}),
        (w1_therm.MANIFEST, {**THERM, "colour": 1}),
        (iio.MANIFEST, {"name": "bme280", "channels": {}}),
        (iio.MANIFEST, {"name": "bme280", "channels": {"t": {"channel": "../../etc"}}}),
        (iio.MANIFEST, {"name": "bme280", "channels": {"t": {"channel": "temp", "unit": "F"}}}),
    ],
)
def test_options_are_refused(manifest: Manifest, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        checked(manifest.config, options)


@pytest.mark.parametrize(
    ("manifest", "channel"), [(iio.MANIFEST, "magn_x"), (hwmon.MANIFEST, "temp")]
)
async def test_channels_are_refused(site: KernelSite, manifest: Manifest, channel: str) -> None:
    with pytest.raises(ValueError, match="channel"):
        site.make(manifest, name="x", channels={"t": {"channel": channel}})


@pytest.mark.parametrize("manifest", [medium.MANIFEST, *MANIFESTS], ids=lambda each: str(each.name))
def test_page_lists_every_option(manifest: Manifest) -> None:
    page = README.read_text("utf-8")
    heading = "iio` and `hwmon" if manifest.name in {"iio", "hwmon"} else manifest.name
    start = page.index(f"### `{heading}`")
    part = page[start : page.find("\n### ", start + 1)]
    for name in manifest.config.__dataclass_fields__:  # type: ignore[attr-defined]
        assert re.search(rf"^\| `{name}` \|", part, re.MULTILINE), name


def test_page_lists_every_type_of_channel() -> None:
    page = README.read_text("utf-8")
    for name, quantity in (*IIO_QUANTITIES.items(), *HWMON_QUANTITIES.items()):
        assert re.search(rf"^\| `{name}` \|.*`{re.escape(quantity.unit)}`", page, re.MULTILINE), (
            name
        )
    assert "| w1-therm | `temperature` |" in page
