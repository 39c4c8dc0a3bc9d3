"""A board that woke in 1970, a broker whose certificate is of later, and who tells the time."""

from __future__ import annotations

import queue
import shutil
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.keys.cose import KID, sign1
from gateway.keys.device import FileKeyStore
from gateway.keys.platform import load_signers, signer_kid
from gateway.model.clock import Clock, Instant, LearnedClock, SystemClock, Trust
from gateway.model.event import Event
from gateway.model.ids import BootId
from gateway.sync.platform_time import NO_CHECK_TIME, TIME_CONTEXT, PlatformTime
from gateway.sync.session import Broker, TlsFiles, client_context
from provisioning.authority import LOOPBACK, Authority
from tests.broker import Mosquitto
from tests.linked_site import CITY, GATEWAY

DAY_MS = 86_400_000
AHEAD_MS = 400 * DAY_MS
"""The true time of these tests is so much later than the machine's: it refuses the broker."""


class BoardClock:
    """The clock of a board without a battery: it counts, and believes in 1970."""

    def __init__(self, wall_ms: int = 0, trust: Trust = Trust.UNSET) -> None:
        self._system = SystemClock()
        self._started_ms = self._system.now().mono_ms
        self._wall_ms, self._trust = wall_ms, trust

    @property
    def boot(self) -> BootId:
        return self._system.boot

    def now(self) -> Instant:
        mono_ms = self._system.now().mono_ms
        return Instant(mono_ms, self._wall_ms + mono_ms - self._started_ms, self._trust)

    def monotonic_s(self) -> float:
        return self._system.monotonic_s()

    def uncertainty_ms(self) -> int | None:
        return None


def true_ms() -> int:
    """Return the true time of these tests."""
    return SystemClock().now().wall_ms + AHEAD_MS


def later(
    authority: Authority, folder: Path, *, after_ms: int = AHEAD_MS, host: str = LOOPBACK[1]
) -> Authority:
    """Return the same authority, with a broker's certificate that begins so much later."""
    shutil.copytree(authority.folder, folder)
    moved = Authority.load(folder)
    key = load_pem_private_key((folder / "broker.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    when = SystemClock().now().utc.replace(microsecond=0) + timedelta(milliseconds=after_ms)
    certificate = moved.server("broker", key.public_key(), [host], when)
    (folder / "broker.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    return moved


@dataclass
class Place:
    """A broker, and what of an authority's folder the gateway has."""

    authority: Authority
    broker: Mosquitto
    events: list[Event] = field(default_factory=list)
    """What people were told."""

    @property
    def files(self) -> TlsFiles:
        """Return what the gateway's TLS is made of."""
        keys = self.authority.folder
        device = keys / "gateways" / GATEWAY
        return TlsFiles(keys / "ca.pem", device / "device.pem", device / "device.key")

    @property
    def way(self) -> Broker:
        """Return the gateway's way to the broker."""
        files = self.files
        context = client_context(files.ca, files.certificate, files.key)
        return Broker("127.0.0.1", self.broker.port, 5, 2.0, context, GATEWAY, files)

    def asking(
        self, clock: Clock, *, floor_ms: int = 0, within_s: float = 5.0
    ) -> tuple[LearnedClock, PlatformTime]:
        """Return a clock that may learn, and who asks for it."""

        async def floor() -> int:
            return floor_ms

        learned = LearnedClock(clock)
        signers = load_signers([self.authority.folder / f"{CITY}-sign.pem"])
        told = self.events.append
        return learned, PlatformTime(
            GATEWAY, CITY, signers, self.way, learned, floor, told, within_s=within_s
        )


def platform_tls(keys: Path) -> ssl.SSLContext:
    """Return TLS of the platform, for which any certificate of the broker will do."""
    context = client_context(
        keys / "ca.pem", keys / "platform-city.pem", keys / "platform-city.key"
    )
    context.verify_flags |= NO_CHECK_TIME
    context.check_hostname = False
    return context


Fields = dict[int, Any]
"""Of a question or an answer: CBOR values."""


@dataclass
class TimeTeller:
    """Answers questions as it is told, with the platform's key or another."""

    broker: Mosquitto
    sign_key: Path
    answers: Callable[[Fields], list[Fields | bytes]]
    """Takes a question, returns what goes back: fields to sign, or bytes."""
    questions: list[Fields] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        key = load_pem_private_key(self.sign_key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = FileKeyStore(key, b"")
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = self._came
        ready: queue.Queue[None] = queue.Queue()
        self._client.on_subscribe = lambda *_: ready.put(None)
        assert self.broker.authority is not None
        self._client.tls_set_context(platform_tls(self.broker.authority.folder))
        self._client.connect("127.0.0.1", self.broker.port)
        self._client.subscribe("mayak/1/+/up/+", qos=1)
        self._client.loop_start()
        ready.get(timeout=10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def signed(self, fields: Fields) -> bytes:
        """Return an answer under our key."""
        kid = signer_kid(self._key.key.public_key())
        return sign1(cbor2.dumps(fields), {KID: kid}, TIME_CONTEXT, self._key.sign)

    def _came(self, _client: Client, _user: object, message: MQTTMessage) -> None:
        self.topics.append(message.topic)
        if not message.topic.endswith("/time"):
            return
        question = cbor2.loads(message.payload)
        self.questions.append(question)
        for answer in self.answers(question):
            payload = answer if isinstance(answer, bytes) else self.signed(answer)
            self._client.publish(f"mayak/1/{GATEWAY}/down/time", payload, qos=1)


def true_answer(question: Fields, wall_ms: int | None = None) -> Fields:
    """Return what an honest platform says."""
    return question | {5: CITY, 6: true_ms() if wall_ms is None else wall_ms}
