"""Kernel files that block, fail, vanish or lie: told in time, and read again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers.kernel import files as medium
from drivers.kernel import iio, w1_therm
from drivers.kernel.files import KernelConfig
from gateway.model.errors import (
    BusUnavailableError,
    DeviceError,
    FrameError,
    NoResponseError,
)
from simulators.faults import Crc, Fault, Reboot, Refuse, Short, Silent, Slow, Stuck
from simulators.kernel.therm import Thermometer
from tests.checked_options import checked
from tests.kernel_site import AIR, THERM, WITHIN_S, KernelSite, kernel_site, poll


@pytest.fixture
async def site() -> AsyncIterator[KernelSite]:
    async with kernel_site() as opened:
        yield opened


# Faults that all share


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Silent(), NoResponseError),
        (Slow(delay_s=5), NoResponseError),
        (Refuse(), NoResponseError),
        (Reboot(), NoResponseError),
        (Short(missing=30), FrameError),
        (Crc(), FrameError),
    ],
    ids=lambda each: each.name if isinstance(each, Fault) else "",
)
async def test_therm_that_fails_is_told_in_time_and_read_again(
    site: KernelSite, fault: Fault, error: type[DeviceError]
) -> None:
    driver = site.make(w1_therm.MANIFEST, **THERM, read_timeout_s=0.2)
    other = site.make(w1_therm.MANIFEST, sensor="28-0316a2791111")
    async with site.fault("lamp-housing", fault), asyncio.timeout(5):
        for _ in range(2):
            with pytest.raises(error):
                await poll(driver)
        assert (await poll(other)).causes == {}
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                assert (await poll(driver)).causes == {}
            except NoResponseError:  # the thread that was blocked is on its way back
                await asyncio.sleep(0.01)
            else:
                break


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Silent(), NoResponseError),
        (Refuse(), NoResponseError),
        (Reboot(), NoResponseError),
    ],
    ids=lambda each: each.name if isinstance(each, Fault) else "",
)
async def test_chip_that_fails_is_told_in_time_and_read_again(
    site: KernelSite, fault: Fault, error: type[DeviceError]
) -> None:
    driver = site.make(iio.MANIFEST, **AIR, read_timeout_s=0.2)
    async with site.fault("air", fault), asyncio.timeout(5):
        with pytest.raises(error):
            await poll(driver)
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                assert (await poll(driver)).causes == {}
            except NoResponseError:
                await asyncio.sleep(0.01)
            else:
                break


@pytest.mark.parametrize("text", ["", "\n", "n/a\n", "1 2\n"])
async def test_chip_whose_file_holds_no_number_is_told(site: KernelSite, text: str) -> None:
    driver = site.make(iio.MANIFEST, **AIR)
    (site.line.root / "bus/iio/devices/iio:device3/in_temp_input").write_text(text)
    with pytest.raises(FrameError, match="in_temp_input"):
        await poll(driver)


async def test_a_conversion_that_takes_its_time_is_waited_for(site: KernelSite) -> None:
    driver = site.make(w1_therm.MANIFEST, **THERM)
    async with site.fault("lamp-housing", Slow(delay_s=0.2)):
        milli = site.twin("lamp-housing", Thermometer).milli
        assert (await poll(driver)).values == {"temperature": milli / 1000}


async def test_a_sensor_that_sticks_repeats_itself(site: KernelSite) -> None:
    driver = site.make(w1_therm.MANIFEST, **THERM)
    twin = site.twin("lamp-housing", Thermometer)
    before = await poll(driver)
    async with site.fault("lamp-housing", Stuck()):
        twin.celsius = 60.0
        twin.show()
        assert (await poll(driver)).values == before.values


async def test_cancelled_reading_leaves_the_sensor_readable(site: KernelSite) -> None:
    driver = site.make(w1_therm.MANIFEST, **THERM)
    async with site.fault("lamp-housing", Slow(delay_s=0.1)):
        for wait_s in (0, 0.03):
            reading = asyncio.ensure_future(poll(driver))  # noqa: TID251 - cancelled
            await asyncio.sleep(wait_s)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        await until_good(driver)


async def until_good(driver: Any) -> None:  # Any: one of the drivers
    """Ask until the conversion has ended that was under way."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                found = await poll(driver)
            except NoResponseError:
                await asyncio.sleep(0.02)
            else:
                assert found.causes == {}
                return


async def test_tree_that_is_gone_is_a_line_that_is_gone(site: KernelSite, tmp_path: Path) -> None:
    driver = site.make(w1_therm.MANIFEST, **THERM)
    site.line.retire()
    site.line.root.rename(tmp_path / "gone")
    with pytest.raises(BusUnavailableError, match="is it mounted"):
        await poll(driver)
    with pytest.raises(BusUnavailableError):
        await site.files.open()
    assert medium.MANIFEST.probe(checked(KernelConfig, {"root": str(site.line.root)})) is not None
    (tmp_path / "gone").rename(site.line.root)
    await site.files.open()


async def test_two_lines_may_read_one_tree() -> None:
    one, other = checked(KernelConfig, {}), checked(KernelConfig, {})
    assert medium.MANIFEST.resource(one) != medium.MANIFEST.resource(other)
    assert medium.MANIFEST.probe(one) is None
