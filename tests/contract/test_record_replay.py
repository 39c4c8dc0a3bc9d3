"""A site is recorded through its running agent, and gives the same readings when served back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provisioning.authority import Authority
from simulators.recording.cli import lines_and_devices, scene_of
from simulators.recording.tape import read_tape
from simulators.running import run_scene
from tests.opened_store import opened
from tests.running_agent import DEVICES, Agent, Cabinet, cabinet

NUMBER = "answers"
ADVANCE = 15
"""So many numbers of each device are read from what is served back: fewer than were recorded."""
COMMON = 8
"""So many of them at least are compared; some go while what is refused is learned."""


def states(site: Cabinet, store: Path) -> dict[str, dict[int, Mapping[str, Any]]]:
    """Return what was known of each device at each number that its twin had counted.

    A point that rests is not told again: what was told last of it still holds.
    """
    now: dict[str, dict[str, Any]] = {}
    found: dict[str, dict[int, Mapping[str, Any]]] = {}
    cells: dict[tuple[int, str], dict[str, Any]] = {}
    for batch in opened(store, site.private):
        for device, point, at, value in batch.cells():
            cells.setdefault((at, device), {})[point] = value
    for (_, device), told in sorted(cells.items()):
        now.setdefault(device, {}).update(told)
        if NUMBER in told:
            quick = {name: value for name, value in now[device].items() if name not in SLOW}
            found.setdefault(device, {})[told[NUMBER]] = quick
    return found


SLOW = {
    "energy_import",
    "serial_number",
    "display_brightness",
    "led",
    *(f"pulse_ms_{n}" for n in range(1, 5)),
}
"""Points of groups that are asked apart from the number: which state they join is chance."""


async def until_numbers_advance(agent: Agent, count: int) -> None:
    """Wait until the number of each device has gone up by so many."""
    first: dict[str, int] = {}

    async def enough() -> bool:
        rows = (await agent.values()).items()
        now = {device: row["value"] for (device, point), row in rows if point == NUMBER}
        for device, number in now.items():
            if number is not None:
                first.setdefault(device, number)
        gone = [now[device] - number for device, number in first.items() if now[device]]
        return len(gone) == len(DEVICES) and min(gone) >= count

    await agent.until(enough, f"{count} numbers of each device")


async def test_a_recorded_site_served_back_gives_the_same_readings(
    tmp_path: Path, authority: Authority
) -> None:
    tape_file = tmp_path / "site.tape"
    async with cabinet(tmp_path, authority) as site:
        async with site.agent() as agent:
            await agent.until_reads()
            code, out, err = await site.mayak(
                "sim", "record", str(site.site), "--out", str(tape_file), "--for", "12s"
            )
            assert code == 0, out + err
            assert await agent.stop() == 0
        live = states(site, site.store)
    with tape_file.open(encoding="utf-8") as written:
        tape = read_tape(written, "tape")
    async with run_scene(scene_of(tape, tape_file)) as served:
        text = site.site.read_text(encoding="utf-8")
        head = text[: text.index("[[line]]")].replace("store.db", "replayed.db")
        site.site.write_text(head + lines_and_devices(tape, served), encoding="utf-8")
        site.store = site.store.with_name("replayed.db")
        async with site.agent() as agent:
            await until_numbers_advance(agent, ADVANCE)
            assert await agent.stop() == 0
    replayed = states(site, site.store)
    assert set(replayed) == set(DEVICES)
    for device, numbers in replayed.items():
        common = numbers.keys() & live[device].keys()
        assert len(common) >= COMMON
        settled = sorted(common)[1:]
        assert [numbers[n] for n in settled] == [live[device][n] for n in settled]


async def test_a_tap_shows_what_goes_over_a_line_and_refuses_what_is_none(
    tmp_path: Path, authority: Authority
) -> None:
    async with cabinet(tmp_path, authority) as site, site.agent() as agent:
        await agent.until_reads()
        site_file = ["--site", str(site.site)]
        code, out, err = await site.mayak("tap", "bus", *site_file, "--for", "3")
        assert code == 0, err
        assert re.search(r"> 0[24] 0[1-4]", out)
        assert re.search(r"< 0[24] 0[1-4]", out)
        code, _, err = await site.mayak("tap", *site_file)
        assert (code, "the site has: bus, net" in err) == (69, True)
        await agent.stop()
        # without an agent the port is opened and listened to, and nothing is sent
        asked = site.scene.twin("relay-1").counts.requests
        code, out, err = await site.mayak("tap", "bus", *site_file, "--for", "0.5", "--json")
        assert (code, out, err) == (0, "", "")
        assert site.scene.twin("relay-1").counts.requests == asked
