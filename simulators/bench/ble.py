"""Bluetooth advertisers around one adapter: what listening to them takes of a core."""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple

from simulators.bench import usage
from simulators.bench.figures import Sheet, at_most
from simulators.bench.form import Form
from simulators.bench.rig import Rig, rig
from simulators.bench.site_file import GATEWAY
from simulators.programs.site_file import head, tables

ADVERTISERS: Final = 200
FEW: Final = 10
OBJECTS: Final = ("temperature", "humidity", "battery")
WARM_UP_S: Final = 3.0
RAW: Final = "bumble that only counts"


def address(number: int) -> str:
    """Return the address of an advertiser: a static random one."""
    return f"C4:00:00:00:{number >> 8:02X}:{number & 0xFF:02X}"


def scene(sensors: int, strangers: int) -> str:
    """Return a radio with so many thermometers and strangers, each once a second."""
    lines = tables("line", [{"id": "air", "medium": "radio", "strangers": strangers}])
    twins = [
        {"id": f"t-{n}", "line": "air", "kind": "bthome-thermometer", "address": address(n)}
        for n in range(1, sensors + 1)
    ]
    return lines + tables("twin", [{**twin, "seed": n} for n, twin in enumerate(twins)])


class Listening(NamedTuple):
    """What the agent took, and what there was to hear."""

    cpu: float
    """Per cent of a core."""
    told: float
    """Values settled a second."""
    resident_mib: float
    heard: float
    """Advertisements a second, as the baseline counted them."""


async def ble(form: Form) -> Sheet:
    """Listen to sensors that are all ours, then to a crowd of which few are."""
    sheet = Sheet("ble")
    all_of_them = ADVERTISERS * form.work
    ours, raw = await _measure(form.of("ours"), all_of_them, 0)
    note = (
        f"{all_of_them} sensors at 1 Hz, all of the site; {ours.told:.0f} values a second "
        f"settled; the baseline heard {ours.heard:.0f} a second"
    )
    sheet.add("CPU, all are ours", ours.cpu, "%", at_most(5), note, (RAW, raw))
    sheet.add("resident meanwhile", ours.resident_mib, "MiB")
    crowd, raw = await _measure(form.of("crowd"), FEW, all_of_them - FEW)
    note = f"{FEW} sensors of the site among {all_of_them - FEW} strangers at 1 Hz"
    sheet.add("CPU, a crowd of strangers", crowd.cpu, "%", at_most(5), note, (RAW, raw))
    return sheet


async def _measure(form: Form, sensors: int, strangers: int) -> tuple[Listening, float]:
    """Return what the agent took, and what the baseline did on the same air."""
    for_s = form.choose(3, 30)
    async with rig(form.folder, form.broker) as here:
        file = form.folder / "air.toml"
        file.write_text(scene(sensors, strangers), encoding="utf-8")
        await here.play(file, registers=1)
        controller = _controller(here)
        devices = [
            {"id": f"t-{n}", "line": "air", "driver": "bthome", "address": address(n),
             "frames": [OBJECTS]}
            for n in range(1, sensors + 1)
        ]  # fmt: skip
        text = head(GATEWAY, here.link_port, max_mib=512)
        text += tables("line", [{"id": "air", "medium": "ble", "controller": controller}])
        site = form.folder / "site.toml"
        site.write_text(text + tables("device", devices), encoding="utf-8")
        await here.start_agent(site)
        await here.until(lambda seen: seen.produced > seen.kept, "a first acknowledgement")
        await asyncio.sleep(form.choose(1, WARM_UP_S))
        window = await here.window(for_s)
        resident = usage.memory(here.agent.process.pid).rss
        await here.stop_agent()
        program = "simulators.bench.raw_ble"
        raw = await here.worker(program, controller, f"--for={for_s / 2}")
    share, told = 100 * window.cpu_s / window.wall_s, window.delivered / window.wall_s
    heard = raw["heard"] / raw["wall_s"]
    return Listening(share, told, resident, heard), 100 * raw["cpu_s"] / raw["wall_s"]


def _controller(here: Rig) -> str:
    air: dict[str, Any] = here.lines["air"]  # Any: JSON values
    return f"tcp-client:{air['host']}:{air['port']}"
