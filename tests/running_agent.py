"""The real agent as a subprocess, on a scene of twins that runs in the test's own loop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.local_api.control import Answer, ask, control_path
from gateway.model.stream import Stream
from provisioning.authority import Authority
from simulators.lines.kinds import SerialAddress
from simulators.modbus.kinds import RunningTcp
from simulators.running import Running, run_scene
from simulators.scene import parse_scene
from tests.broker import free_port
from tests.opened_store import opened

WITHIN_S: Final = 30.0
GATEWAY: Final = "nvr-lenina-12"
MAYAK: Final = (sys.executable, "-m", "gateway")

SCENE: Final = """
[[line]]
id = "net"
medium = "tcp"
[[line]]
id = "bus"
medium = "serial"
baud_rate = 57600
[[twin]]
id = "meter-1"
line = "net"
kind = "meter-3p"
unit = 1
[[twin]]
id = "relay-1"
line = "bus"
kind = "relay-4"
unit = 2
[[twin]]
id = "door-1"
line = "bus"
kind = "door"
unit = 4
"""
DEVICES: Final = {
    "meter-1": ("net", "demo-meter-3p", 1),
    "relay-1": ("bus", "demo-relay-4", 2),
    "door-1": ("bus", "demo-door", 4),
}


@dataclass(slots=True)
class Agent:
    """One life of the agent."""

    process: Process
    site: Path
    store: Path
    log_file: Path

    @property
    def log(self) -> list[dict[str, Any]]:  # Any: JSON values
        """Return what it has logged so far."""
        lines = self.log_file.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def logged(self, event: str) -> bool:
        """Say whether an event stands in the log."""
        return any(entry["event"] == event for entry in self.log)

    async def ask(self, **request: object) -> Answer | None:
        """Ask at its door; None while nobody is there."""
        return await asyncio.to_thread(ask, control_path(self.store), request, WITHIN_S)

    async def status(self) -> Answer:
        """Return its counters, nothing counted while nobody is there."""
        return await self.ask(do="status") or {"readings": 0, "lost_devices": []}

    async def values(self) -> dict[tuple[str, str], dict[str, Any]]:  # Any: JSON values
        """Return the row of each point by device and point."""
        answer = await self.ask(do="values") or {"values": []}
        return {(row["device"], row["point"]): row for row in answer["values"]}

    async def until(self, condition: Callable[[], Any], what: str = "") -> None:  # Any: truth
        """Wait until a condition holds, plain or awaited, while the agent lives."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while True:
                    answer = condition()
                    if asyncio.iscoroutine(answer):
                        answer = await answer
                    if answer:
                        return
                    if self.process.returncode is not None:
                        raise AssertionError(self._last_words("it ended"))
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(self._last_words(f"not so in time: {what}")) from None

    async def until_reads(self, more: int = 1) -> int:
        """Wait until it has committed so many values more; return how many it has."""
        before = int((await self.status())["readings"])

        async def enough() -> bool:
            return bool((await self.status())["readings"] >= before + more)

        await self.until(enough, f"{more} values more than {before}")
        return int((await self.status())["readings"])

    async def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(by)
        async with asyncio.timeout(WITHIN_S):
            return await self.process.wait()

    def _last_words(self, what: str) -> str:
        text = self.log_file.read_text(encoding="utf-8")
        return f"{what}, exit code {self.process.returncode}\n{text[-3000:]}"


@dataclass(slots=True)
class Cabinet:
    """A scene that runs, and the site file of the agent that belongs to it."""

    scene: Running
    folder: Path
    site: Path
    store: Path
    private: Path
    """Key of the city, which opens the store."""
    _lives: int = 0

    @asynccontextmanager
    async def agent(
        self, environ: Mapping[str, str] | None = None, before: Sequence[str] = ()
    ) -> AsyncIterator[Agent]:
        """Run the agent; a test that leaves it running has it killed.

        Args:
            environ: variables beside those of the test.
            before: a command that runs it in its place, as `prlimit`.
        """
        self._lives += 1
        log = self.folder / f"agent-{self._lives}.log"
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *before,
                *MAYAK,
                "run",
                str(self.site),
                stdout=file,
                stderr=file,
                env={**os.environ, **(environ or {})},
            )
        try:
            yield Agent(process, self.site, self.store, log)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    def numbers(self) -> Counter[tuple[str, int]]:
        """Return how often each number that a twin counted lies in the store.

        What the stream of states tells again after an outage is no second reading.
        """
        return Counter(
            (device, value)
            for batch in opened(self.store, self.private)
            if batch.stream is not Stream.STATE
            for device, point, _, value in batch.cells()
            if point == "answers"
        )

    def events(self) -> list[str]:
        """Return the keys of the events in the store, stream by stream, in order."""
        batches = opened(self.store, self.private)
        return [event.key for batch in batches for event in batch.contents.events]

    def assert_nothing_lost(self) -> None:
        """Check that what the twins handed out lies in the store once.

        The last number of each may still have been on the wire when the agent ended.
        """
        served, stored = self.scene.truth.entries(), self.numbers()
        last = {each.twin: each.number for each in served}
        must = {
            (each.twin, each.number)
            for each in served
            if each.certain and each.number != last[each.twin]
        }
        assert sorted(must - stored.keys()) == []
        assert [number for number, times in stored.items() if times > 1] == []

    async def mayak(self, *arguments: str) -> tuple[int, str, str]:
        """Run another command and return exit code, standard output and standard error."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*MAYAK, *arguments, stdout=pipe, stderr=pipe)
        try:
            async with asyncio.timeout(WITHIN_S):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return await process.wait(), out.decode(), err.decode()


@asynccontextmanager
async def cabinet(
    folder: Path, authority: Authority, *, broker_port: int | None = None
) -> AsyncIterator[Cabinet]:
    """Run the scene and write its site file; without a broker nothing listens there."""
    async with run_scene(parse_scene(SCENE, "cabinet")) as running:
        site = folder / "site.toml"
        text = "\n".join(_site(running, authority, broker_port or free_port()))
        site.write_text(text, encoding="utf-8")
        store = folder / "var" / "store.db"
        yield Cabinet(running, folder, site, store, authority.folder / "city-hpke.key")


def _site(running: Running, authority: Authority, broker_port: int) -> list[str]:
    keys = authority.folder
    net = running.lines["net"]
    bus = running.lines["bus"].address
    assert isinstance(net, RunningTcp)
    assert isinstance(bus, SerialAddress)
    lines = [
        "[gateway]", f'id = "{GATEWAY}"',
        "[store]", 'path = "var/store.db"', "max_mib = 16", "seal_every_s = 0.1",
        "[keys]", f'device_key = "{keys}/gateways/{GATEWAY}/device.key"',
        f'device_certificate = "{keys}/gateways/{GATEWAY}/device.pem"',
        "[[consumer]]", 'id = "city"', 'audiences = ["operations"]',
        f'hpke_keys = ["{keys}/city-hpke.pub"]', f'sign_keys = ["{keys}/city-sign.pem"]',
        "[uplink]", 'consumer = "city"', 'host = "127.0.0.1"', f"port = {broker_port}",
        "tls = false",
        "[[line]]", 'id = "net"', 'medium = "tcp"', 'host = "127.0.0.1"',
        f"port = {net.address.port}",
        "[[line]]", 'id = "bus"', 'medium = "serial"', f'port = "{bus.path}"',
        f"baud_rate = {bus.baud_rate}",
    ]  # fmt: skip
    for device, (line, profile, unit) in DEVICES.items():
        lines += [
            "[[device]]", f'id = "{device}"', f'line = "{line}"', 'driver = "modbus"',
            f'profile = "{profile}"', f"unit = {unit}", "heartbeat_s = 1", "period_s = 0.1",
            # an answer that a busy machine brings late is an answer: the twins count it as given
            "response_timeout_s = 3",
        ]  # fmt: skip
    return [*lines, ""]
