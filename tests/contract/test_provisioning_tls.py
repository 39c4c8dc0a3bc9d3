"""The certificates as TLS 1.3 peers see them: the standard library's ssl, and a real mosquitto."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.model.clock import SystemClock
from gateway.model.ids import GatewayId
from provisioning.authority import Authority
from tests.broker import Mosquitto
from tests.conftest import GATEWAYS

HELLO = b"hello"
WAIT_S = 5.0

MQTT5_CONNECT = bytes.fromhex("10 10 0004 4d515454 05 02 003c 00 0003 616263")
"""CONNECT (MQTT 5.0 §3.1): clean start, keep alive 60 s, no properties, client id `abc`."""
CONNACK_SUCCESS = (0x20, 0x00)
"""First byte of CONNACK, and its reason code at byte 3 (§3.2.2.2)."""


def server_context(authority: Authority) -> ssl.SSLContext:
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=authority.folder / "ca.pem"
    )
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_cert_chain(authority.folder / "broker.pem", authority.folder / "broker.key")
    return context


def client_context(authority: Authority, identity: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.folder / "ca.pem")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if identity is not None:
        context.load_cert_chain(identity, identity.with_suffix(".key"))
    return context


def device(authority: Authority, gateway: GatewayId) -> Path:
    return authority.folder / f"gateways/{gateway}/device.pem"


class Greeter:
    """Takes one TLS connection on the loopback, greets it, and remembers who came."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(WAIT_S)
        self._context = context
        self.port = int(self._listener.getsockname()[1])
        self.peer: str | None = None
        self.refused: ssl.SSLError | None = None
        self._thread = threading.Thread(target=self._greet)
        self._thread.start()

    def _greet(self) -> None:
        with self._listener, closing(self._listener.accept()[0]) as raw:
            raw.settimeout(WAIT_S)
            try:
                with self._context.wrap_socket(raw, server_side=True) as connection:
                    certificate = connection.getpeercert() or {}
                    names = dict(pair[0] for pair in certificate["subject"])  # type: ignore[misc]
                    self.peer = names["commonName"]
                    connection.sendall(HELLO)
            except ssl.SSLError as error:
                self.refused = error

    def join(self) -> None:
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()


def ask(port: int, context: ssl.SSLContext, host: str = "localhost") -> tuple[bytes, str | None]:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as raw,
        context.wrap_socket(raw, server_hostname=host) as connection,
    ):
        return connection.recv(64), connection.version()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_handshake_of_both_sides(authority: Authority, host: str) -> None:
    greeter = Greeter(server_context(authority))
    answer = ask(greeter.port, client_context(authority, device(authority, GATEWAYS[0])), host)
    greeter.join()
    assert answer == (HELLO, "TLSv1.3")
    assert greeter.peer == GATEWAYS[0]


def test_a_client_without_certificate_is_refused(authority: Authority) -> None:
    greeter = Greeter(server_context(authority))
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        ask(greeter.port, client_context(authority, None))
    greeter.join()
    assert greeter.peer is None
    assert greeter.refused is not None


def test_a_gateway_of_another_authority_is_refused(authority: Authority, tmp_path: Path) -> None:
    other = Authority.create(tmp_path, SystemClock(), gateways=GATEWAYS)
    greeter = Greeter(server_context(authority))
    with pytest.raises(ssl.SSLError):
        ask(greeter.port, client_context(authority, device(other, GATEWAYS[0])))
    greeter.join()
    assert greeter.peer is None
    assert greeter.refused is not None


def test_a_gateway_refuses_a_broker_of_another_authority(
    authority: Authority, tmp_path: Path
) -> None:
    other = Authority.create(tmp_path, SystemClock(), gateways=GATEWAYS)
    greeter = Greeter(server_context(other))
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(greeter.port, client_context(authority, device(authority, GATEWAYS[0])))
    greeter.join()
    assert greeter.peer is None


def test_a_gateway_cannot_play_the_broker(authority: Authority) -> None:
    context = server_context(authority)
    identity = device(authority, GATEWAYS[1])
    context.load_cert_chain(identity, identity.with_suffix(".key"))
    greeter = Greeter(context)
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        ask(greeter.port, client_context(authority, device(authority, GATEWAYS[0])))
    greeter.join()
    assert greeter.peer is None


def connack(broker: Mosquitto, connection: socket.socket) -> tuple[int, int]:
    connection.settimeout(WAIT_S)
    connection.sendall(MQTT5_CONNECT)
    answer = connection.recv(64)
    assert len(answer) > 3, broker.log
    return answer[0], answer[3]


def test_mosquitto_lets_a_gateway_in(
    authority: Authority, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto(authority)
    identity = device(authority, GATEWAYS[0])
    context = broker.client_context(identity, identity.with_suffix(".key"))
    with (
        socket.create_connection(("127.0.0.1", broker.port), timeout=WAIT_S) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as connection,
    ):
        assert connack(broker, connection) == CONNACK_SUCCESS
    assert f"u'{GATEWAYS[0]}'" in broker.log


def test_mosquitto_keeps_a_stranger_out(
    authority: Authority, mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = mosquitto(authority)
    context = client_context(authority, None)
    with (
        socket.create_connection(("127.0.0.1", broker.port), timeout=WAIT_S) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as connection,
        # an alert, an end or a reset: under TLS 1.3 a client hears of it only when it reads
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        connack(broker, connection)
    assert "peer did not return a certificate" in broker.log


def test_mosquitto_comes_back_on_its_port_after_a_kill(
    mosquitto: Callable[..., Mosquitto],
) -> None:
    broker = mosquitto()
    port = broker.port
    broker.kill()
    broker.start()
    assert broker.port == port
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as connection:
        assert connack(broker, connection) == CONNACK_SUCCESS
