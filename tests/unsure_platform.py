"""A platform that can be told to be silent, forgetful or wrong: a paho client with the city's keys.

It reads only the heads of batches (they are not sealed) and counts what came.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.keys.cose import KID, sign1
from gateway.keys.device import FileKeyStore
from gateway.keys.platform import signer_kid
from gateway.store.sealing import HEAD
from gateway.sync.wire import ACK_CONTEXT

WITHIN_S = 10.0
PARTIAL_IV = 6


class UnsurePlatform:
    """Collects what a gateway sends and answers as it is told."""

    def __init__(self, port: int, gateway: str, sign_key: Path) -> None:
        """Connect to a plain broker on the loopback."""
        key = load_pem_private_key(sign_key.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            msg = f"{sign_key} is no P-256 key"
            raise TypeError(msg)
        self._key = FileKeyStore(key, b"")
        self._gateway = gateway
        self._changed = threading.Condition()
        self.sequences: list[tuple[str, int]] = []
        """Stream and sequence of each batch, in the order of arrival."""
        self.epochs: list[bytes] = []
        self.hellos: list[dict[int, Any]] = []  # Any: CBOR values
        self.topics: list[str] = []
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id="platform", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.on_message = self._came
        self._subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._port = port

    def __enter__(self) -> Self:
        """Subscribe and listen."""
        self._client.connect("127.0.0.1", self._port)
        self._client.subscribe(f"mayak/1/{self._gateway}/up/+", qos=1)
        self._client.loop_start()
        if not self._subscribed.wait(WITHIN_S):
            msg = "the broker does not confirm the subscription"
            raise TimeoutError(msg)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Go."""
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def arrivals(self) -> Counter[tuple[str, int]]:
        """Return how often each batch came."""
        return Counter(self.sequences)

    def send(self, payload: bytes, what: str = "ack") -> None:
        """Put any bytes on a topic down to the gateway."""
        self._client.publish(f"mayak/1/{self._gateway}/down/{what}", payload, qos=1)

    def acknowledge(
        self,
        channels: Sequence[Sequence[Any]] = (),  # Any: CBOR values
        *,
        wanted: Sequence[bytes] = (),
        refused: Sequence[Sequence[Any]] = (),  # Any: CBOR values
    ) -> None:
        """Send a signed acknowledgement for the incarnation of the newest hello."""
        payload = {
            1: 1,
            2: self._gateway,
            3: self.hellos[-1][3],
            4: "city",
            5: 0,
            6: [list(channel) for channel in channels],
            7: [epoch for epoch in self.epochs if epoch not in wanted],
            8: list(wanted),
            9: [list(each) for each in refused],
        }
        kid = signer_kid(self._key.key.public_key())
        self.send(sign1(cbor2.dumps(payload), {KID: kid}, ACK_CONTEXT, self._key.sign))

    def wait(self, condition: Any) -> None:  # Any: a callable without arguments
        """Wait until the condition holds.

        Raises:
            TimeoutError: it did not in time.
        """
        with self._changed:
            if not self._changed.wait_for(condition, WITHIN_S):
                msg = f"came: {self.sequences}, epochs {len(self.epochs)}"
                raise TimeoutError(msg)

    def _came(self, _client: Client, _user: object, message: MQTTMessage) -> None:
        what = message.topic.rpartition("/")[2]
        envelope = cbor2.loads(message.payload).value
        with self._changed:
            self.topics.append(what)
            match what:
                case "hello":
                    self.hellos.append(cbor2.loads(envelope[2]))
                case "epoch":
                    self.epochs.append(cbor2.loads(envelope[2])[3])
                case stream:
                    headers = cbor2.loads(envelope[0])
                    sequence = int.from_bytes(headers[PARTIAL_IV], "big")
                    if headers[HEAD][1] != self._gateway:
                        msg = f"a batch of {headers[HEAD][1]}"
                        raise ValueError(msg)
                    self.sequences.append((stream, sequence))
            self._changed.notify_all()
