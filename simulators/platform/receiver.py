"""The link: messages from the broker in groups to the intake, acknowledgements back.

paho's thread does one thing, it puts what came into a queue. The worker, the caller's own thread,
takes all that is there, lets the intake commit it, and only then tells the broker (PUBACK) and the
gateways (acknowledgement). A new client for each connection: nothing old is ever sent on it.
"""

from __future__ import annotations

import json
import os
import queue
import random
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from simulators.platform.intake import Intake, Message
from simulators.platform.ledger import LedgerError, WrongLedgerError

TOPIC: Final = "mayak/1/+/up/+"
RECEIVE_MAXIMUM: Final = 512
"""Messages the broker may send before we confirm one; bounds the queue."""
GROUP_BYTES: Final = 8 << 20
SHARED_GROUP: Final = 64
"""Messages in a group of receivers that share: who works on a gateway keeps the others off it."""
IDLE_CHECK_S: Final = 5.0
"""Without a message for so long, the database is asked whether it is there."""
KEEPALIVE_S: Final = 30
CONNECT_TIMEOUT_S: Final = 10.0
RETRY_MIN_S: Final = 0.2
RETRY_MAX_S: Final = 0.5
"""Few receivers, for whom everything waits."""
_SEND_WINDOW: Final = 16
"""Acknowledgements under way; below the 20 that brokers allow by default."""
_SEND_QUEUE: Final = 1024
"""Acknowledgements waiting for the window; a broker that takes none loses the connection."""
_POLL_S: Final = 0.2
_FLUSH_S: Final = 2.0
_FLUSH_STEP_S: Final = 0.02
_QOS: Final = 1

Log = Callable[..., None]
"""Called with the name of a change and its fields."""


@dataclass(frozen=True, slots=True)
class Tls:
    """Files for TLS 1.3 with a client certificate."""

    ca: Path
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context.

        Raises:
            OSError: a file is missing or not what it should be (ssl.SSLError is one).
        """
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(self.ca))
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if self.certificate is not None:
            context.load_cert_chain(str(self.certificate), str(self.key) if self.key else None)
        return context


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and how to subscribe."""

    host: str
    port: int
    tls: Tls | None = None
    share: str | None = None
    """Name of the group with which this receiver shares the load."""

    @property
    def topic(self) -> str:
        """Return what to subscribe to."""
        return TOPIC if self.share is None else f"$share/{self.share}/{TOPIC}"


class _Client(mqtt.Client):
    """paho's client, telling when its thread ends for whatever reason."""

    ended: Callable[[], None]

    def loop_forever(
        self,
        timeout: float = 1.0,
        retry_first_connection: bool = False,  # noqa: FBT001, FBT002 - as paho has it
    ) -> MQTTErrorCode:
        """Run paho's loop."""
        try:
            return super().loop_forever(timeout, retry_first_connection)
        finally:
            self.ended()


class _Connection:
    """One client, used once, and what its callbacks have told."""

    def __init__(self, topic: str, context: ssl.SSLContext | None) -> None:
        self.client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"mayak-platform-{os.getpid()}-{random.getrandbits(32):08x}",
            protocol=mqtt.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        self.arrived: queue.Queue[mqtt.MQTTMessage] = queue.Queue(2 * RECEIVE_MAXIMUM)
        """Full only when the broker breaks the receive maximum: then the connection is dropped."""
        self.ready = threading.Event()
        self.lost = threading.Event()
        self.why = ""
        self._topic = topic
        self._error = ""
        self._doubt = "" if context is None else "; was our client certificate refused?"
        self.client.ended = lambda: self.fail("the link ended")
        self.client.connect_timeout = CONNECT_TIMEOUT_S
        self.client.max_inflight_messages_set(_SEND_WINDOW)
        self.client.max_queued_messages_set(_SEND_QUEUE)
        if context is not None:
            self.client.tls_set_context(context)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message
        self.client.on_disconnect = self._on_disconnect
        self.client.on_log = self._on_log

    def open(self, host: str, port: int) -> None:
        """Connect and start paho's thread; how it went shows in `ready` and `lost`."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        try:
            self.client.connect(
                host, port, keepalive=KEEPALIVE_S, clean_start=True, properties=properties
            )
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            self.fail(f"{type(error).__name__}: {error}")
        else:
            self.client.loop_start()

    def close(self, *, flush: bool) -> None:
        """Say goodbye and end paho's thread."""
        if self.client.is_connected():
            waited = 0.0
            while flush and self.client.want_write() and waited < _FLUSH_S:
                self.lost.wait(_FLUSH_STEP_S)
                waited += _FLUSH_STEP_S
            self.client.disconnect()
        self.client.loop_stop()

    def fail(self, why: str) -> None:
        """Mark the connection as lost; the first reason stands."""
        if not self.lost.is_set():
            self.why = why
            self.lost.set()

    def _on_connect(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._doubt = ""
        if reason.is_failure:
            self.fail(f"the broker refused: {reason}")
        else:
            client.subscribe(self._topic, options=SubscribeOptions(qos=_QOS))

    def _on_subscribe(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if reasons and not reasons[0].is_failure:
            self.ready.set()
        else:
            self.fail(f"the broker refused the subscription: {', '.join(map(str, reasons))}")

    def _on_message(
        self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage
    ) -> None:
        try:
            self.arrived.put_nowait(message)
        except queue.Full:
            self.fail("the broker sends more than the receive maximum")

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        # Under TLS 1.3 a refused client certificate shows only now, often as a mere end of file.
        self.fail(f"disconnected: {self._error or reason}{self._doubt}")

    def _on_log(self, _client: mqtt.Client, _userdata: object, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._error = text


class Receiver:
    """Runs until told to stop."""

    def __init__(
        self,
        broker: Broker,
        intake: Intake,
        log: Log,
        *,
        ready_file: Path | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Take where to connect, what to do with messages, and where to tell changes.

        Args:
            broker: where the broker is.
            intake: used by the thread that calls `run` only.
            log: told of each change.
            ready_file: written once the subscription stands for the first time.
            stop: set from anywhere, it ends `run` after the group under way.
        """
        self._broker = broker
        self._intake = intake
        self._log = log
        self._ready_file = ready_file
        self.stop = stop or threading.Event()

    def run(self) -> None:
        """Receive until `stop` is set; reconnect with full jitter whenever the link is lost.

        Raises:
            OSError: a TLS file cannot be used; trying again would not help.
            WrongLedgerError: likewise the database.
        """
        context = None if self._broker.tls is None else self._broker.tls.context()
        failures = 0
        while not self.stop.is_set():
            connection = _Connection(self._broker.topic, context)
            try:
                self._intake.check()  # who cannot store must not take a share of the messages
                connection.open(self._broker.host, self._broker.port)
                if self._subscribed(connection):
                    failures = 0
                    self._serve(connection)
            except WrongLedgerError:
                raise
            except LedgerError as error:
                # Nothing of the group was confirmed: dropping the link brings it again.
                connection.fail(f"the database failed: {error}")
            finally:
                connection.close(flush=self.stop.is_set())
            if self.stop.is_set():
                return
            ceiling = min(RETRY_MAX_S, RETRY_MIN_S * 2**failures)
            pause = random.uniform(RETRY_MIN_S / 2, ceiling)
            failures = min(failures + 1, 10)
            self._log("link_down", why=connection.why or "closed", retry_s=round(pause, 2))
            self.stop.wait(pause)

    def _subscribed(self, connection: _Connection) -> bool:
        """Wait until the subscription stands."""
        waited = 0.0
        while not connection.ready.wait(_POLL_S):
            waited += _POLL_S
            if connection.lost.is_set() or self.stop.is_set():
                return False
            if waited >= CONNECT_TIMEOUT_S:
                connection.fail("no answer to CONNECT or SUBSCRIBE")
                return False
        self._log("link_up", broker=f"{self._broker.host}:{self._broker.port}")
        if self._ready_file is not None:
            write_ready(self._ready_file, self._broker)
        return True

    def _serve(self, connection: _Connection) -> None:
        most = RECEIVE_MAXIMUM if self._broker.share is None else SHARED_GROUP
        idle_s = 0.0
        while not self.stop.is_set():
            group = _group(connection, most)
            if group:
                idle_s = 0.0
                self._settle(connection, group)
            elif connection.lost.is_set():
                return
            else:
                idle_s += _POLL_S
            if idle_s >= IDLE_CHECK_S:
                idle_s = 0.0
                self._intake.check()

    def _settle(self, connection: _Connection, group: list[mqtt.MQTTMessage]) -> None:
        """Commit a group, and only then confirm it."""
        replies = self._intake.take(Message(_topic(m), bytes(m.payload)) for m in group)
        for message in group:
            connection.client.ack(message.mid, message.qos)
        for reply in replies:
            sent = connection.client.publish(reply.topic, reply.payload, qos=_QOS)
            if sent.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                # Gateways repeat what is not acknowledged, and get the answer then.
                connection.fail(f"cannot send: {mqtt.error_string(sent.rc)}")
                return


def _topic(message: mqtt.MQTTMessage) -> str:
    """Return the topic; what is not UTF-8 becomes a topic of no contract."""
    try:
        return message.topic
    except UnicodeDecodeError:
        return ""


def _group(connection: _Connection, most: int) -> list[mqtt.MQTTMessage]:
    """Return what has arrived, `most` at most, waiting a moment for the first of it."""
    try:
        first = connection.arrived.get(timeout=_POLL_S)
    except queue.Empty:
        return []
    group, size = [first], len(first.payload)
    while size < GROUP_BYTES and len(group) < most:
        try:
            message = connection.arrived.get_nowait()
        except queue.Empty:
            break
        group.append(message)
        size += len(message.payload)
    return group


def write_ready(file: Path, broker: Broker) -> None:
    """Say in `file` that the subscription stands; whole or not at all."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.write_text(
        json.dumps({"pid": os.getpid(), "broker": f"{broker.host}:{broker.port}"}) + "\n"
    )
    fresh.replace(file)
