"""The receiver as a process on a real broker, with a gateway that repeats until acknowledged."""

from __future__ import annotations

import json
import queue
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from paho.mqtt.enums import CallbackAPIVersion

from provisioning.authority import Authority
from simulators.platform.audit import audit
from simulators.platform.receiver import Broker, Tls
from tests.broker import Mosquitto
from tests.conftest import GATEWAYS, ROOT
from tests.unit.simulators.platform.platform_sender import Sender, open_ack

RUN = "import sys; from simulators.platform.cli import app; app()"
POINTS = [["answers", "1", 1, 1, 0, None], ["u", "V", 2, 1, 0, None]]
WITHIN_S = 15.0


class Receiver:
    """`mayak platform run` as a process, started as often as a test likes."""

    def __init__(self, broker: Mosquitto, authority: Authority, folder: Path, *more: str) -> None:
        keys = authority.folder
        self.db = folder / "platform.db"
        self.ready = folder / "ready"
        self.log = folder / "receiver.log"
        self._command = [
            *(sys.executable, "-c", RUN, "run", "--json", "--db", str(self.db)),
            *("--broker", f"127.0.0.1:{broker.port}", "--consumer", "city"),
            *("--hpke-key", str(keys / "city-hpke.key")),
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
        self.ready.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
            )
        until = time.monotonic() + WITHIN_S
        while not self.ready.exists():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.01)

    def end(self, number: int) -> int:
        """Send a signal and return the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        code = self._process.wait(WITHIN_S)
        self._process = None
        return code

    def kill(self) -> None:
        """End it if it still runs."""
        if self._process is not None:
            self.end(signal.SIGKILL)

    def events(self) -> list[dict[str, Any]]:
        """Return the lines it logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


class Gateway:
    """Publishes what is not acknowledged, again and again."""

    def __init__(self, broker: Mosquitto, authority: Authority, sender: Sender) -> None:
        self.sender = sender
        self.epoch, record = sender.epoch(POINTS)
        self._unsettled: dict[int, bytes] = {}
        self._record: bytes | None = record
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

    def add(self, count: int) -> None:
        """Seal batches; nothing is sent yet."""
        for _ in range(count):
            number = self.sender.sequences.get((3, "operations"), 0) + 1
            batch = self.sender.batch(self.epoch, [(0, 0, [number, 1.5], {})])
            self._unsettled[number] = batch

    def send(self) -> None:
        """Publish a hello, the epoch record and all that is not settled."""
        kept = min(self._unsettled, default=self.sender.sequences[3, "operations"] + 1)
        hello = self.sender.hello(oldest=kept, kept=2 * len(self._unsettled))
        self._client.publish(self.sender.topic("hello"), hello, 1)
        if self._record is not None:
            self._client.publish(self.sender.topic("epoch"), self._record, 1)
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
            if self.epoch.id in ack[7]:
                self._record = None
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


@contextmanager
def scene(
    broker: Mosquitto, authority: Authority, folder: Path, *more: str
) -> Iterator[tuple[Receiver, Gateway]]:
    receiver = Receiver(broker, authority, folder, *more)
    gateway = Gateway(broker, authority, Sender.of(authority, GATEWAYS[0]))
    try:
        receiver.start()
        yield receiver, gateway
    finally:
        gateway.close()
        receiver.kill()


def verdict(receiver: Receiver, gateway: Gateway, batches: int) -> None:
    gateway.send()  # the last hello: all is settled
    until = time.monotonic() + WITHIN_S
    while not (total := audit(receiver.db, late_after_ms=1000).total).clean:
        assert time.monotonic() < until, total
        time.sleep(0.05)
    assert (total.account.stored, total.reordered) == (2 * batches, 0)


def test_over_mutual_tls_all_is_acknowledged_and_sigterm_ends_it_cleanly(
    mosquitto: Callable[..., Mosquitto], authority: Authority, tmp_path: Path
) -> None:
    broker = mosquitto(authority)
    with scene(broker, authority, tmp_path) as (receiver, gateway):
        gateway.add(200)
        gateway.deliver()
        verdict(receiver, gateway, 200)
        assert receiver.end(signal.SIGTERM) == 0
        events = receiver.events()
        assert [event["event"] for event in events] == ["start", "link_up", "stop"]
        assert events[-1]["readings"] == 400


def test_a_receiver_killed_again_and_again_loses_nothing_it_acknowledged(
    mosquitto: Callable[..., Mosquitto], authority: Authority, tmp_path: Path
) -> None:
    broker = mosquitto()
    with scene(broker, authority, tmp_path) as (receiver, gateway):
        for delay_s in (0.0, 0.02, 0.05):
            gateway.add(60)
            gateway.send()
            gateway.settle(delay_s)
            receiver.end(signal.SIGKILL)
            gateway.add(20)
            gateway.send()  # nobody listens
            receiver.start()
        gateway.deliver()
        verdict(receiver, gateway, 240)


def test_a_broker_that_comes_back_finds_the_receiver_again(
    mosquitto: Callable[..., Mosquitto], authority: Authority, tmp_path: Path
) -> None:
    broker = mosquitto()
    with scene(broker, authority, tmp_path, "--share", "receivers") as (receiver, gateway):
        gateway.add(20)
        gateway.deliver()
        broker.kill()
        broker.start()
        gateway.add(20)
        gateway.deliver()
        verdict(receiver, gateway, 40)
        names = [event["event"] for event in receiver.events()]
        assert names[:3] == ["start", "link_up", "link_down"]
        assert names[-1] == "link_up"


def test_a_client_certificate_of_a_stranger_is_named_in_the_log(
    mosquitto: Callable[..., Mosquitto], authority: Authority, tmp_path: Path
) -> None:
    broker = mosquitto(authority)
    tls = Tls(authority.folder / "ca.pem")
    assert Broker("127.0.0.1", broker.port, tls).topic == "mayak/1/+/up/+"
    without = subprocess.Popen(
        [
            *(sys.executable, "-c", RUN, "run", "--db", str(tmp_path / "p.db")),
            *("--broker", f"127.0.0.1:{broker.port}"),
            *("--hpke-key", str(authority.folder / "city-hpke.key")),
            *("--sign-key", str(authority.folder / "city-sign.key")),
            *("--city-ca", str(authority.folder / "ca.pem")),
            *("--tls-ca", str(authority.folder / "ca.pem")),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert without.stdout is not None
        line = next(line for line in without.stdout if "link_down" in line)
        assert "certificate" in line.lower()
        without.send_signal(signal.SIGTERM)
        assert without.wait(WITHIN_S) == 0
    finally:
        without.kill()
        without.communicate()


@pytest.mark.parametrize("wrong", ["--city-ca", "--sign-key", "--hpke-key", "--broker"])
def test_a_receiver_that_cannot_start_says_which_file(
    wrong: str, authority: Authority, tmp_path: Path
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        options = {
            "--db": str(tmp_path / "p.db"),
            "--broker": f"127.0.0.1:{unused.getsockname()[1]}",
            "--hpke-key": str(authority.folder / "city-hpke.key"),
            "--sign-key": str(authority.folder / "city-sign.key"),
            "--city-ca": str(authority.folder / "ca.pem"),
            wrong: str(tmp_path / "missing"),
        }
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                RUN,
                "run",
                *(part for pair in options.items() for part in pair),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
    assert done.returncode == 78
    assert "missing" in done.stderr
