"""A tree of kernel files kept alive by twins, and the medium on it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from drivers.kernel.files import KernelConfig, KernelFiles
from gateway.model.driver import Manifest
from gateway.model.ids import LineId
from simulators.faults import Fault
from simulators.kernel.kinds import RunningKernel
from simulators.running import Running, run_scene
from simulators.scene import parse_scene
from tests.checked_options import checked
from tests.listening_ear import Told, told

SCENE = """
[[line]]
id = "sensors"
medium = "kernel"
[[twin]]
id = "lamp-housing"
line = "sensors"
kind = "w1-ds18b20"
sensor = "28-0316a2795cff"
mean = 31.3
[[twin]]
id = "outside"
line = "sensors"
kind = "w1-ds18b20"
sensor = "28-0316a2791111"
mean = -12.4
[[twin]]
id = "air"
line = "sensors"
kind = "iio-device"
name = "bme280"
number = 3
at = "1-0076"
channels.temp = {mean = 21_430}
channels.humidityrelative = {mean = 41_250, decimals = 3}
channels.pressure = {mean = 99.875, decimals = 9}
[[twin]]
id = "tank"
line = "sensors"
kind = "iio-device"
name = "mcp3208"
number = 4
at = "spi0.0"
channels.voltage0 = {mean = 1250, scale = 0.805664062, shared = true}
channels.voltage1 = {mean = 2500, scale = 0.5, offset = -20}
[[twin]]
id = "cabinet"
line = "sensors"
kind = "hwmon-chip"
name = "sht3x"
number = 1
channels.temp1 = {mean = 18_200, label = "air"}
channels.temp2 = {mean = 99_000, fault = true}
channels.humidity1 = {mean = 55_500}
channels.in0 = {mean = 12_340}
channels.fan1 = {mean = 1500}
channels.curr1 = {mean = 250}
channels.power1 = {mean = 3_000_000}
channels.energy1 = {mean = 7_200_000_000}
"""
WITHIN_S = 10.0
THERM = {"sensor": "28-0316a2795cff"}
AIR = {
    "name": "bme280",
    "channels": {
        "temperature": {"channel": "temp", "low": -40, "high": 85},
        "humidity": {"channel": "humidityrelative"},
        "pressure": {"channel": "pressure"},
    },
}
TwinT = TypeVar("TwinT")


class KernelSite:
    """A tree with its twins, and the medium on it."""

    def __init__(self, running: Running) -> None:
        line = running.lines["sensors"]
        assert isinstance(line, RunningKernel)
        self.running = running
        self.line = line
        self.files = KernelFiles(LineId("sensors"), checked(KernelConfig, {"root": str(line.root)}))

    def twin(self, name: str, kind: type[TwinT]) -> TwinT:
        found = self.running.twin(name)
        assert isinstance(found, kind)
        return found

    def make(self, manifest: Manifest, **options: object) -> Any:  # Any: one of the drivers
        return manifest.build(checked(manifest.config, options), self.files)

    @asynccontextmanager
    async def fault(self, twin: str, fault: Fault) -> AsyncIterator[None]:
        held = self.running.apply(twin, fault)
        try:
            yield
        finally:
            self.running.end(twin, held)


@asynccontextmanager
async def kernel_site() -> AsyncIterator[KernelSite]:
    before = set(threading.enumerate())
    async with run_scene(parse_scene(SCENE, "test")) as running:
        opened = KernelSite(running)
        await opened.files.open()
        try:
            yield opened
        finally:
            await opened.files.close()
    await until(lambda: not set(threading.enumerate()) - before)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110 - the condition is anything
            await asyncio.sleep(0.005)


async def poll(driver: Any) -> Told:  # Any: one of the drivers
    [group] = driver.groups
    return told(group, await driver.poll(group))
