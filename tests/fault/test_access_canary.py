"""A number that a reader tells is nowhere to be found: only its keyed digest leaves the memory."""

from __future__ import annotations

import os
import random
import signal
from asyncio.subprocess import create_subprocess_exec
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.model.clock import SystemClock
from gateway.model.ids import ConsumerId
from provisioning.authority import Authority
from simulators.access.osdp.twin import OsdpTwin
from simulators.access.rdm6300 import Rdm6300Twin
from simulators.faults import Crc, Noise
from simulators.lines.kinds import serial
from simulators.running import Running, run_scene
from simulators.scene import parse_scene
from tests.access_keys import READER_KEYS, SECRET, credential_key, digest, reader_key
from tests.canary import files_below, files_open_in
from tests.conftest import GATEWAYS, ROOT
from tests.opened_store import opened
from tests.running_agent import MAYAK, Agent

GATEWAY = GATEWAYS[0]
SCENE = f"""\
[[line]]
id = "entrance"
medium = "serial"
baud_rate = 115200
[[line]]
id = "staff"
medium = "serial"
baud_rate = 9600
[[twin]]
id = "in"
line = "entrance"
kind = "osdp-reader"
address = 1
key = "{READER_KEYS[1].hex()}"
[[twin]]
id = "plain"
line = "entrance"
kind = "osdp-reader"
address = 2
secure_only = false
[[twin]]
id = "fobs"
line = "staff"
kind = "rdm6300"
"""


def site_file(keys: Path, scene: Running) -> str:
    lines = {name: serial(line).address.path for name, line in scene.lines.items()}
    return f"""\
[gateway]
id = "{GATEWAY}"
[store]
path = "var/store.db"
max_mib = 16
seal_every_s = 0.1
[keys]
device_key = "{keys}/gateways/{GATEWAY}/device.key"
device_certificate = "{keys}/gateways/{GATEWAY}/device.pem"
[[consumer]]
id = "city"
audiences = ["operations"]
hpke_keys = ["{keys}/city-hpke.pub"]
sign_keys = ["{keys}/city-sign.pem"]
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
[[line]]
id = "entrance"
medium = "osdp"
port = "{lines["entrance"]}"
baud_rate = 115200
[[line]]
id = "staff"
medium = "serial"
port = "{lines["staff"]}"
[[device]]
id = "in"
line = "entrance"
driver = "osdp"
address = 1
key = "{keys}/reader-1.key"
credential_key = "{keys}/credential.key"
period_s = 0.2
[[device]]
id = "plain"
line = "entrance"
driver = "osdp"
address = 2
secure = "off"
credential_key = "{keys}/credential.key"
period_s = 0.2
[[device]]
id = "fobs"
line = "staff"
driver = "rdm6300"
credential_key = "{keys}/credential.key"
period_s = 0.2
"""


@pytest.fixture
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of all, outside of the folder that is searched."""
    folder = tmp_path_factory.mktemp("keys")
    consumers = [ConsumerId("city"), ConsumerId("guard")]
    Authority.create(folder, SystemClock(), gateways=[GATEWAY], consumers=consumers)
    credential_key(folder)
    reader_key(folder, 1)
    return folder


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Agent]:
    log = folder / "agent.log"
    environ = {**os.environ, "TMPDIR": str(folder / "tmp"), "PYTHONPATH": str(ROOT)}
    with log.open("wb") as file:
        process = await create_subprocess_exec(
            *MAYAK, "run", str(folder / "site.toml"),
            stdout=file, stderr=file, env=environ, cwd=folder,
        )  # fmt: skip
    try:
        yield Agent(process, folder / "site.toml", folder / "var" / "store.db", log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def forms_of(number: bytes) -> dict[str, bytes]:
    """Return how a number of five bytes or more may stand in a file."""
    text = number.hex()
    spelled = {
        "raw": number,
        "backwards": number[::-1],
        "hex": text.encode(),
        "HEX": text.upper().encode(),
        "hex, spaces": number.hex(" ").encode(),
        "hex, colons": number.hex(":").encode(),
        "decimal": str(int.from_bytes(number, "big")).encode(),
        "decimal, backwards": str(int.from_bytes(number, "little")).encode(),
        "bits": f"{int.from_bytes(number, 'big'):b}".encode(),
        "list": ", ".join(map(str, number)).encode(),
        "repr": repr(number)[2:-1].encode(),
    }
    return {form: needle for form, needle in spelled.items() if len(needle) >= 5}


def finds(canaries: dict[str, bytes], places: Iterable[tuple[str, bytes]]) -> list[str]:
    return [
        f"{where}: {name} as {form}"
        for where, content in places
        for name, number in canaries.items()
        for form, needle in forms_of(number).items()
        if needle in content
    ]


def credentials_in(store: Path, keys: Path, consumer: str) -> Iterator[tuple[str, str]]:
    """Yield device and digest of each credential that a consumer can open."""
    for batch in opened(store, keys / f"{consumer}-hpke.key", consumer):
        for event in batch.contents.events:
            if event.key == "credential":
                yield str(event.device), str(event.args["digest"])


async def test_a_number_is_nowhere_and_its_digest_only_where_persons_may_be_seen(
    tmp_path: Path, keys: Path, rng: random.Random
) -> None:
    folder = tmp_path / "box"
    (folder / "tmp").mkdir(parents=True)
    card, other = rng.randbytes(8), rng.randbytes(8)
    pin = "".join(rng.choices("0123456789", k=14))
    async with (
        run_scene(parse_scene(SCENE, "test")) as scene,
        running_agent(folder, keys, scene) as agent,
    ):
        inside, plain, fobs = scene.twin("in"), scene.twin("plain"), scene.twin("fobs")
        assert isinstance(inside, OsdpTwin)
        assert isinstance(plain, OsdpTwin)
        assert isinstance(fobs, Rdm6300Twin)

        async def read(device: str) -> int:
            values = await agent.values()
            return int(values.get((device, "credentials"), {}).get("value") or 0)

        async def all_read() -> bool:
            return (await read("in"), await read("plain"), await read("fobs")) == (2, 1, 1)

        async def torn() -> bool:
            values = await agent.values()
            return int(values.get(("fobs", "refused"), {}).get("value") or 0) >= 2

        await agent.until(lambda: inside.reader.secure, "a secure channel")
        inside.reader.show(f"{int.from_bytes(card, 'big'):064b}")
        inside.reader.press(f"{pin}#")
        plain.reader.show(f"{int.from_bytes(other, 'big'):064b}")
        scene.apply("fobs", Crc())
        fob = fobs.card(rng.randrange(100, 256), rng.randrange(1 << 15, 1 << 16))
        await agent.until(torn, "frames that are torn")
        scene.clear("fobs")
        scene.apply("plain", Noise(), for_s=0.3)
        await agent.until(all_read, "all of them read")
        canaries = {"card": card, "other": other, "fob": fob, "pin": pin.encode()}
        canaries |= {"key of the site": SECRET, "key of a reader": READER_KEYS[1]}
        assert agent.process.pid
        assert finds(canaries, files_open_in(agent.process.pid)) == []
        assert finds(canaries, files_below(folder)) == []
        await agent.stop(signal.SIGTERM)
        assert finds(canaries, files_below(folder)) == []

    store = folder / "var" / "store.db"
    expected = {
        ("in", digest(b"raw-64:%x" % int.from_bytes(card, "big"))),
        ("in", digest(b"pin:" + pin.encode())),
        ("plain", digest(b"raw-64:%x" % int.from_bytes(other, "big"))),
        ("fobs", digest(b"em4100:" + fob)),
    }
    assert set(credentials_in(store, keys, "guard")) == expected
    assert list(credentials_in(store, keys, "city")) == []
    log = (folder / "agent.log").read_text(encoding="utf-8")
    assert "reader-insecure" in log  # the search sees what is told
    assert not any(made in log for _, made in expected)


@asynccontextmanager
async def running_agent(folder: Path, keys: Path, scene: Running) -> AsyncIterator[Agent]:
    (folder / "site.toml").write_text(site_file(keys, scene), encoding="utf-8")
    async with running(folder) as agent:
        yield agent
