"""The parking lot as a site: every device by its driver, several protocols on one line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from gateway.config.loading import read
from gateway.model.driver import CommandableDriver, ListeningDriver, Medium, PolledDriver
from gateway.model.errors import DeviceError
from gateway.model.ids import LineId, PointId
from gateway.plugins.assembling import assemble
from gateway.plugins.assembly import Assembly
from simulators.barriers.barrier import BarrierTwin
from simulators.displays.boards import BoardTwin
from simulators.programs.site_file import head, tables
from simulators.programs.site_file import line as line_table
from simulators.running import Running, run_scene
from simulators.scene import load_scene
from tests.listening_ear import ListeningEar

OVER_INPUTS = {
    "open_output": 0,
    "close_output": 1,
    "stop_output": 2,
    "opened_input": 0,
    "closed_input": 1,
    "loop_input": 2,
    "photo_input": 3,
    "inverted": ["photo"],
    "pulse_s": 0.1,
}
DEVICES: list[dict[str, object]] = [
    {
        "id": "entry-barrier",
        "line": "entry-485",
        "driver": "barrier",
        "unit": 7,
        **OVER_INPUTS,
    },
    {
        "id": "fork-places",
        "line": "entry-485",
        "driver": "places-display",
        "profile": "demo-board",
        "address": 2,
        "directions": ["left", "right"],
        "picture": "{left}  {right}",
        "full_text": "нет",
    },
    {
        "id": "pit",
        "line": "entry-485",
        "driver": "serial-profile",
        "profile": "demo-ascii",
        "address": 11,
    },
    {
        "id": "entry-board",
        "line": "entry-board",
        "driver": "led-board",
        "profile": "amplus-am03127",
        "brightness": 75,
        "idle_text": "Welcome|P 24 h",
    },
    {
        "id": "exit-sign",
        "line": "exit-sign",
        "driver": "led-board",
        "profile": "alpha-sign",
        "idle_text": "Exit",
    },
    {
        "id": "ramp-lidar",
        "line": "ramp-lidar",
        "driver": "serial-profile",
        "profile": "benewake-tfmini-s",
    },
    {
        "id": "roof-weather",
        "line": "roof-weather",
        "driver": "serial-profile",
        "profile": "vaisala-wxt530",
    },
    {"id": "exit-barrier", "line": "exit-net", "driver": "barrier", "unit": 1, **OVER_INPUTS},
]


def site_of(running: Running, folder: Path) -> Assembly:
    # a pty has no parity, whatever the line of the scene says
    lines = "".join(
        line_table(name, {**asdict(laid.address), "parity": "none"})
        for name, laid in running.lines.items()
    )
    site = folder / "site.toml"
    site.write_text(head("parking", 1, max_mib=64) + lines + tables("device", DEVICES))
    return assemble(read(site))


@asynccontextmanager
async def parking(folder: Path) -> AsyncIterator[tuple[Running, dict[str, PolledDriver]]]:
    async with run_scene(load_scene("parking")) as running:
        assembly = site_of(running, folder)
        media: dict[str, Medium] = {
            spec.id: spec.manifest.build(LineId(spec.id), spec.config) for spec in assembly.lines
        }
        drivers: dict[str, PolledDriver] = {}
        for spec in assembly.devices:
            built = spec.manifest.build(spec.prepared, media[spec.line])
            assert isinstance(built, PolledDriver)
            drivers[spec.id] = built
        try:
            yield running, drivers
        finally:
            for medium in media.values():
                await medium.close()


async def asked(driver: PolledDriver) -> int:
    """Poll every group that is asked for until it was answered once; return how many."""
    groups = [group for group in driver.groups if not group.told]
    for group in groups:
        async with asyncio.timeout(8):
            while True:
                with suppress(DeviceError):
                    await driver.poll(group)
                    break
    return len(groups)


async def test_every_device_of_the_scene_answers_its_driver(tmp_path: Path) -> None:
    async with parking(tmp_path) as (running, drivers):
        ear = ListeningEar()
        lidar = drivers["ramp-lidar"]
        assert isinstance(lidar, ListeningDriver)
        lidar.attend(ear)
        await lidar._talker._line.open()  # type: ignore[attr-defined]
        counts = {name: await asked(driver) for name, driver in drivers.items()}
        assert counts["ramp-lidar"] == 0
        assert all(count for name, count in counts.items() if name != "ramp-lidar")
        await ear.until(lambda ear: bool(ear.samples))
        board, sign = running.twin("entry-board"), running.twin("exit-sign")
        assert isinstance(board, BoardTwin)
        assert isinstance(sign, BoardTwin)
        assert (board.shows, board.brightness, sign.shows) == ("Welcome|P 24 h", 75, "Exit")


async def test_barrier_and_places_obey_on_one_line(tmp_path: Path) -> None:
    async with parking(tmp_path) as (running, drivers):
        barrier, places = drivers["entry-barrier"], drivers["fork-places"]
        assert isinstance(barrier, CommandableDriver)
        assert isinstance(places, CommandableDriver)
        async with asyncio.TaskGroup() as tasks:
            opening = tasks.create_task(barrier.write(PointId("order"), "open"))
            left = tasks.create_task(places.write(PointId("free_left"), 12))
        assert (opening.result(), left.result()) == (1, 12)
        boom, board = running.twin("entry-barrier"), running.twin("fork-places")
        assert isinstance(boom, BarrierTwin)
        assert isinstance(board, BoardTwin)
        assert boom.barrier.boom.opened
        assert board.shows == " 12   --"
