"""A personal reading goes through the whole agent and is nowhere to be read on the way.

The agent is a process of its own; the device answers with values that nothing else would contain.
They are sought, in every form, in all files it writes (database, WAL, shm, logs, temporary files),
in what it holds open, in what it sends, in the answers at its door.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import string
import struct
from asyncio.subprocess import create_subprocess_exec
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.local_api.control import control_path
from gateway.model.clock import SystemClock
from gateway.model.ids import ConsumerId
from provisioning.authority import Authority
from simulators.platform.keys import Opener, load_opening_key
from tests.broker import Mosquitto
from tests.canary import (
    Canaries,
    all_found,
    files_below,
    files_open_in,
    forms_of_float,
    forms_of_integer,
    forms_of_text,
)
from tests.conftest import GATEWAYS, ROOT
from tests.opened_store import epochs_in, opened
from tests.running_agent import MAYAK, Agent

GATEWAY = GATEWAYS[0]
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PROFILE = """\
name = "badge-reader"
title = { ru = "Считыватель", en = "Badge reader" }
[source]
document = "tests/fault/test_canary.py"
edition = "1"
where = "beside the test"
[groups]
fast = 0.1
[[point]]
name = "badge"
table = "input"
address = 0
type = "string"
length = 16
audience = "personal"
[[point]]
name = "account"
table = "input"
address = 8
type = "u64"
audience = "personal"
[[point]]
name = "weight"
table = "input"
address = 12
type = "float32"
audience = "personal"
[[point]]
name = "temperature"
table = "input"
address = 14
type = "float32"
audience = "personal"
[[point]]
name = "door"
table = "input"
address = 16
type = "string"
length = 16
[[point]]
name = "owner"
table = "holding"
address = 0
type = "u64"
audience = "personal"
writable = true
"""


@dataclass
class Reader:
    """A badge reader on Modbus TCP, and the values that nothing else would contain."""

    badge: str
    account: int
    weight: float
    temperature: float
    door: str
    broken: bool = False
    """Answers are of the wrong length, with all values in them."""
    owner: bytes = bytes(8)
    asked: int = 0
    port: int = 0

    @classmethod
    def made(cls, rng: random.Random) -> Reader:
        def word(length: int) -> str:
            return "".join(rng.choices(string.ascii_letters + string.digits, k=length))

        def float32() -> float:
            exact: float = struct.unpack(">f", struct.pack(">f", rng.uniform(1e3, 1e6)))[0]
            return exact

        return cls(word(16), rng.randrange(2**58, 2**60), float32(), float32(), word(16))

    @property
    def canaries(self) -> Canaries:
        return Canaries(
            {"badge": forms_of_text(self.badge), "account": forms_of_integer(self.account)},
            (forms_of_float(self.weight), forms_of_float(self.temperature)),
        )

    @property
    def registers(self) -> bytes:
        numbers = struct.pack(">Qff", self.account, self.weight, self.temperature)
        return self.badge.encode() + numbers + self.door.encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client. Source: MODBUS Application Protocol V1.1b3 §6.3, §6.4, §6.12."""
        try:
            while True:
                head = await reader.readexactly(7)
                request = await reader.readexactly(int.from_bytes(head[4:6], "big") - 1)
                answer = self._answer(request)
                writer.write(head[:4] + struct.pack(">HB", len(answer) + 1, head[6]) + answer)
        except asyncio.IncompleteReadError:
            writer.close()

    def _answer(self, request: bytes) -> bytes:
        self.asked += 1
        function, start, count = struct.unpack_from(">BHH", request)
        if function == 16:
            self.owner = request[6:14]
            return request[:5]
        words = self.owner if function == 3 else self.registers
        data = words[2 * start : 2 * (start + count)]
        if self.broken:  # a count that does not fit what follows
            return bytes((function, len(data) + 2)) + self.registers
        return bytes((function, len(data))) + data


@dataclass
class Tap:
    """A way to the broker that keeps what went over it."""

    to: int
    passed: bytearray = field(default_factory=bytearray)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, out = await asyncio.open_connection("127.0.0.1", self.to)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pass_on(reader, out))
            group.create_task(self._pass_on(back, writer))

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(65_536):
                self.passed += chunk
                sink.write(chunk)
        except ConnectionError:
            pass  # the agent was killed: the other side is told below
        sink.close()


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """Listen on a free port of the loopback."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


def site_file(keys: Path, device: int, broker: int) -> str:
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
port = {broker}
tls = false
[[line]]
id = "net"
medium = "tcp"
host = "127.0.0.1"
port = {device}
[[device]]
id = "reader-1"
line = "net"
driver = "modbus"
profile = "badge-reader"
heartbeat_s = 1
"""


@pytest.fixture
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of a gateway and of two consumers, outside of the folder that is searched."""
    folder = tmp_path_factory.mktemp("keys")
    consumers = [ConsumerId("city"), ConsumerId("guard")]
    Authority.create(folder, SystemClock(), gateways=[GATEWAY], consumers=consumers)
    return folder


async def ask_all(agent: Agent, value: int) -> bytes:
    """Ask everything that can be asked at the door; return the answers as they came."""
    requests = [
        {"do": "status"},
        {"do": "values"},
        {"do": "plan", "device": "reader-1"},
        {"do": "read", "device": "reader-1"},
        {"do": "write", "device": "reader-1", "point": "owner", "value": value},
        *(
            {"do": "history", "device": "reader-1", "point": point, "since_s": 3600}
            for point in ("badge", "account", "weight", "temperature", "door", "owner")
        ),
        {"do": "nonsense"},
    ]
    door = control_path(agent.store)
    reader, writer = await asyncio.open_unix_connection(door, limit=2**22)
    answers = []
    for request in requests:
        writer.write(json.dumps(request).encode() + b"\n")
        answers.append(await reader.readline())
    writer.close()
    return b"".join(answers)


@asynccontextmanager
async def running(folder: Path, life: int) -> AsyncIterator[Agent]:
    log = folder / f"agent-{life}.log"
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


async def test_a_personal_reading_is_nowhere_to_be_read_but_at_the_consumer_entitled_to_it(
    tmp_path: Path,
    keys: Path,
    mosquitto: Callable[..., Mosquitto],
    rng: random.Random,
) -> None:
    device = Reader.made(rng)
    canaries = device.canaries
    folder = tmp_path / "box"
    (folder / "profiles").mkdir(parents=True)
    (folder / "tmp").mkdir()
    (folder / "profiles" / "badge-reader.toml").write_text(PROFILE, encoding="utf-8")
    tap = Tap(mosquitto().port)
    async with listening(device.serve) as port, listening(tap.serve) as broker:
        (folder / "site.toml").write_text(site_file(keys, port, broker), encoding="utf-8")
        async with running(folder, 1) as agent:
            await agent.until_reads(8)
            await agent.until(lambda: len(tap.passed) > 2_000, "sent to the broker")
            answers = await ask_all(agent, device.account)
            assert device.owner == device.account.to_bytes(8, "big")  # it was written
            device.broken = True
            await agent.until(lambda: agent.logged("device-lost"), "a lost device")
            broken = await ask_all(agent, device.account)
            device.broken = False
            await agent.until(lambda: agent.logged("device-back"), "the device is back")
            await agent.until_reads(8)
            assert agent.process.pid
            assert all_found(canaries, files_open_in(agent.process.pid)) == []
            assert all_found(canaries, files_below(folder)) == []
            await agent.stop(signal.SIGKILL)
        assert all_found(canaries, files_below(folder)) == []
        async with running(folder, 2) as agent:
            await agent.until_reads(8)
            await agent.stop(signal.SIGKILL)
    assert all_found(canaries, files_below(folder)) == []
    assert canaries.found("answers at the door", answers) == []
    assert canaries.found("answers while the device is broken", broken) == []
    assert canaries.found("sent to the broker", bytes(tap.passed)) == []

    # The search sees what is there: the door tells the reading that is not personal.
    assert device.door.encode() in answers
    assert (folder / "agent-1.log").read_text(encoding="utf-8").count("device-lost") == 1
    assert {name for name, _ in files_below(folder)} >= {"var/store.db", "agent-1.log"}

    # The consumer entitled to it opens it; the other one opens the rest.
    told = {name: cells_of(folder, keys, name) for name in ("guard", "city")}
    personal = {
        ("badge", device.badge),
        ("account", device.account),
        ("weight", device.weight),
        ("temperature", device.temperature),
        ("owner", device.account),
    }
    assert told["guard"] >= personal | {("door", device.door)}
    assert ("door", device.door) in told["city"]
    assert {point for point, _ in told["city"]}.isdisjoint({point for point, _ in personal})
    city = Opener("city", [load_opening_key(keys / "city-hpke.key")])
    records = epochs_in(folder / "var" / "store.db")
    for record in records:
        assert (city.open(record) is None) == (record.audience == "personal")
        wrapped = {wrap.consumer for wrap in record.wraps}
        assert wrapped == ({"guard"} if record.audience == "personal" else {"guard", "city"})
    assert {record.audience for record in records} == {"personal", "operations"}


def cells_of(folder: Path, keys: Path, consumer: str) -> set[tuple[str, object]]:
    """Return point and value of everything in the store that a consumer opens."""
    batches = opened(folder / "var" / "store.db", keys / f"{consumer}-hpke.key", consumer)
    return {(point, value) for batch in batches for _, point, _, value in batch.cells()}
