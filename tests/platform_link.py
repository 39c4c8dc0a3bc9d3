"""The receiver as a process, and a gateway that repeats until it is acknowledged."""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from paho.mqtt.enums import CallbackAPIVersion

from provisioning.authority import Authority
from simulators.platform.cli import app
from tests.broker import Mosquitto
from tests.conftest import ROOT
from tests.unit.simulators.platform.platform_sender import Sender, open_ack

RUN = "import sys; from simulators.platform.cli import app; app()"
POINTS = [["answers", "1", 1, 1, 0, None], ["u", "V", 2, 1, 0, None]]
WITHIN_S = 15.0


class Receiver:
    """`mayak platform run` as a process, started as often as a test likes."""

    def __init__(
        self,
        broker: Mosquitto,
        authority: Authority,
        db: str | Path,
        folder: Path,
        *more: str,
        name: str = "receiver",
        hpke: Sequence[str] = ("city-hpke",),
    ) -> None:
        keys = authority.folder
        self.db = db
        self.ready = folder / f"{name}.ready"
        self.log = folder / f"{name}.log"
        self._command = [
            *(sys.executable, "-c", RUN, "run", "--json", "--db", str(db)),
            *("--broker", f"127.0.0.1:{broker.port}", "--consumer", "city"),
            *(word for each in hpke for word in ("--hpke-key", str(keys / f"{each}.key"))),
            *("--sign-key", str(keys / "city-sign.key"), "--city-ca", str(keys / "ca.pem")),
            *("--ready", str(self.ready), *more),
        ]
        if broker.authority is not None:
            self._command += [
                *("--tls-ca", str(keys / "ca.pem")),
                *("--tls-cert", str(keys / "platform-city.pem")),
                *("--tls-key", str(keys / "platform-city.key")),
            ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and return once it has subscribed."""
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """Start it and do not wait."""
        self.ready.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
            )

    def await_ready(self) -> None:
        """Return once it has subscribed."""
        until = time.monotonic() + WITHIN_S
        while not self.ready.exists():
            assert self.running(), self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.01)

    def end(self, number: int) -> int:
        """Send a signal and return the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(WITHIN_S)
        self._process = None
        return code

    def running(self) -> bool:
        """Say whether it runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it if it still runs."""
        if self._process is not None:
            self.end(signal.SIGKILL)

    def events(self) -> list[dict[str, Any]]:
        """Return the lines it logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def _become_receiver(words: list[str], log: str) -> None:
    """Be the process that `words` would start."""
    target = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(target, stream)
    app(words)


class WarmReceiver(Receiver):
    """Likewise, forked from a process that has imported everything: it may die often."""

    _forked: BaseProcess | None = None

    def launch(self) -> None:
        """Start it and do not wait."""
        self.ready.unlink(missing_ok=True)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__, "simulators.platform.postgres_database"])
        words = self._command[self._command.index("run") :]
        self._forked = context.Process(target=_become_receiver, args=(words, str(self.log)))
        self._forked.start()

    def running(self) -> bool:
        """Say whether it runs."""
        return self._forked is not None and self._forked.is_alive()

    def end(self, number: int) -> int:
        """Send a signal and return the exit code."""
        forked = self._forked
        assert forked is not None
        assert forked.pid is not None
        os.kill(forked.pid, number)
        forked.join(WITHIN_S)
        code = forked.exitcode
        assert code is not None
        forked.close()
        self._forked = None
        return code

    def kill(self) -> None:
        """End it if it still runs."""
        if self._forked is not None:
            self.end(signal.SIGKILL)


class Gateway:
    """Publishes what is not acknowledged, again and again."""

    def __init__(self, broker: Mosquitto, authority: Authority, sender: Sender) -> None:
        self.sender = sender
        self._unsettled: dict[int, bytes] = {}
        self._all_records: dict[bytes, bytes] = {}
        self._records: dict[bytes, bytes] = {}
        """Those not acknowledged."""
        self.renew()
        self._acks: queue.Queue[bytes] = queue.Queue()
        key = load_pem_public_key((authority.folder / "city-sign.pem").read_bytes())
        assert isinstance(key, ec.EllipticCurvePublicKey)
        self._platform = key
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        if broker.authority is not None:
            folder = authority.folder / "gateways" / sender.gateway
            context = broker.client_context(folder / "device.pem", folder / "device.key")
            self._client.tls_set_context(context)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda c, *_: c.subscribe(f"mayak/1/{sender.gateway}/down/ack", 1)
        self._client.on_message = lambda _c, _u, m: self._acks.put(bytes(m.payload))
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()

    def renew(self) -> None:
        """Begin a new epoch."""
        self.epoch, record = self.sender.epoch(POINTS)
        self._records[self.epoch.id] = self._all_records[self.epoch.id] = record

    @property
    def unsettled(self) -> int:
        """Return how many batches are not acknowledged."""
        return len(self._unsettled)

    def add(self, count: int) -> None:
        """Seal batches; nothing is sent yet."""
        for _ in range(count):
            number = self.sender.sequences.get((3, "operations"), 0) + 1
            batch = self.sender.batch(self.epoch, [(0, 0, [number, 1.5], {})])
            self._unsettled[number] = batch

    def send(self) -> None:
        """Publish a hello, the epoch records and all batches that are not settled."""
        kept = min(self._unsettled, default=self.sender.sequences[3, "operations"] + 1)
        hello = self.sender.hello(oldest=kept, kept=2 * len(self._unsettled))
        self._client.publish(self.sender.topic("hello"), hello, 1)
        for record in list(self._records.values()):
            self._client.publish(self.sender.topic("epoch"), record, 1)
        for batch in list(self._unsettled.values()):
            self._client.publish(self.sender.topic("data"), batch, 1)

    def settle(self, within_s: float = 0.5) -> bool:
        """Take acknowledgements for a while; say whether all is settled."""
        until = time.monotonic() + within_s
        while self._unsettled and (left := until - time.monotonic()) > 0:
            try:
                ack = open_ack(self._acks.get(timeout=left), self._platform)
            except queue.Empty:
                break
            for epoch in ack[7]:
                self._records.pop(epoch, None)
            for epoch in ack[8]:
                self._records[epoch] = self._all_records[epoch]
            for _, _, contiguous, _ in ack[6]:
                self._unsettled = {n: b for n, b in self._unsettled.items() if n > contiguous}
        return not self._unsettled

    def deliver(self) -> None:
        """Repeat until all is settled."""
        until = time.monotonic() + WITHIN_S
        self.send()
        while not self.settle():
            assert time.monotonic() < until, f"{len(self._unsettled)} not acknowledged"
            self.send()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()
