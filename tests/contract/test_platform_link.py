"""The receiver as a process on a real broker, with a gateway that repeats until acknowledged."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioning.authority import Authority
from simulators.platform.audit import audit
from simulators.platform.receiver import Broker, Tls
from tests.broker import Mosquitto
from tests.conftest import GATEWAYS, ROOT
from tests.platform_link import RUN, WITHIN_S, Gateway, Receiver
from tests.unit.simulators.platform.platform_sender import Sender


@contextmanager
def scene(
    broker: Mosquitto, authority: Authority, db: str | Path, folder: Path, *more: str
) -> Iterator[tuple[Receiver, Gateway]]:
    receiver = Receiver(broker, authority, db, folder, *more)
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
    mosquitto: Callable[..., Mosquitto],
    authority: Authority,
    platform_db: str | Path,
    tmp_path: Path,
) -> None:
    broker = mosquitto(authority)
    with scene(broker, authority, platform_db, tmp_path) as (receiver, gateway):
        gateway.add(200)
        gateway.deliver()
        verdict(receiver, gateway, 200)
        assert receiver.end(signal.SIGTERM) == 0
        events = receiver.events()
        assert [event["event"] for event in events] == ["start", "link_up", "stop"]
        assert events[-1]["readings"] == 400


def test_a_receiver_killed_again_and_again_loses_nothing_it_acknowledged(
    mosquitto: Callable[..., Mosquitto],
    authority: Authority,
    platform_db: str | Path,
    tmp_path: Path,
) -> None:
    broker = mosquitto()
    with scene(broker, authority, platform_db, tmp_path) as (receiver, gateway):
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
    mosquitto: Callable[..., Mosquitto],
    authority: Authority,
    platform_db: str | Path,
    tmp_path: Path,
) -> None:
    broker = mosquitto()
    with scene(broker, authority, platform_db, tmp_path, "--share", "receivers") as (
        receiver,
        gateway,
    ):
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
