"""The real agent with the site that the page of access readers shows, on the packaged scene."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.model.clock import SystemClock
from gateway.model.ids import ConsumerId
from provisioning.authority import Authority
from simulators.access.osdp.twin import OsdpOptions, OsdpTwin
from simulators.access.rdm6300 import Rdm6300Twin
from simulators.access.wiegand import WiegandTwin
from simulators.gpio.kinds import pins
from simulators.lines.kinds import serial
from simulators.running import run_scene
from simulators.scene import load_scene
from tests.access_keys import credential_key, digest
from tests.conftest import GATEWAYS, ROOT
from tests.opened_store import opened
from tests.running_agent import MAYAK, Agent

GATEWAY = GATEWAYS[0]
PAGE = ROOT / "drivers" / "access" / "README.md"
HEAD = """\
[gateway]
id = "{gateway}"
[store]
path = "var/store.db"
max_mib = 16
seal_every_s = 0.1
[keys]
device_key = "{keys}/gateways/{gateway}/device.key"
device_certificate = "{keys}/gateways/{gateway}/device.pem"
[[consumer]]
id = "guard"
audiences = ["operations", "personal"]
hpke_keys = ["{keys}/guard-hpke.pub"]
sign_keys = ["{keys}/guard-sign.pem"]
[uplink]
consumer = "guard"
host = "127.0.0.1"
port = 1
tls = false
"""


def example() -> str:
    [block] = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


@pytest.fixture
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    Authority.create(folder, SystemClock(), gateways=[GATEWAY], consumers=[ConsumerId("guard")])
    return folder


async def test_every_reader_of_the_page_is_heard_by_the_agent(tmp_path: Path, keys: Path) -> None:
    scene = load_scene("access")
    (tmp_path / "keys").mkdir()
    credential_key(tmp_path / "keys")
    for twin in scene.twin:
        if isinstance(twin, OsdpOptions):
            path = tmp_path / "keys" / f"{twin.id}.key"
            path.write_text(twin.key or "", encoding="ascii")
            path.chmod(0o600)
    async with run_scene(scene) as running:
        board = pins(running.lines["gate-pins"]).address
        site = (
            example()
            .replace(
                "/dev/serial/by-id/usb-FTDI_FT232R-if00-port0",
                serial(running.lines["entrance-485"]).address.path,
            )
            .replace("/dev/ttyAMA0", serial(running.lines["staff-door"]).address.path)
            .replace(
                'medium = "gpio"',
                f'medium = "gpio"\nfactory = "pigpio"\nhost = "{board.host}"\nport = {board.port}',
            )
        )
        file = tmp_path / "site.toml"
        file.write_text(HEAD.format(gateway=GATEWAY, keys=keys) + site, encoding="utf-8")
        with (tmp_path / "agent.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *MAYAK, "run", str(file), stdout=log, stderr=log, cwd=tmp_path
            )
        agent = Agent(process, file, tmp_path / "var" / "store.db", tmp_path / "agent.log")
        try:
            inside, out = running.twin("entrance-in"), running.twin("entrance-out")
            staff, gate = running.twin("staff-reader"), running.twin("gate-reader")
            assert isinstance(inside, OsdpTwin)
            assert isinstance(out, OsdpTwin)
            assert isinstance(staff, Rdm6300Twin)
            assert isinstance(gate, WiegandTwin)
            await agent.until(lambda: inside.reader.secure and out.reader.secure, "channels")

            async def all_there() -> bool:
                values = await agent.values()
                devices = ("entrance-in", "entrance-out", "staff-reader", "gate-reader")
                return all((device, "credentials") in values for device in devices)

            await agent.until(all_there, "all devices")
            inside.card(200, 1)
            out.card(200, 2)
            staff.card(200, 3)
            gate.card(200, 3)
            gate.press("2468#")
            wanted = {
                ("entrance-in", "entrance", digest(b"facility-16:200:1")),
                ("entrance-out", "exit", digest(b"facility-16:200:2")),
                ("staff-reader", "reader", digest(b"facility-16:200:3")),
                ("gate-reader", "gate", digest(b"facility-16:200:3")),
                ("gate-reader", "gate", digest(b"pin:2468")),
            }

            def told() -> set[tuple[str, str, str]]:
                return {
                    (str(event.device), str(event.args["reader"]), str(event.args["digest"]))
                    for batch in opened(agent.store, keys / "guard-hpke.key", "guard")
                    for event in batch.contents.events
                    if event.key == "credential"
                }

            with suppress(AssertionError):  # a busy machine takes its time: asked once more
                await agent.until(lambda: wanted <= told(), "every credential")
            await agent.until(lambda: wanted <= told(), "every credential")
            assert not agent.logged("device-lost")
            assert await agent.stop() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
