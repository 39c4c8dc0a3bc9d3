"""Devices of different speeds on one RS-485 line, under one owner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.media.serial_line import SerialLine, SerialLineConfig
from drivers.modbus.driver import Modbus
from gateway.model.driver import Medium
from gateway.model.errors import DeviceError
from gateway.model.ids import LineId
from simulators.lines.kinds import RunningSerial
from simulators.running import Running, run_scene
from simulators.scene import parse_scene
from tests.checked_options import modbus_device

SPEEDS = {"light": None, "door": 57_600, "spare": 19_200}
"""The line has 115200."""
PROFILES = {"light": "demo-light", "door": "demo-door", "spare": "demo-light"}
UNITS = {name: unit for unit, name in enumerate(SPEEDS, start=1)}
TIMEOUT_S = 0.15


def scene() -> str:
    twins = "".join(
        f'[[twin]]\nid = "{name}"\nline = "line"\nkind = "{PROFILES[name].removeprefix("demo-")}"\n'
        f"unit = {UNITS[name]}\n" + ("" if speed is None else f"baud_rate = {speed}\n")
        for name, speed in SPEEDS.items()
    )
    return '[[line]]\nid = "line"\nmedium = "serial"\nbaud_rate = 115200\n' + twins


@asynccontextmanager
async def laid() -> AsyncIterator[tuple[Running, SerialLine]]:
    async with run_scene(parse_scene(scene(), "test")) as running:
        there = running.lines["line"]
        assert isinstance(there, RunningSerial)
        config = SerialLineConfig(port=there.address.path, baud_rate=there.address.baud_rate)
        line = SerialLine(LineId("line"), config)
        assert isinstance(line, Medium)
        try:
            yield running, line
        finally:
            await line.close()


def driver(line: SerialLine, name: str, speed: int | None) -> Modbus:
    device = modbus_device(
        profile=PROFILES[name], unit=UNITS[name], baud_rate=speed, response_timeout_s=TIMEOUT_S
    )
    return Modbus(device, line)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.lists(st.sampled_from(sorted(SPEEDS)), min_size=2, max_size=12))
async def test_each_is_asked_at_its_own_speed_in_any_order(order: Sequence[str]) -> None:
    async with laid() as (running, line):
        drivers = {name: driver(line, name, speed) for name, speed in SPEEDS.items()}
        for name in order:
            sample = await drivers[name].poll(drivers[name].groups[0])
            assert not sample.flags
        assert line.statistics.errors == 0
        for name, twin in running.twins.items():
            assert twin.answers == order.count(name)


async def test_at_the_wrong_speed_nobody_understands_and_the_others_go_on() -> None:
    async with laid() as (_, line):
        wrong, right = driver(line, "door", None), driver(line, "light", None)
        for _ in range(3):
            with pytest.raises(DeviceError):
                await wrong.poll(wrong.groups[0])
            assert not (await right.poll(right.groups[0])).flags


async def test_a_port_that_was_opened_anew_begins_at_the_speed_of_its_line() -> None:
    async with laid() as (_, line):
        own, of_line = driver(line, "door", 57_600), driver(line, "light", None)
        await own.poll(own.groups[0])
        await line.close()
        assert not (await of_line.poll(of_line.groups[0])).flags
        assert not (await own.poll(own.groups[0])).flags
