"""The real agent on the scene `environment`: asked, listening, and both; lines are shared."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from provisioning.authority import Authority
from simulators.faults import Silent
from simulators.lines.kinds import serial
from simulators.running import run_scene
from simulators.scene import load_scene
from tests.broker import free_port
from tests.running_agent import GATEWAY, Agent, Cabinet

DEVICES = """
[[device]]
id = "stop-dust"
line = "stop-485"
driver = "sds011"
sensor = "A160"
period_s = 3

[[device]]
id = "stop-light"
line = "stop-485"
driver = "modbus"
profile = "demo-light"
unit = 3

[[device]]
id = "stop-weather"
line = "stop-sdi12"
driver = "sdi12"
period_s = 4
tick_s = 0.2
[device.points.air_temperature]
index = 1
command = "CC"
unit = "Cel"
[device.points.wind_speed]
index = 4
command = "CC"
unit = "m/s"

[[device]]
id = "class-air"
line = "school-air"
driver = "mh_z19"
warm_up_s = 0

[[device]]
id = "class-dust"
line = "school-dust"
driver = "pms5003"
mode = "active"

[[device]]
id = "bus-1"
line = "bus-gnss"
driver = "nmea0183"
silence_s = 3
position_every_s = 1
"""
EXPECTED = {
    ("stop-dust", "pm2_5"),
    ("stop-dust", "firmware"),
    ("stop-light", "illuminance"),
    ("stop-weather", "air_temperature"),
    ("stop-weather", "vendor"),
    ("class-air", "co2"),
    ("class-dust", "particles_0_3"),
    ("bus-1", "latitude"),
    ("bus-1", "satellites_in_view"),
}


@pytest.fixture
async def stop(tmp_path: Path, authority: Authority) -> AsyncIterator[Cabinet]:
    keys = authority.folder
    async with run_scene(load_scene("environment")) as running:
        text = [
            "[gateway]", f'id = "{GATEWAY}"',
            "[store]", 'path = "var/store.db"', "max_mib = 16", "seal_every_s = 0.1",
            "[keys]", f'device_key = "{keys}/gateways/{GATEWAY}/device.key"',
            f'device_certificate = "{keys}/gateways/{GATEWAY}/device.pem"',
            "[[consumer]]", 'id = "city"', 'audiences = ["operations"]',
            f'hpke_keys = ["{keys}/city-hpke.pub"]', f'sign_keys = ["{keys}/city-sign.pem"]',
            "[uplink]", 'consumer = "city"', 'host = "127.0.0.1"', f"port = {free_port()}",
            "tls = false",
        ]  # fmt: skip
        for name, line in running.lines.items():
            address = serial(line).address
            text += [
                "[[line]]", f'id = "{name}"', 'medium = "serial"', f'port = "{address.path}"',
                f"baud_rate = {address.baud_rate}",
            ]  # fmt: skip
        site = tmp_path / "site.toml"
        site.write_text("\n".join(text) + DEVICES, encoding="utf-8")
        store = tmp_path / "var" / "store.db"
        yield Cabinet(running, tmp_path, site, store, keys / "city-hpke.key")


async def says(agent: Agent, device: str, point: str) -> tuple[str, str]:
    """Return quality and cause of a point as the agent has them now."""
    row = (await agent.values()).get((device, point), {})
    return str(row.get("quality", "")), str(row.get("cause", ""))


async def good(agent: Agent) -> bool:
    rows = await agent.values()
    return all(
        place in rows and rows[place]["quality"] == "good" and rows[place]["value"] is not None
        for place in EXPECTED
    )


async def test_every_device_of_the_scene_is_read(stop: Cabinet) -> None:
    async with stop.agent() as agent:
        await agent.until(lambda: good(agent), "every point of the scene is good")
        status = await agent.status()
        assert status["lost_devices"] == []
        assert await agent.stop() == 0
    assert not any(key.startswith("device-lost") for key in stop.events())


async def test_what_tells_by_itself_is_missed_and_heard_again(stop: Cabinet) -> None:
    async with stop.agent() as agent:
        await agent.until(lambda: good(agent), "every point of the scene is good")
        stop.scene.apply("bus-1", Silent())
        stop.scene.unplug("school-dust")

        async def missed() -> bool:
            place = await says(agent, "bus-1", "latitude")
            dust = await says(agent, "class-dust", "pm10")
            return place == ("bad", "no_response") and dust == ("bad", "line_down")

        await agent.until(missed, "silence and a lost adapter are told")
        stop.scene.clear("bus-1")
        stop.scene.plug("school-dust")
        await agent.until(lambda: good(agent), "all is heard again")
        assert await agent.stop() == 0
    events = stop.events()
    for key in ("device-lost", "device-back", "line-lost", "line-back"):
        assert key in events
