"""A search over real lines: everything that is there, once, and nothing written."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from drivers.media.line import Line
from drivers.media.serial_line import SerialLine, SerialLineConfig
from drivers.media.tcp_line import TcpLine, TcpLineConfig
from drivers.modbus.driver import MANIFEST
from gateway.cli import main
from gateway.model.discovery import Found, Scope, Sureness
from gateway.model.driver import Direction
from gateway.model.ids import LineId
from gateway.scanning.quiet import Manners
from gateway.scanning.scan import Progress, Scan, Seen, characters
from simulators.faults import Flood, Noise
from simulators.lines.kinds import RunningSerial
from simulators.modbus.kinds import RunningTcp
from simulators.programs.children import mayak, output_of
from simulators.running import Running, run_scene
from simulators.scene import parse_scene
from tests.broker import free_port

SPEEDS = (9600, 19200, 38400, 57600)
READS = {1, 2, 3, 4, 0x2B}
BUS = """
[[line]]
id = "bus"
medium = "serial"
baud_rate = 57600
"""
TWIN = """
[[twin]]
id = "{kind}-{unit}"
line = "{line}"
kind = "{kind}"
unit = {unit}
"""
FOUR = BUS + "".join(
    TWIN.format(kind=kind, unit=unit, line="bus") + f"baud_rate = {speed}\n"
    for (kind, unit), speed in zip(
        (("meter-3p", 3), ("relay-4", 7), ("light", 12), ("door", 31)), SPEEDS, strict=True
    )
)


def line_to(running: Running, name: str) -> Line:
    laid = running.lines[name]
    if isinstance(laid, RunningTcp):
        return TcpLine(LineId(name), TcpLineConfig(host=laid.address.host, port=laid.address.port))
    assert isinstance(laid, RunningSerial)
    return SerialLine(
        LineId(name), SerialLineConfig(port=laid.address.path, baud_rate=laid.address.baud_rate)
    )


async def search(
    running: Running, name: str, **scope: Any
) -> tuple[list[Found], list[Seen], set[int]]:
    """Return what was found, each step, and the functions that were asked for."""
    line = line_to(running, name)
    assert MANIFEST.discover is not None
    progress, seen, functions = Progress("test"), list[Seen](), set[int]()

    def passed(direction: Direction, data: bytes) -> None:
        if direction is Direction.SENT:
            functions.add(data[7 if line.medium == "tcp" else 1])

    line.tap(passed)
    scan = Scan(
        {"modbus": MANIFEST.discover},
        {"modbus": Scope(**scope)},
        progress,
        json.loads,
    )
    try:
        await scan.run(line, seen.append)
    finally:
        await line.close()
    return progress.found, seen, functions


def placed(found: list[Found]) -> dict[int, tuple[Mapping[str, Any], list[str]]]:
    return {
        each.options["unit"]: (each.options, [match.profile for match in each.best])
        for each in found
    }


async def test_four_speeds_and_thirty_two_addresses_give_every_device_once() -> None:
    async with run_scene(parse_scene(FOUR, "test")) as running:
        found, seen, functions = await search(
            running,
            "bus",
            addresses=range(1, 33),
            characters=tuple(characters(SPEEDS, ("none",), (1,))),
            timeout_s=0.1,
        )
    assert len(found) == 4
    where = placed(found).items()
    assert {unit: (options["baud_rate"], profiles) for unit, (options, profiles) in where} == {
        3: (9600, ["demo-meter-3p"]),
        7: (19200, ["demo-relay-4"]),
        12: (38400, ["demo-light"]),
        31: (57600, ["demo-door"]),
    }
    assert {each.best[0].sureness for each in found} == {Sureness.CERTAIN}
    assert len(seen) == 4 * 32
    assert seen[-1].share == 1.0
    assert functions <= READS


async def test_a_device_of_the_network_that_looks_at_no_address_is_one_device() -> None:
    scene = '[[line]]\nid = "net"\nmedium = "tcp"\n' + TWIN.format(
        kind="profile", unit=1, line="net"
    )
    async with run_scene(parse_scene(scene.replace("profile", "meter-3p"), "test")) as running:
        server = running.lines["net"]
        assert isinstance(server, RunningTcp)
        only = running.modbus("meter-3p-1")
        server.server.route = lambda _unit: only  # type: ignore[method-assign,assignment] # it looks at none
        found, _, _ = await search(running, "net", addresses=range(1, 248), timeout_s=0.3)
    (device,) = found
    assert (device.options, device.remark) == ({"unit": 1}, "scan-any-address")
    assert device.identity["product"] == "demo-meter-3p"


async def test_units_behind_one_port_are_told_apart() -> None:
    scene = '[[line]]\nid = "net"\nmedium = "tcp"\n' + "".join(
        TWIN.format(kind=kind, unit=unit, line="net") for kind, unit in (("light", 2), ("light", 5))
    )
    async with run_scene(parse_scene(scene, "test")) as running:
        found, _, _ = await search(running, "net", addresses=range(1, 10), timeout_s=0.3)
    assert sorted(placed(found)) == [2, 5]


async def test_two_devices_with_one_address_are_told_and_spoil_nothing_else() -> None:
    scene = BUS + "".join(
        TWIN.format(kind=kind, unit=unit, line="bus")
        for kind, unit in (("light", 2), ("door", 2), ("relay-4", 3))
    )
    async with run_scene(parse_scene(scene, "test")) as running:
        found, seen, _ = await search(
            running, "bus", addresses=range(1, 5), characters=({},), timeout_s=0.1
        )
    assert sorted(placed(found)) == [3]
    assert [each.looked.words for each in seen if each.looked.trouble] == ["unit 2"]


async def test_a_setting_that_the_port_cannot_have_is_told_and_left_out() -> None:
    scene = BUS + TWIN.format(kind="light", unit=2, line="bus")
    odd, plain = characters((57600,), ("even", "none"), (1,))
    async with run_scene(parse_scene(scene, "test")) as running:
        found, seen, _ = await search(
            running, "bus", addresses=range(1, 4), characters=(odd, plain), timeout_s=0.1
        )
    assert sorted(placed(found)) == [2]
    troubles = [(each.looked.words, each.looked.trouble) for each in seen if each.looked.trouble]
    assert troubles == [("57600 8E1", "scan-setting")]  # a pty has no parity


async def test_a_noisy_device_is_told_as_noise_and_the_others_are_found() -> None:
    scene = BUS + "".join(
        TWIN.format(kind=kind, unit=unit, line="bus") for kind, unit in (("light", 2), ("door", 4))
    )
    async with run_scene(parse_scene(scene, "test")) as running:
        running.apply("light-2", Noise())
        found, seen, _ = await search(
            running, "bus", addresses=range(1, 6), characters=({},), timeout_s=0.1
        )
    assert sorted(placed(found)) == [4]
    assert [each.looked.words for each in seen if each.looked.trouble] == ["unit 2"]


async def test_a_line_on_which_others_talk_is_noticed_before_anything_is_asked() -> None:
    async with run_scene(parse_scene(FOUR, "test")) as running:
        line = line_to(running, "bus")
        await line.open()
        try:
            manners = Manners(line)
            assert await manners.listen() == 0
            running.apply("door-31", Flood(every_s=0.2))
            assert await manners.listen() > 0
        finally:
            await line.close()


def test_the_command_says_what_it_needs_and_what_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    nobody = ["--host", f"127.0.0.1:{free_port()}", "--driver", "modbus"]
    assert main(["scan", *nobody, "--address", "1-2", "--json"]) == 69
    assert "check the port" in capsys.readouterr().err
    assert main(["scan", "--port", "/dev/null", "--driver", "nobody"]) == 69
    assert "nothing can look for devices" in capsys.readouterr().err


def read_device(file: Path) -> dict[str, Any]:
    (device,) = tomllib.loads(file.read_text(encoding="utf-8"))["device"]
    found: dict[str, Any] = device
    return found


async def test_the_command_shows_what_it_found_and_proposes_a_site_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    scene = BUS.replace("57600", "9600") + TWIN.format(kind="light", unit=2, line="bus")
    async with run_scene(parse_scene(scene, "test")) as running:
        line = running.lines["bus"].address
        code, out, err = await output_of(
            mayak(
                "scan", "--port", line.path, "--driver", "modbus", "--speed", "9600",
                "--address", "1-3", "--timeout", "0.2", "--lang", "ru", "--out", "part.toml",
                "--state", "state.json",
            )
        )  # fmt: skip
    assert (code, err) == (0, "")
    assert "demo-light" in out
    device = read_device(tmp_path / "part.toml")
    assert (device["profile"], device["unit"]) == ("demo-light", 2)
