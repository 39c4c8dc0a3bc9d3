"""The basement of the packaged scene, read as its technician would read it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from drivers.mbus.address import SecondaryAddress
from drivers.mbus.config import MbusConfig
from drivers.mbus.describe import records_of
from drivers.mbus.driver import Mbus
from drivers.mbus.readout import Asking, Meter, read_out
from drivers.mbus.search import WildcardSearch, search
from drivers.media.serial_line import SerialLine, SerialLineConfig
from drivers.modbus.pulses.config import PulsesConfig, prepare
from drivers.modbus.pulses.driver import ModbusPulses
from gateway.model.ids import LineId
from simulators.lines.kinds import serial
from simulators.running import Running, run_scene
from simulators.scene import load_scene
from tests.checked_options import checked
from tests.listening_ear import told

IDENTS = {
    "heat": "67003501",
    "cold-water": "67003502",
    "warm-water": "67103503",
    "electricity": "88214404",
}


@asynccontextmanager
async def owned(running: Running, name: str) -> AsyncIterator[SerialLine]:
    address = serial(running.lines[name]).address
    config = SerialLineConfig(port=address.path, baud_rate=address.baud_rate)
    line = SerialLine(LineId(name), config)
    try:
        yield line
    finally:
        await line.close()


async def test_every_meter_is_read_with_the_points_it_proposes() -> None:
    async with run_scene(load_scene("meters")) as running, owned(running, "m-bus") as line:
        for name, ident in IDENTS.items():
            who = SecondaryAddress(ident)
            described = records_of(await read_out(Asking(line), Meter(253, who)))
            proposed = tuple(each.point for each in described if each.point is not None)
            assert {"energy", "volume"} & {point.quantity for point in proposed}
            mbus = Mbus(MbusConfig(secondary=ident, points=proposed), line)
            found = told(mbus.groups[0], await mbus.poll(mbus.groups[0]))
            assert found.causes == {}
            assert found.values["power_low"] is (name == "cold-water")
        assert line.statistics.errors == 0


async def test_warm_water_was_never_given_an_address_and_is_found() -> None:
    async with run_scene(load_scene("meters")) as running, owned(running, "m-bus") as line:
        steps = search(Asking(line, timeout_s=0.1), WildcardSearch("6710"))
        [step] = [step async for step in steps if step.found is not None]
        assert step.found is not None
        assert (step.found.ident, step.found.device_type, step.primary) == ("67103503", 6, 0)


async def test_heat_in_calories_stays_in_calories() -> None:
    async with run_scene(load_scene("meters")) as running, owned(running, "m-bus") as line:
        points = [
            {"name": "heat", "quantity": "energy", "unit": "Gcal", "resolution": 0.001},
            {"name": "joules", "quantity": "energy", "unit": "GJ"},
        ]
        mbus = Mbus(checked(MbusConfig, {"address": 1, "points": points}), line)
        found = told(mbus.groups[0], await mbus.poll(mbus.groups[0]))
        assert found.values["heat"] == pytest.approx(250_000 / 4186.8, abs=0.01)
        assert found.causes == {"joules": "REJECTED"}


async def test_the_pulses_of_the_module_are_totals() -> None:
    async with run_scene(load_scene("meters")) as running, owned(running, "basement-485") as line:
        counter = {"name": "garden", "point": "counter_3", "unit": "L", "pulses_per_unit": 0.1}
        options = checked(PulsesConfig, {"profile": "demo-pulse-4", "unit": 5, "counter": counter})
        module = ModbusPulses(prepare(options, None), line)
        group = module.groups[0]
        first = told(group, await module.poll(group))
        assert first.values["garden"] == 0
        assert first.values["counter_3"] == pytest.approx(65_500, abs=2)
