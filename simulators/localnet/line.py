"""A local broker as a scene knows it: a process of its own, and the twins that use it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from simulators.faults import Flood
from simulators.grounds import Grounds
from simulators.localnet.client import Place
from simulators.localnet.options import BrokerTwinOptions, LocalBrokerSpec
from simulators.localnet.twins import MqttTwin
from simulators.truth import TruthJournal
from simulators.twin import InPlay, Twin

READY_WITHIN_S: Final = 20.0
POLL_S: Final = 0.02
AGAIN_S: Final = 0.2
"""How often a twin without a connection knocks."""
STOP_WITHIN_S: Final = 5.0
EXTRA_PATH: Final = "/usr/sbin:/usr/local/sbin"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker listens."""

    host: str
    port: int


class BrokerTwin(Twin):
    """The broker, for faults that befall it."""

    def __init__(self, options: BrokerTwinOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options.id, truth)

    def power_on(self) -> None:
        """Have nothing to reset: it forgets what it kept."""

    def advance(self, now_s: float) -> None:
        """Have nothing that moves by itself."""

    def about(self) -> dict[str, object]:
        """Return nothing beside its counts."""
        return {}


class RunningBroker:
    """The broker of a running scene."""

    medium: Final = "mqtt-local"

    def __init__(self, spec: LocalBrokerSpec, folder: Path) -> None:
        """Take the scene's words for it, and a folder for its configuration."""
        self._spec: Final = spec
        self._folder: Final = folder
        self._port: Final = spec.port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._twins: Final[list[MqttTwin]] = []
        self._timers: Final[dict[object, asyncio.TimerHandle]] = {}
        self.broker: BrokerTwin | None = None
        self._began = False
        self._retired = False

    @property
    def address(self) -> BrokerAddress:
        """Return where it listens."""
        return BrokerAddress(self._spec.host, self._port)

    def words(self) -> tuple[str, str]:
        """Return the port, and whether it is open."""
        runs = self._process is not None or self._spec.program == "none"
        return f"{self._spec.host}:{self._port}", "listening" if runs else "refuses"

    def join(self, twin: MqttTwin) -> None:
        """Take a device."""
        self._twins.append(twin)

    async def refresh(self) -> None:
        """Run the broker, or not while it is off; and let devices that are off be gone.

        Raises:
            OSError: the broker does not start.
        """
        if self._retired:
            return
        if self.broker is not None and self.broker.off:
            self._stop()
        elif self._process is None and self._spec.program != "none":
            await self._start()
        for twin in self._twins:
            if twin.off:
                twin.client.drop()
        if not self._began:
            self._began = True
            for twin in self._twins:
                self._turn(twin)

    def babble(self, twin: Twin, held: InPlay) -> None:
        """Let a device say the same again and again for as long as the fault holds."""
        fault = held.fault
        if self._retired or held not in twin.faults or not isinstance(fault, Flood):
            self._timers.pop(held, None)
            return
        if isinstance(twin, MqttTwin):
            twin.tell()
        loop = asyncio.get_running_loop()
        self._timers[held] = loop.call_later(fault.every_s, self.babble, twin, held)

    def retire(self) -> None:
        """End it for good."""
        self._retired = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for twin in self._twins:
            twin.client.close()
        self._stop()

    def _turn(self, twin: MqttTwin) -> None:
        """Let a device tell what it has to tell, or look for the broker."""
        loop = asyncio.get_running_loop()
        twin.advance(loop.time())
        wait_s = twin.interval_s
        if not twin.off and not twin.client.connected:
            if twin.client.connect(Place(self._spec.host, self._port)):
                twin.arrived()
            else:
                wait_s = AGAIN_S
        if twin.off:
            wait_s = AGAIN_S
        elif twin.client.connected:
            twin.tell()
        self._timers[twin] = loop.call_later(wait_s, self._turn, twin)

    async def _start(self) -> None:
        process = self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - started at once, no shell
            self._command(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                while not self._listens():
                    if process.poll() is not None:
                        msg = f"line {self._spec.id}: the broker ended at once"
                        raise OSError(msg)
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            msg = f"line {self._spec.id}: the broker does not listen on port {self._port}"
            raise OSError(msg) from error

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self._spec.host, self._port)) == 0

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _command(self) -> list[str]:
        program = self._spec.program
        mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path=EXTRA_PATH)
        if program == "mosquitto" and mosquitto is None:
            msg = 'mosquitto is not installed; program = "iotcore" needs the extra demo'
            raise OSError(msg)
        if mosquitto is not None and program in {"auto", "mosquitto"}:
            path = self._folder / f"{self._spec.id}.conf"
            path.write_text(
                f"listener {self._port} {self._spec.host}\nallow_anonymous true\n"
                "persistence false\nuser root\n",
                encoding="utf-8",
            )
            return [mosquitto, "-c", str(path)]
        path = self._folder / f"{self._spec.id}.toml"
        path.write_text(
            "id = 0\n[router]\nid = 0\nmax_connections = 100\nmax_outgoing_packet_count = 200\n"
            "max_segment_size = 10485760\nmax_segment_count = 4\n"
            f'[v4.1]\nname = "local"\nlisten = "{self._spec.host}:{self._port}"\n'
            "next_connection_delay_ms = 1\n[v4.1.connections]\nconnection_timeout_ms = 60000\n"
            "max_payload_size = 1100000\nmax_inflight_count = 100\ndynamic_filters = true\n",
            encoding="utf-8",
        )
        return [sys.executable, "-m", "iotcore", "--config", str(path), "--log-level", "ERROR"]


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def lay(spec: LocalBrokerSpec, grounds: Grounds) -> RunningBroker:
    """Return the line."""
    return RunningBroker(spec, grounds.folder)


def broker(line: object) -> RunningBroker:
    """Return a line that a kind of twin asked for as `mqtt-local`.

    Raises:
        TypeError: it is another kind of line.
    """
    if not isinstance(line, RunningBroker):
        msg = f"{type(line).__name__} is no broker"
        raise TypeError(msg)
    return line
