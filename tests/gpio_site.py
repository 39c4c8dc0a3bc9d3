"""A simulated board, and its pins as the agent has them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from drivers.gpio.chip import GpioChip
from drivers.gpio.config import GpioConfig
from gateway.model.driver import Manifest
from gateway.model.errors import (
    BusUnavailableError,
)
from gateway.model.ids import LineId
from gateway.model.reading import Value
from simulators.faults import (
    Fault,
)
from simulators.gpio.kinds import RunningGpio
from simulators.running import Running, run_scene
from simulators.scene import parse_scene
from tests.checked_options import checked
from tests.listening_ear import told

SCENE = """
[[line]]
id = "pins"
medium = "gpio"
tick_us = 4294900000        # its counter begins anew within a second
[[twin]]
id = "board"
line = "pins"
kind = "gpio-board"
[[twin]]
id = "door"
line = "pins"
kind = "gpio-contact"
pin = 17
bounces = 6
[[twin]]
id = "meter"
line = "pins"
kind = "gpio-pulses"
pin = 27
width_ms = 6
bounces = 2
[[twin]]
id = "relay"
line = "pins"
kind = "gpio-relay"
pin = 22
contact = 23
lag_ms = 5
[[twin]]
id = "lamp"
line = "pins"
kind = "gpio-lamp"
pin = 12
"""
WITHIN_S = 10.0
TwinT = TypeVar("TwinT")


class GpioSite:
    """A simulated board, its chip as the agent has it, and what was lost."""

    def __init__(self, running: Running, options: Mapping[str, Any]) -> None:
        line = running.lines["pins"]
        assert isinstance(line, RunningGpio)
        self.running = running
        self.line = line
        self.losses: list[BusUnavailableError] = []
        config = {
            "factory": "pigpio",
            "host": line.address.host,
            "port": line.address.port,
            "response_timeout_s": 0.3,
            "check_s": 0.1,
            **options,
        }
        self.chip = GpioChip(LineId("pins"), checked(GpioConfig, config))
        self.chip.when_lost(self.losses.append)

    def twin(self, name: str, kind: type[TwinT]) -> TwinT:
        found = self.running.twin(name)
        assert isinstance(found, kind)
        return found

    def make(self, manifest: Manifest, **options: object) -> Any:  # Any: one of the drivers
        return manifest.build(checked(manifest.config, options), self.chip)

    @asynccontextmanager
    async def fault(self, twin: str, fault: Fault) -> AsyncIterator[None]:
        held = self.running.apply(twin, fault)
        try:
            yield
        finally:
            self.running.end(twin, held)

    async def opened(self) -> None:
        """Open the chip as often as it takes."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                with suppress(BusUnavailableError):
                    await self.chip.open()
                    return
                await asyncio.sleep(0.02)


@asynccontextmanager
async def gpio_site(scene: str = SCENE, **options: Any) -> AsyncIterator[GpioSite]:
    before = set(threading.enumerate())
    async with run_scene(parse_scene(scene, "test")) as running:
        site = GpioSite(running, options)
        try:
            yield site
        finally:
            await site.chip.close()
    await until(lambda: not set(threading.enumerate()) - before)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110 - the condition is anything
            await asyncio.sleep(0.005)


async def poll(driver: Any, group: str = "") -> dict[str, Value | None]:  # Any: one of the drivers
    [asked] = [
        each for each in driver.groups if not each.told and (not group or each.name == group)
    ]
    return told(asked, await driver.poll(asked)).values
