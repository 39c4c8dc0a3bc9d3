"""The Modbus driver keeps a driver's promises against its twins, over TCP and over RS-485."""

from __future__ import annotations

import asyncio
import os
import re
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from drivers.media import serial_line, tcp_line
from drivers.media.line import Line
from drivers.modbus import driver, identify_schema, point_schema, schema
from drivers.modbus.config import ModbusConfig
from drivers.modbus.driver import Modbus
from drivers.modbus.profile import SHIPPED, load_profile
from drivers.profiles.reading import protocol_of
from gateway.model.driver import Medium
from gateway.model.errors import (
    BusUnavailableError,
    DeviceError,
    DeviceFaultError,
    FrameError,
    NoResponseError,
)
from gateway.model.ids import LineId, PointId
from gateway.model.options import Options
from gateway.model.reading import Cause, Value
from simulators.faults import (
    Crc,
    Echo,
    Fault,
    Flood,
    Liar,
    Noise,
    Reboot,
    Refuse,
    Short,
    Silent,
    Slow,
    WrongUnit,
)
from simulators.lines.kinds import RunningSerial
from simulators.modbus.kinds import RunningTcp
from simulators.modbus.memory import Memory
from simulators.running import Running, run_scene
from simulators.scene import parse_scene
from tests.checked_options import checked, modbus_device

TWINS = """
[[twin]]
id = "meter"
line = "line"
kind = "meter-3p"
unit = 1
tamper = true

[[twin]]
id = "relay"
line = "line"
kind = "relay-4"
unit = 2
on = [2, 4]

[[twin]]
id = "light"
line = "line"
kind = "light"
unit = 3

[[twin]]
id = "door"
line = "line"
kind = "door"
unit = 4
"""
SCENES = {
    "tcp": '[[line]]\nid = "line"\nmedium = "tcp"\n' + TWINS,
    "serial": '[[line]]\nid = "line"\nmedium = "serial"\nbaud_rate = 115200\n' + TWINS,
}
DEVICES = {
    "meter": ("demo-meter-3p", 1),
    "relay": ("demo-relay-4", 2),
    "light": ("demo-light", 3),
    "door": ("demo-door", 4),
}
TIMEOUT_S = 0.15
MARGIN_S = 0.35
"""For a machine that is busy with other things."""
README = Path(driver.__file__).parent / "README.md"
PROFILES_README = SHIPPED / "README.md"


@dataclass
class Site:
    """The drivers of all four twins on one line."""

    running: Running
    line: Line
    drivers: dict[str, Modbus]

    async def poll(self, name: str) -> dict[str, tuple[Value | None, Cause]]:
        """Return value and cause of each point of a device."""
        told: dict[str, tuple[Value | None, Cause]] = {}
        for group in self.drivers[name].groups:
            sample = await self.drivers[name].poll(group)
            for place, point in enumerate(group.table):
                flag = sample.flags.get(place)
                told[point.name] = (sample.cells[place], flag.cause if flag else Cause.NONE)
        return told

    async def until_good(self, name: str, bound_s: float = 8.0) -> None:
        """Poll until all of a device is good again."""
        async with asyncio.timeout(bound_s):
            while True:
                try:
                    told = await self.poll(name)
                except DeviceError:
                    await asyncio.sleep(0.02)
                    continue
                if {cause for _, cause in told.values()} == {Cause.NONE}:
                    return


def make_line(running: Running, *, echo: bool = False) -> Line:
    laid = running.lines["line"]
    name = LineId("line")
    if isinstance(laid, RunningTcp):
        return tcp_line.TcpLine(
            name, tcp_line.TcpLineConfig(host=laid.address.host, port=laid.address.port)
        )
    return serial_line.SerialLine(
        name,
        serial_line.SerialLineConfig(
            port=laid.address.path, baud_rate=laid.address.baud_rate, echo=echo
        ),
    )


@asynccontextmanager
async def open_site(medium: str, *, echo: bool = False) -> AsyncIterator[Site]:
    async with run_scene(parse_scene(SCENES[medium], "test")) as running:
        line = make_line(running, echo=echo)
        try:
            yield Site(
                running,
                line,
                {
                    name: Modbus(
                        modbus_device(profile=profile, unit=unit, response_timeout_s=TIMEOUT_S),
                        line,
                    )
                    for name, (profile, unit) in DEVICES.items()
                },
            )
        finally:
            await line.close()


@pytest.fixture(params=SCENES)
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    async with open_site(request.param) as opened:
        yield opened


@pytest.fixture
async def bus() -> AsyncIterator[Site]:
    async with open_site("serial") as opened:
        yield opened


# What the twins have in their memory, read by hand


def words(memory: Memory, address: int, code: str) -> float:
    value: float = struct.unpack_from(f">{code}", memory.inputs.image, address * 2)[0]
    return value


def meter(memory: Memory) -> dict[str, Value]:
    low, high = memory.inputs.read(24, 1), memory.inputs.read(25, 1)
    status = int(words(memory, 50, "H"))
    return {
        **{f"voltage_l{n + 1}": words(memory, n, "H") * 0.1 for n in range(3)},
        **{f"current_l{n + 1}": words(memory, 3 + n, "H") * 0.01 for n in range(3)},
        "active_power": words(memory, 6, "i"),
        "reactive_power": words(memory, 8, "i"),
        "frequency": words(memory, 10, "H") * 0.01,
        "power_factor": words(memory, 11, "h") * 0.001,
        "energy_import": words(memory, 20, "Q"),
        "temperature": struct.unpack(">f", high + low)[0],
        "serial_number": memory.inputs.read(40, 8).rstrip(b"\0 ").decode(),
        "tamper": bool(status & 1),
        "phase_loss": bool(status & 2),
        "tariff": status >> 4 & 15,
        "display_brightness": int.from_bytes(memory.holding.read(0, 1), "big"),
    }


def relay(memory: Memory) -> dict[str, Value]:
    return {
        **{f"relay_{n + 1}": bool(memory.coils.image[n]) for n in range(4)},
        **{f"feedback_{n + 1}": bool(memory.discrete.image[n]) for n in range(4)},
        **{f"pulse_ms_{n + 1}": int.from_bytes(memory.holding.read(n, 1), "big") for n in range(4)},
    }


def light(memory: Memory) -> dict[str, Value]:
    return {"illuminance": words(memory, 0, "H"), "temperature": words(memory, 1, "h") * 0.1}


def door(memory: Memory) -> dict[str, Value]:
    return {
        "door_open": bool(memory.discrete.image[0]),
        "tamper": bool(memory.discrete.image[1]),
        "led": int.from_bytes(memory.holding.read(0, 1), "big"),
    }


MEMORIES: dict[str, Callable[[Memory], dict[str, Value]]] = {
    "meter": meter,
    "relay": relay,
    "light": light,
    "door": door,
}


@pytest.mark.parametrize("name", DEVICES)
async def test_driver_agrees_with_its_twin_on_every_point(site: Site, name: str) -> None:
    twin = site.running.modbus(name)
    memory = twin.device.memory
    for _ in range(20):
        before = MEMORIES[name](memory)
        told = await site.poll(name)
        if before == MEMORIES[name](memory):  # its physics stood still meanwhile
            break
    else:
        pytest.fail("the physics of the twin never stand still")
    expected = before | {"answers": twin.answers}
    assert {point: value for point, (value, _) in told.items()} == pytest.approx(expected)
    assert {cause for _, cause in told.values()} == {Cause.NONE}
    assert set(told) == set(load_profile(DEVICES[name][0], None).map.points)


async def test_no_answer_of_a_healthy_device_is_lost_or_doubled(site: Site) -> None:
    counts: list[Value | None] = []
    for _ in range(30):
        told = await site.poll("light")
        counts.append(told["answers"][0])
    assert counts == list(range(1, 31))
    assert site.line.statistics.errors == 0


async def test_silence_is_no_response_in_time(site: Site) -> None:
    await site.poll("door")
    site.running.apply("door", Silent())
    began = time.monotonic()
    with pytest.raises(NoResponseError):
        await site.poll("door")
    assert TIMEOUT_S <= time.monotonic() - began <= TIMEOUT_S + MARGIN_S


async def test_cancel_in_mid_request_leaves_the_line_usable(site: Site) -> None:
    await site.poll("door")
    site.running.apply("door", Slow(delay_s=0.1))
    asked = asyncio.get_running_loop().create_task(site.poll("door"))
    await asyncio.sleep(0.02)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    began = time.monotonic()
    told = await site.poll("light")
    assert told["answers"] == (1, Cause.NONE)
    assert time.monotonic() - began <= TIMEOUT_S + MARGIN_S
    site.running.clear("door")
    await site.until_good("door")


async def test_a_late_answer_is_never_taken_for_another(site: Site) -> None:
    """Reading back one register or another looks alike on the line."""
    relay_driver = site.drivers["relay"]
    assert await relay_driver.write(PointId("pulse_ms_1"), 111) == 111
    assert await relay_driver.write(PointId("pulse_ms_2"), 222) == 222
    site.running.apply("relay", Slow(delay_s=TIMEOUT_S + 0.1))
    with pytest.raises(DeviceError):
        await site.drivers["relay"].write(PointId("pulse_ms_1"), 333)
    site.running.clear("relay")
    for _ in range(5):  # while it is still busy with the first it hears nothing
        with suppress(NoResponseError):
            assert await relay_driver.write(PointId("pulse_ms_2"), 444) == 444
            break
    await site.until_good("relay")
    told = await site.poll("relay")
    assert told["pulse_ms_1"][0] in {111, 333}
    assert told["pulse_ms_2"] == (444, Cause.NONE)


SOUND = (type(None),)
FAULTS: dict[str, tuple[Fault, tuple[type[BaseException | None], ...]]] = {
    "silent": (Silent(), (NoResponseError,)),
    # the answer to a poll may come while the same is being asked again: it is true and taken
    "slow": (Slow(delay_s=TIMEOUT_S + 0.1), (NoResponseError, type(None))),
    "wrong unit": (WrongUnit(), (FrameError,)),
    "short": (Short(), (FrameError,)),
    "fewer registers": (Liar(how="count"), (FrameError,)),
    "a length that lies": (Liar(how="length"), (FrameError, NoResponseError)),
    "impossible values": (Liar(how="values"), SOUND),
    "exception 4": (Refuse(code=4), (DeviceFaultError,)),
    "exception 6": (Refuse(code=6), (NoResponseError,)),
    "noise": (Noise(), (FrameError, NoResponseError)),
    "checksum": (Crc(), (FrameError,)),
    "echo": (Echo(), (FrameError,)),
    "flood": (Flood(every_s=0.02), (FrameError, NoResponseError, type(None))),
    "reboot": (Reboot(), (NoResponseError, BusUnavailableError)),
}


@pytest.mark.parametrize(
    ("site", "name"),
    [
        (medium, name)
        for name, (fault, _) in FAULTS.items()
        for medium in SCENES
        if fault.fits(medium)
    ],
    indirect=["site"],
)
async def test_every_fault_is_told_by_its_class_and_passes_without_trace(
    site: Site, name: str
) -> None:
    fault, allowed = FAULTS[name]
    for device in DEVICES:
        await site.until_good(device)
    site.running.apply("light", fault)
    for _ in range(3):
        began = time.monotonic()
        try:
            told = await site.poll("light")
        except DeviceError as error:
            assert isinstance(error, allowed), error  # noqa: PT017  the class is the point
        else:
            assert type(None) in allowed
            assert name != "impossible values" or told["illuminance"][1] is Cause.NO_VALUE
        assert time.monotonic() - began <= 4 * TIMEOUT_S + 1.0
    site.running.clear("light")
    for device in DEVICES:
        await site.until_good(device)


async def test_a_dead_neighbour_spoils_nothing_for_the_others(site: Site) -> None:
    for device in DEVICES:
        await site.until_good(device)
    site.running.apply("meter", Silent())
    for _ in range(5):
        with pytest.raises(NoResponseError):
            await site.poll("meter")
        for name in ("relay", "light", "door"):
            told = await site.poll(name)
            assert {cause for _, cause in told.values()} == {Cause.NONE}


async def test_a_sentinel_is_no_value(site: Site) -> None:
    await site.poll("light")
    site.running.apply("light", Liar(how="values"))
    told = await site.poll("light")
    assert told["illuminance"] == (None, Cause.NO_VALUE)


async def test_writes_are_done_and_proved(site: Site) -> None:
    relay_driver, door_driver = site.drivers["relay"], site.drivers["door"]
    memory = site.running.modbus("relay").device.memory
    for wanted in (True, False, True):
        proved = await relay_driver.write(PointId("relay_3"), wanted)
        assert proved is wanted
        assert bool(memory.coils.image[2]) is wanted
    assert await relay_driver.write(PointId("pulse_ms_2"), 750) == 750
    assert await door_driver.write(PointId("led"), "green") == 1
    assert await site.drivers["meter"].write(PointId("display_brightness"), 40) == 40


async def test_what_was_learned_of_a_hole_is_kept_in_a_new_life(site: Site) -> None:
    meter_driver = site.drivers["meter"]
    await site.poll("meter")
    assert meter_driver.learned
    memory = meter_driver.memory()
    before = site.line.statistics.exchanges
    device = modbus_device(profile="demo-meter-3p", response_timeout_s=TIMEOUT_S)
    again = Modbus(device, site.line)
    again.recall(memory)
    sample = await again.poll(again.groups[0])
    assert not sample.flags
    assert site.line.statistics.exchanges - before == 2
    assert [str(span) for span in again.reads["fast"]] == ["input 0..25", "input 30..50"]


async def test_the_echo_of_an_adapter_is_taken_off() -> None:
    async with open_site("serial", echo=True) as site:
        site.running.apply("light", Echo())
        told = await site.poll("light")
        assert told["answers"] == (1, Cause.NONE)


async def test_an_adapter_unplugged_is_said_and_back_when_it_is_plugged(bus: Site) -> None:
    await bus.poll("door")
    laid = bus.running.lines["line"]
    assert isinstance(laid, RunningSerial)
    bus.running.unplug("line")
    with pytest.raises(BusUnavailableError):
        await bus.poll("door")
    with pytest.raises(BusUnavailableError, match="plug the adapter in"):
        await bus.poll("door")
    before = bus.line.generation
    bus.running.plug("line")
    await bus.until_good("door")
    assert bus.line.generation == before + 1


# What any driver and medium must do

OPTIONS: dict[str, tuple[type[Options], dict[str, object]]] = {
    "modbus": (ModbusConfig, {"profile": "demo-door"}),
    "serial": (serial_line.SerialLineConfig, {"port": "/dev/ttyUSB0"}),
    "tcp": (tcp_line.TcpLineConfig, {"host": "127.0.0.1"}),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_unknown_option_is_refused(name: str) -> None:
    model, options = OPTIONS[name]
    checked(model, options)
    with pytest.raises(ValidationError, match="colour"):
        checked(model, {**options, "colour": "red"})


@pytest.mark.parametrize(
    ("model", "page"),
    [
        (ModbusConfig, README),
        (serial_line.SerialLineConfig, Path(serial_line.__file__).parent / "README.md"),
        (tcp_line.TcpLineConfig, Path(tcp_line.__file__).parent / "README.md"),
        (schema.ProfileModel, README),
        (schema.LimitsModel, README),
        (point_schema.PointModel, README),
        (identify_schema.IdentifyModel, README),
        (identify_schema.ObjectModel, README),
        (identify_schema.SignatureModel, README),
        (identify_schema.PlausibleModel, README),
        (schema.VectorModel, README),
    ],
)
def test_the_page_lists_every_option_with_its_description(
    model: type[BaseModel | Options], page: Path
) -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", page.read_text(), re.MULTILINE)
    for name, option in TypeAdapter(model).json_schema()["properties"].items():
        assert any(row == name and option["description"] in text for row, text in rows), name


@pytest.mark.parametrize(
    "name",
    sorted(path.stem for path in SHIPPED.glob("*.toml") if protocol_of(path) == "modbus"),
)
def test_the_page_lists_every_point_of_our_profiles(name: str) -> None:
    page = PROFILES_README.read_text()
    section = page.split(f"## {name}\n")[1].split("\n## ")[0]
    listed = re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) \|", section, re.MULTILINE)
    assert listed == [
        (point.name, str(point.unit), str(point.kind))
        for point, _ in load_profile(name, None).map.points.values()
    ]


def test_media_are_what_the_model_calls_media() -> None:
    for manifest, options in (
        (serial_line.MANIFEST, {"port": "/dev/nothing"}),
        (tcp_line.MANIFEST, {"host": "127.0.0.1", "port": 1}),
    ):
        config = checked(manifest.config, options)
        assert isinstance(manifest.build(LineId("line"), config), Medium)
        assert manifest.resource(config) == manifest.resource(config)
        assert manifest.probe(config) is not None


def test_a_driver_loads_alone() -> None:
    """Nothing but what it needs: no other medium, no twin, no video."""
    code = "import sys; import {}; print([m for m in {} if m in sys.modules])"
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    for module, others in {
        "drivers.modbus.driver": [
            "serial",
            "simulators",
            "gateway.config",
            "cv2",
            "paho",
            "pydantic_core",
            "tomllib",
        ],
        "drivers.media.tcp_line": ["serial", "pymodbus", "simulators", "pydantic_core"],
    }.items():
        ran = subprocess.run(
            [sys.executable, "-c", code.format(module, others)],
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
            env=unmeasured,
        )
        assert ran.stdout.strip() == "[]"
