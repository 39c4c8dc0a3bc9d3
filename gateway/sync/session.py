"""One MQTT 5 connection: a fresh paho client each time, driven by the event loop.

paho's own queue, retry and reconnect are not used: the store is the only queue, and a connection
that ends is never taken up again.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.sync.causes import LinkLostError, RefusedError, Step, ended, not_connected, refused
from gateway.sync.driving import Driving

QOS: Final = 1
GOODBYE_S: Final = 1.0
INFLIGHT_UNLIMITED: Final = 65_535
"""For paho, so that it never holds a message back: our own window is smaller."""

NO_MATCHING_SUBSCRIBERS: Final = 0x10
"""Reason code of a PUBACK (MQTT 5.0 §3.4.2.1); a broker may leave it out."""
INBOX_MOST: Final = 64
"""Messages from the platform that may wait; older ones are dropped: the next says it all again."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What TLS is made of: whom we trust, and who we are."""

    ca: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the platform's broker is and how we show who we are."""

    host: str
    port: int
    keep_alive_s: int
    connect_timeout_s: float
    tls: ssl.SSLContext | None
    client_id: str = ""
    """Ours there; empty: the name of the gateway."""
    files: TlsFiles | None = None
    """From which `tls` was made."""


class TlsSocket(ssl.SSLSocket):
    """A socket that is closed when its handshake fails: the library lets go of it open."""

    def check(self) -> None:
        """Look at the peer once more, after the handshake."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as ssl has it
        """Shake hands, or close."""
        try:
            super().do_handshake(block)
            self.check()
        except BaseException:
            self.close()
            raise


def client_context(ca: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """Return TLS 1.3 with our client certificate, checking the broker's chain, name and time.

    Raises:
        OSError: a file is missing or is not what it should be (ssl.SSLError is an OSError).
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate, key)
    context.sslsocket_class = TlsSocket
    return context


class _Client(Client):
    """A client that takes a connection that is there already; the library has no other way in."""

    connection: socket.socket | None = None

    def _create_socket_connection(self) -> socket.socket:
        """Hand it over; without one, connect."""
        connection, self.connection = self.connection, None
        return super()._create_socket_connection() if connection is None else connection


STALLED_AFTER: Final = 2
"""The kernel has repeated the same bytes so often without an answer."""
_RETRANSMITS: Final = 2
"""Place of `tcpi_retransmits` in `struct tcp_info` (linux/tcp.h): one byte each up to there."""


class Session:
    """A connection that is up. Ends once; then a new one is made."""

    def __init__(
        self, client: Client, loop: asyncio.AbstractEventLoop, woken: Callable[[], None]
    ) -> None:
        """Wire the callbacks; `connect` is what makes one."""
        self._client = client
        self._loop = loop
        self._thread = threading.get_ident()
        self._woken = woken
        self._up: asyncio.Future[None] = loop.create_future()
        self._gone = asyncio.Event()
        self._inflight: dict[int, float] = {}
        self.ended: LinkLostError | RefusedError | None = None
        """Why the connection is gone, once it is."""
        self.inbox: deque[bytes] = deque(maxlen=INBOX_MOST)
        """What came and was not taken yet."""
        self.unheard = False
        """Whether nobody was there to hear what the broker took last."""
        self.wants_room = False
        """Whether to call `woken` also when the broker has taken a message."""
        self.receive_maximum = INFLIGHT_UNLIMITED
        """How many QoS 1 messages the broker takes unacknowledged (MQTT 5.0 §3.2.2.3.3)."""
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_log = self._on_log
        self._broke_with = ""
        self._driving: Driving | None = None

    @classmethod
    async def connect(
        cls,
        broker: Broker,
        client_id: str,
        topics: list[str],
        woken: Callable[[], None],
        *,
        clock_is_set: bool = True,
        connection: socket.socket | None = None,
    ) -> Session:
        """Connect and subscribe.

        Args:
            broker: where.
            client_id: ours; a second client of this id ends the first.
            topics: what to subscribe to.
            woken: called on the loop when something came, was taken by the broker (see
                `wants_room`), or ended.
            clock_is_set: whether our wall clock may judge the broker's certificate.
            connection: to the broker, when there is one already; it is ours from here on.

        Raises:
            LinkLostError: no connection; it says at which step.
            RefusedError: the broker does not accept who we are.
        """
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        client.connect_timeout = broker.connect_timeout_s
        if connection is not None:
            connection.settimeout(broker.connect_timeout_s)
            client.connection = connection
        client.max_inflight_messages_set(INFLIGHT_UNLIMITED)
        if broker.tls is not None:
            client.tls_set_context(broker.tls)
        loop = asyncio.get_running_loop()
        session = cls(client, loop, woken)
        connect = partial(
            client.connect, broker.host, broker.port, broker.keep_alive_s, clean_start=True
        )
        connecting = loop.run_in_executor(None, connect)
        try:
            # Shielded: the thread goes on whatever becomes of us, and may come back with a socket.
            await asyncio.shield(connecting)
        except (OSError, ValueError) as error:
            session._let_go()
            host, port = broker.host, broker.port
            raise not_connected(error, host, port, clock_is_set=clock_is_set) from error
        except asyncio.CancelledError:
            connecting.add_done_callback(session._came_too_late)
            raise
        session._driving = Driving(client, loop, broker.keep_alive_s)
        try:
            async with asyncio.timeout(broker.connect_timeout_s):
                await session._up
            client.subscribe([(topic, QOS) for topic in topics])
            session._driving.flush()
        except TimeoutError as error:
            await session.close()
            msg = f"{broker.host}:{broker.port} took the connection and did not answer"
            raise LinkLostError(msg, Step.SILENT) from error
        except BaseException:
            await session.close()
            raise
        return session

    @property
    def inflight(self) -> int:
        """Return how many messages the broker has not taken yet."""
        return len(self._inflight)

    @property
    def oldest_inflight_s(self) -> float | None:
        """Return when the oldest of them was sent (loop time, seconds)."""
        return min(self._inflight.values(), default=None)

    @property
    def stalled(self) -> bool:
        """Say whether what we send is not answered, by what the kernel knows of the connection."""
        connection = self._client.socket()
        if not isinstance(connection, socket.socket) or not hasattr(socket, "TCP_INFO"):
            return False
        try:
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RETRANSMITS + 1)
        except OSError:  # closed just now
            return False
        return info[_RETRANSMITS] >= STALLED_AFTER

    def give_up(self, why: LinkLostError) -> None:
        """End a connection that stands still, without waiting for it."""
        self._end(why)
        if self._driving is not None:
            self._driving.cut()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send at QoS 1.

        Raises:
            LinkLostError: the connection is gone.
        """
        info = self._client.publish(topic, payload, QOS)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            msg = f"not sent: {info.rc.name}"
            raise LinkLostError(msg)
        self._inflight[info.mid] = self._loop.time()
        if self._driving is not None:
            self._driving.flush()

    def why(self, found: LinkLostError) -> LinkLostError | RefusedError:
        """Return why the connection is gone: what the broker said of it counts more.

        Args:
            found: what went wrong first; what the broker said may be read after that.
        """
        said = self.ended
        return found if said is None or said.step is Step.LINK else said

    async def close(self) -> None:
        """Say good-bye and let go of the socket."""
        self._client.disconnect()
        if self._driving is not None:
            self._driving.flush()
            try:
                async with asyncio.timeout(GOODBYE_S):
                    await self._gone.wait()
            except TimeoutError:  # a link that swallows everything
                self._driving.cut()
        self._let_go()

    def _came_too_late(self, connecting: asyncio.Future[MQTTErrorCode]) -> None:
        """Close the socket of a connection that nobody waits for any more."""
        connection = None if connecting.exception() is not None else self._client.socket()
        self._let_go()
        if isinstance(connection, socket.socket):
            connection.close()

    def _let_go(self) -> None:
        """Undo the circle of client and callbacks: without it the client closes its sockets."""
        client = self._client
        client.on_connect = client.on_disconnect = client.on_publish = client.on_message = None
        client.on_log = client.on_socket_close = None
        if not self._up.done():
            self._up.cancel()

    def _end(self, why: LinkLostError | RefusedError) -> None:
        if not self._up.done():
            self._up.set_exception(why)
        self._gone.set()
        if self.ended is None:
            self.ended = why
            self._woken()

    def _came_up(self, code: ReasonCode, receive_maximum: int) -> None:
        if self._up.done():
            return
        if not code.is_failure:
            self.receive_maximum = receive_maximum
            self._up.set_result(None)
        else:
            self._end(refused(code.value, str(code)))

    def _taken(self, mid: int, code: ReasonCode) -> None:
        self._inflight.pop(mid, None)
        if code.is_failure:
            self._end(refused(code.value, str(code)))
        unheard = code.value == NO_MATCHING_SUBSCRIBERS
        if self.wants_room or unheard is not self.unheard:
            self.unheard = unheard
            self._woken()

    def _came(self, payload: bytes) -> None:
        self.inbox.append(payload)
        self._woken()

    # Called by the library: on the loop, or while it connects on a thread of the executor.

    def _on_connect(
        self, _c: Client, _u: object, _f: ConnectFlags, code: ReasonCode, props: Properties | None
    ) -> None:
        most = getattr(props, "ReceiveMaximum", INFLIGHT_UNLIMITED)
        self._hand_over(self._came_up, code, most)

    def _on_disconnect(
        self, _c: Client, _u: object, _f: DisconnectFlags, code: ReasonCode, _p: Properties | None
    ) -> None:
        self._hand_over(self._end, ended(code.value, str(code), self._broke_with))

    def _on_publish(
        self, _c: Client, _u: object, mid: int, code: ReasonCode, _p: Properties | None
    ) -> None:
        self._hand_over(self._taken, mid, code)

    def _on_message(self, _c: Client, _u: object, message: MQTTMessage) -> None:
        self._hand_over(self._came, message.payload)

    def _on_log(self, _c: Client, _u: object, level: int, text: str) -> None:
        """Keep what a read or write broke with: `on_disconnect` does not say it."""
        if level == LogLevel.MQTT_LOG_ERR:
            self._broke_with = text

    def _hand_over(self, call: Callable[..., None], *args: object) -> None:
        if threading.get_ident() == self._thread:
            call(*args)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *args)
