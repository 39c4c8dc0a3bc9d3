"""The real agent under the recorder: `mayak run` with twins, a broker and the receiver around it.

What it sent had been committed; what the platform acknowledged may be gone. Both are read from the
connection itself, so the link is plain MQTT on the loopback.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from gateway import cli
from simulators.demo.sites import GATEWAY, site_of
from simulators.programs.children import Child, Children, mayak
from simulators.programs.parts import Parts
from simulators.programs.site_file import CONSUMER
from tests import broker
from tests.powercut import bugs
from tests.powercut.promises import StorePromises
from tests.powercut.recording import (
    ROOT,
    Recording,
    RecordingError,
    leave_old_store,
)

SETTLED_WITHIN_S: Final = 90.0
"""The agent comes back to a link that was cut with full jitter."""
DEAD_WITHIN_S: Final = 60.0
ASK_S: Final = 0.2
BATCHES_LEAST: Final = 8


@dataclass(frozen=True, slots=True)
class Play:
    """How long each part of the run lasts."""

    first_s: float
    outage_s: float
    kill_at_sync: int
    """0: it is not killed."""
    last_s: float
    """Over a minute, and the epoch changes in it."""
    bug: str = "none"


SHORT: Final = Play(first_s=2, outage_s=1, kill_at_sync=6, last_s=2)
LONG: Final = Play(first_s=15, outage_s=6, kill_at_sync=25, last_s=70)


def with_bug(bug: str) -> Play:
    """Return a short run in which the agent has a bug of `bugs`."""
    return Play(first_s=5, outage_s=2, kill_at_sync=0, last_s=3, bug=bug)


def record(library: Path, folder: Path, play: Play) -> Recording:
    """Run the site and return what the agent did to its store.

    Raises:
        RecordingError: it did not do enough to be judged.
        ChildError: a part did not start.
    """
    recording = Recording(library, folder / "var", folder / "agent")
    recording.folder.mkdir()
    leave_old_store(recording)
    asyncio.run(_play(recording, folder, play))
    promised = StorePromises()
    for entry in recording.entries():
        promised.note(entry)
    sent = sum(len(batches) for batches in promised.batches.values())
    if sent < BATCHES_LEAST or not any(promised.released.values()):
        msg = f"the agent sent {sent} batches; acknowledged up to {promised.released}"
        raise RecordingError(msg)
    return recording


async def _play(recording: Recording, folder: Path, play: Play) -> None:
    children = Children(folder)
    parts = Parts(children, GATEWAY)
    program = broker.find()
    if program is None:
        msg = "mosquitto is not installed"
        raise RecordingError(msg)
    (folder / "broker").mkdir()
    mosquitto = broker.Mosquitto(program, folder / "broker")
    mosquitto.start()
    try:
        await parts.new_keys()
        await _platform(parts, mosquitto.port)
        proxy, port = await parts.proxy(mosquitto.port)
        _, lines = await parts.twins("lighting")
        where = {name: line["site"] for name, line in lines.items()}
        site = folder / "site.toml"
        site.write_text(_plain(site_of("lighting", where, port)), encoding="utf-8")
        start = partial(_agent, children, recording, mayak("run", str(site)), port)
        if play.bug != "none":
            command = [sys.executable, "-m", "tests.powercut.agent", play.bug, "run", str(site)]
            start = partial(_agent, children, recording, command, port)
        agent = await start()
        await asyncio.sleep(play.first_s)
        proxy.tell({"mode": "cut"})
        await asyncio.sleep(play.outage_s)
        proxy.tell({"mode": "pass"})
        await _settled(parts)
        await _stop(agent)
        if play.kill_at_sync:
            await _killed(await start(kill_at_sync=play.kill_at_sync))
        agent = await start()
        await asyncio.sleep(play.last_s)
        await _settled(parts)
        await _stop(agent)
    finally:
        await children.stop_all()
        mosquitto.stop()


async def _platform(parts: Parts, port: int) -> None:
    ready = parts.folder / "platform.ready"
    keys = parts.keys
    child = await parts.children.start(
        "platform",
        mayak(
            "platform", "run", "--db", str(parts.database), "--broker", f"127.0.0.1:{port}",
            "--hpke-key", str(keys / f"{CONSUMER}-hpke.key"),
            "--sign-key", str(keys / f"{CONSUMER}-sign.key"),
            "--city-ca", str(keys / "ca.pem"), "--consumer", CONSUMER, "--ready", str(ready),
        ),
    )  # fmt: skip
    await parts.children.ready(child, ready)


def _plain(site: str) -> str:
    """Return the site file without TLS, which is allowed on the loopback only."""
    plain = site.replace('host = "localhost"', 'host = "127.0.0.1"')
    plain = plain.replace('ca = "keys/ca.pem"', "tls = false")
    if plain.count("tls = false") != 1:
        msg = "the demo's site file has another uplink"
        raise RecordingError(msg)
    return plain


async def _agent(
    children: Children,
    recording: Recording,
    command: Sequence[str],
    port: int,
    *,
    kill_at_sync: int = 0,
) -> Child:
    """Start the agent under the recorder."""
    more = {"POWERCUT_PORT": str(port), "PYTHONPATH": str(ROOT)}
    if kill_at_sync:
        more["POWERCUT_KILL_AT_SYNC"] = str(kill_at_sync)
    around = [f"{name}={value}" for name, value in recording.variables(**more).items()]
    return await children.start("agent", ["env", *around, *command])


async def _killed(agent: Child) -> None:
    async with asyncio.timeout(DEAD_WITHIN_S):
        code = await agent.process.wait()
    if code != -signal.SIGKILL:
        msg = f"the agent was to be killed and ended with {code}:\n{agent.last_words()}"
        raise RecordingError(msg)


async def _settled(parts: Parts) -> None:
    """Wait until little is unsettled, but not for ever: a poll a second goes on."""
    try:
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while True:
                status = await parts.ask({"do": "status"})
                if status is not None and status["connected"] and status["unsettled"] <= 1:
                    return
                await asyncio.sleep(ASK_S)
    except TimeoutError as error:
        msg = "the platform does not acknowledge what the agent sent"
        raise RecordingError(msg) from error


async def _stop(agent: Child) -> None:
    code = await agent.stop()
    if code:
        msg = f"the agent ended with {code}:\n{agent.last_words()}"
        raise RecordingError(msg)


def main() -> int:
    """Run `mayak` with a bug: `python -m tests.powercut.agent BUG run SITE.toml`."""
    with bugs.BUGS[sys.argv.pop(1)]():
        return cli.main()


if __name__ == "__main__":
    sys.exit(main())
