"""The driver gets what can be had with few requests, keeps what it learns, proves its writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drivers.modbus.driver import ASK_AGAIN_POLLS, FAULT_AGAIN_POLLS, MANIFEST, Modbus
from gateway.model.driver import CommandableDriver, PollGroup, Priority, RememberingDriver
from gateway.model.errors import (
    CommandRefusedError,
    DeviceFaultError,
    DeviceRejectedError,
    NoResponseError,
)
from gateway.model.ids import PointId
from gateway.model.reading import Cause, Flag, Quality, Value
from tests.checked_options import checked, modbus_device
from tests.modbus_device import Device, DeviceLine

REJECTED = Flag(Quality.BAD, Cause.REJECTED)
FAULT = Flag(Quality.BAD, Cause.DEVICE_FAULT)

HEAD = """\
name = "map"
title = { ru = "Карта", en = "Map" }

[source]
document = "a test"
edition = "1"

[limits]
max_gap = 8
"""


def point(name: str, address: int, *, table: str = "holding", more: str = "") -> str:
    kind = "" if table in {"coil", "discrete"} else 'type = "u16"\n'
    return f'\n[[point]]\nname = "{name}"\ntable = "{table}"\naddress = {address}\n{kind}{more}\n'


def build(site: Path, profile: str, line: DeviceLine, **options: object) -> Modbus:
    (site / "profiles").mkdir(exist_ok=True)
    (site / "profiles" / "map.toml").write_text(HEAD + profile)
    return Modbus(modbus_device(site, profile="map", **options), line)


def only(driver: Modbus) -> PollGroup:
    [group] = driver.groups
    return group


def holding(*addresses: int) -> Device:
    return Device({"holding": {address: address * 10 for address in addresses}})


def reads(device: Device) -> list[tuple[int, int]]:
    """Return and forget what was read: address and count."""
    told = [(address, count) for _, address, count in device.log]
    device.log.clear()
    return told


POINTS = "".join(point(f"p{address}", address) for address in (0, 1, 4, 8, 9))


async def test_poll_reads_everything_with_one_request(tmp_path: Path) -> None:
    device = holding(*range(12))
    driver = build(tmp_path, POINTS, DeviceLine(device))
    sample = await driver.poll(only(driver))
    assert sample.cells == (0, 10, 40, 80, 90)
    assert not sample.flags
    assert reads(device) == [(0, 10)]


async def test_points_come_in_the_order_of_the_profile(tmp_path: Path) -> None:
    device = Device({"holding": {0: 1, 5: 2}, "input": {3: 3}, "coil": {0: 1}})
    profile = (
        point("d", 5) + point("c", 0, table="coil") + point("b", 3, table="input") + point("a", 0)
    )
    driver = build(tmp_path, profile, DeviceLine(device))
    assert (await driver.poll(only(driver))).cells == (2, True, 3, 1)


async def test_a_refused_merged_read_is_split_and_the_split_kept(tmp_path: Path) -> None:
    device = holding(0, 1, 4, 5, 8, 9)
    driver = build(tmp_path, POINTS, DeviceLine(device))
    group = only(driver)
    assert (await driver.poll(group)).cells == (0, 10, 40, 80, 90)
    device.log.clear()
    assert driver.learned
    for _ in range(3):  # what one poll could not prove is tried in the next
        assert (await driver.poll(group)).cells == (0, 10, 40, 80, 90)
    device.log.clear()
    await driver.poll(group)
    assert reads(device) == [(0, 2), (4, 1), (8, 2)]
    assert driver.reads[group.name][0].length == 2


async def test_what_was_learned_survives_a_restart(tmp_path: Path) -> None:
    device = holding(0, 1, 4, 8, 9)
    driver = build(tmp_path, POINTS, DeviceLine(device))
    for _ in range(3):
        await driver.poll(only(driver))
    memory = json.loads(json.dumps(driver.memory()))
    assert not driver.learned
    device.log.clear()
    again = build(tmp_path, POINTS, DeviceLine(device))
    again.recall(memory)
    assert not again.learned
    await again.poll(only(again))
    assert reads(device) == [(0, 2), (4, 1), (8, 2)]


async def test_a_device_that_takes_fewer_registers_at_once_is_found_out(tmp_path: Path) -> None:
    device = holding(*range(40))
    device.longest, device.code = 16, 3
    profile = "".join(point(f"p{address}", address) for address in range(40))
    driver = build(tmp_path, profile, DeviceLine(device))
    for _ in range(3):
        assert (await driver.poll(only(driver))).cells == tuple(range(0, 400, 10))
    device.log.clear()
    await driver.poll(only(driver))
    assert len(device.log) <= 4


async def test_a_point_that_is_refused_alone_is_bad_and_left_alone(tmp_path: Path) -> None:
    device = holding(0, 2, 3)
    profile = "".join(point(f"p{address}", address) for address in range(4))
    driver = build(tmp_path, profile, line := DeviceLine(device))
    group = only(driver)
    sample = await driver.poll(group)
    assert sample.cells == (0, None, 20, 30)
    assert sample.flags == {1: REJECTED}
    device.log.clear()
    assert (await driver.poll(group)).flags == {1: REJECTED}
    assert reads(device) == [(0, 1), (2, 2)]
    line.generation += 1
    device.tables["holding"][1] = 10
    assert (await driver.poll(group)).cells == (0, 10, 20, 30)
    assert reads(device) == [(0, 4)]


async def test_a_refused_point_is_asked_again_after_long(tmp_path: Path) -> None:
    device = holding(0, 2)
    profile = "".join(point(f"p{address}", address) for address in range(3))
    driver = build(tmp_path, profile, DeviceLine(device))
    await driver.poll(only(driver))
    device.tables["holding"][1] = 10
    polls = 0
    while (await driver.poll(only(driver))).flags:
        polls += 1
    assert polls == ASK_AGAIN_POLLS - 1


async def test_a_point_that_is_broken_is_asked_again_sooner(tmp_path: Path) -> None:
    device = holding(0, 2)
    device.code = 4
    profile = "".join(point(f"p{address}", address) for address in range(3))
    driver = build(tmp_path, profile, DeviceLine(device))
    assert (await driver.poll(only(driver))).flags == {1: FAULT}
    device.tables["holding"][1] = 10
    polls = 0
    while (await driver.poll(only(driver))).flags:
        polls += 1
    assert polls == FAULT_AGAIN_POLLS - 1


async def test_a_table_the_device_lacks_is_not_taken_apart(tmp_path: Path) -> None:
    device = holding(0)
    profile = point("a", 0) + "".join(point(f"i{at}", at, table="input") for at in range(20))
    driver = build(tmp_path, profile, DeviceLine(device))
    sample = await driver.poll(only(driver))
    assert sample.cells[0] == 0
    assert set(sample.flags) == set(range(1, 21))
    assert len(device.log) == 2


@pytest.mark.parametrize(
    ("code", "error"), [(2, DeviceRejectedError), (4, DeviceFaultError), (8, DeviceFaultError)]
)
async def test_a_device_that_refuses_everything_is_asked_for_little_and_comes_back(
    code: int, error: type[DeviceRejectedError | DeviceFaultError], tmp_path: Path
) -> None:
    device = holding(*range(12))
    driver = build(tmp_path, POINTS, DeviceLine(device))
    group = only(driver)
    await driver.poll(group)
    device.refuses_all = code
    for _ in range(3):
        device.log.clear()
        with pytest.raises(error) as caught:
            await driver.poll(group)
        assert f"exception {code}" in str(caught.value)
    assert len(device.log) == 1
    device.refuses_all = None
    assert (await driver.poll(group)).cells == (0, 10, 40, 80, 90)
    assert not driver.learned, "a passing fault teaches nothing"


@pytest.mark.parametrize("code", [5, 6, 10, 11])
async def test_busy_and_a_silent_gateway_are_no_response(code: int, tmp_path: Path) -> None:
    device = holding(*range(12))
    device.refuses_all = code
    driver = build(tmp_path, POINTS, DeviceLine(device))
    with pytest.raises(NoResponseError, match=f"exception {code}"):
        await driver.poll(only(driver))
    assert len(device.log) == 1


async def test_silence_goes_up_as_it_is(tmp_path: Path) -> None:
    device = holding(0)
    device.silent = True
    driver = build(tmp_path, POINTS, DeviceLine(device))
    with pytest.raises(NoResponseError):
        await driver.poll(only(driver))


RELAY = point("relay", 3, table="coil", more="writable = true")
LEVEL = point("level", 7, more="writable = true\nscale = 0.5\nlow = 0\nhigh = 100")


async def test_write_goes_ahead_of_polls_and_is_read_back(tmp_path: Path) -> None:
    device = Device({"coil": {3: 0}, "holding": {7: 0}})
    driver = build(tmp_path, RELAY + LEVEL, line := DeviceLine(device))
    relay = await driver.write(PointId("relay"), value=True)
    assert relay is True
    assert await driver.write(PointId("level"), 21.5) == 21.5
    assert device.tables == {"coil": {3: 1}, "holding": {7: 43}}
    assert [function for function, _, _ in device.log] == [5, 1, 6, 3]
    assert set(line.priorities) == {Priority.COMMAND}


async def test_write_tells_what_the_device_made_of_it(tmp_path: Path) -> None:
    device = Device({"coil": {3: 0}, "holding": {7: 4}}, deaf_to_writes=True)
    driver = build(tmp_path, RELAY + LEVEL, DeviceLine(device))
    relay = await driver.write(PointId("relay"), value=True)
    assert relay is False
    assert await driver.write(PointId("level"), 21.5) == 2.0


WRITES: dict[str, tuple[str, Value, dict[int, int], list[int]]] = {
    "multiple, one register": ('write_function = "multiple"', 5, {7: 5}, [16, 3]),
    "two registers": ('type = "u32"\norder = "CDAB"', 0x10002, {7: 2, 8: 1}, [16, 3]),
    "a float": ('type = "float32"', 0.1, {7: 0x3DCC, 8: 0xCCCD}, [16, 3]),
    "a state by name": ('type = "u16"\nstates = { 0 = "off", 2 = "red" }', "red", {7: 2}, [6, 3]),
    "a text": ('type = "string"\nlength = 4', "ab", {7: 0x6162, 8: 0}, [16, 3]),
    "bits of a register": (
        'type = "u16"\nmask = 0x00F0\nread_modify_write = true',
        3,
        {7: 0xFF3F},
        [3, 6, 3],
    ),
}


@pytest.mark.parametrize("case", WRITES.values(), ids=WRITES)
async def test_write_by_type(
    case: tuple[str, Value, dict[int, int], list[int]], tmp_path: Path
) -> None:
    more, value, registers, functions = case
    device = Device({"holding": {7: 0xFFFF, 8: 0xFFFF}})
    text = f'\n[[point]]\nname = "p"\ntable = "holding"\naddress = 7\nwritable = true\n{more}\n'
    text = text if "type" in more else text + 'type = "u16"\n'
    driver = build(tmp_path, text, DeviceLine(device))
    back = await driver.write(PointId("p"), value)
    assert back == (2 if value == "red" else value)
    assert {at: device.tables["holding"][at] for at in registers} == registers
    assert [function for function, _, _ in device.log] == functions


async def test_a_coil_may_be_written_with_function_15(tmp_path: Path) -> None:
    device = Device({"coil": {3: 0}})
    profile = RELAY.replace("= true", '= true\nwrite_function = "multiple"')
    driver = build(tmp_path, profile, DeviceLine(device))
    relay = await driver.write(PointId("relay"), value=True)
    assert relay is True
    assert [function for function, _, _ in device.log] == [15, 1]


@pytest.mark.parametrize(
    ("name", "value"), [("nothing", 1), ("p0", 1), ("level", 101), ("level", 0.3), ("relay", 7)]
)
async def test_write_of_what_cannot_be_is_refused_without_asking(
    name: str, value: Value, tmp_path: Path
) -> None:
    device = Device({"coil": {3: 0}, "holding": {0: 0, 7: 0}})
    driver = build(tmp_path, RELAY + LEVEL + point("p0", 0), DeviceLine(device))
    with pytest.raises(CommandRefusedError):
        await driver.write(PointId(name), value)
    assert not device.log


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (1, DeviceRejectedError),
        (2, DeviceRejectedError),
        (3, DeviceRejectedError),
        (6, DeviceRejectedError),
        (4, DeviceFaultError),
        (5, NoResponseError),
        (11, NoResponseError),
    ],
)
async def test_a_refused_write_says_whether_something_may_have_moved(
    code: int, error: type[Exception], tmp_path: Path
) -> None:
    device = Device({"coil": {3: 0}}, refuses_writes=code)
    driver = build(tmp_path, RELAY, DeviceLine(device))
    with pytest.raises(error, match=f"exception {code}"):
        await driver.write(PointId("relay"), value=True)


async def test_a_write_that_cannot_be_read_back_is_not_known_to_be_done(tmp_path: Path) -> None:
    device = Device({"holding": {}})
    driver = build(tmp_path, LEVEL, DeviceLine(device))

    class Forgetful(dict[int, int]):
        def update(self, *_: object, **__: object) -> None:
            """Confirm, and have nothing there."""

    device.tables["holding"] = Forgetful()
    with pytest.raises(NoResponseError, match="was written, but"):
        await driver.write(PointId("level"), 1)


@pytest.mark.parametrize(
    ("medium", "options", "says"),
    [
        ("serial", {"framing": "mbap"}, "mbap"),
        ("serial", {"unit": 0}, "1 to 247"),
        ("tcp", {"unit": 248, "framing": "rtu"}, "1 to 247"),
    ],
)
def test_options_that_do_not_go_with_the_line_are_refused(
    medium: str, options: dict[str, object], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=says):
        build(tmp_path, POINTS, DeviceLine(holding(), medium=medium), **options)


async def test_site_limits_go_before_those_of_the_profile(tmp_path: Path) -> None:
    device = holding(*range(12))
    driver = build(tmp_path, POINTS, DeviceLine(device), max_gap=0, max_registers=2)
    await driver.poll(only(driver))
    assert reads(device) == [(0, 2), (4, 1), (8, 2)]


def test_the_manifest_says_what_the_driver_is(tmp_path: Path) -> None:
    driver = build(tmp_path, POINTS, DeviceLine(holding()))
    assert isinstance(driver, CommandableDriver)
    assert isinstance(driver, RememberingDriver)
    config = checked(MANIFEST.config, {"profile": "demo-door", "unit": 9})
    assert MANIFEST.address(config) == 9
    assert tuple(MANIFEST.media) == ("serial", "tcp")
