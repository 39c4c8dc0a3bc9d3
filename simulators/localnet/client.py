"""The MQTT client of a twin: paho, in the event loop. Its codec is not that of the driver."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

KEEP_ALIVE_S: Final = 30
LOOK_S: Final = 5.0

Will = tuple[str, str]
"""A topic, and what the broker says there when the device is gone."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the broker is, and who may use it."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None


class TwinClient:
    """One connection at a time."""

    def __init__(
        self,
        name: str,
        will: Will | None,
        topics: Sequence[str],
        came: Callable[[str, bytes], None],
    ) -> None:
        """Take what it is called, and what it listens to.

        Args:
            name: the client id.
            will: what is said when it is gone; None: nothing.
            topics: of orders.
            came: is called with what comes there.
        """
        self._name: Final = name
        self._will: Final = will
        self._topics: Final = tuple(topics)
        self._came: Final = came
        self._client: Client | None = None
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def connected(self) -> bool:
        """Say whether there is a connection."""
        return self._client is not None

    def connect(self, place: Place) -> bool:
        """Connect; say whether the broker is there. On the loopback that takes no time."""
        loop = asyncio.get_running_loop()
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._name,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = 1.0
        if place.username is not None:
            client.username_pw_set(place.username, place.password)
        if self._will is not None:
            client.will_set(*self._will, qos=0, retain=True)
        client.on_message = self._message
        try:
            client.connect(place.host, place.port, KEEP_ALIVE_S)
        except OSError:
            return False
        found = client.socket()
        if not isinstance(found, socket.socket):
            return False
        self._client, self._socket = client, found
        client.on_socket_close = self._closes
        loop.add_reader(found, self._readable)
        self._timer = loop.call_later(LOOK_S, self._look)
        for topic in self._topics:
            client.subscribe(topic)
        self._flush()
        return True

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Say something; does nothing without a connection."""
        if self._client is not None:
            self._client.publish(topic, payload, 0, retain)
            self._flush()

    def drop(self) -> None:
        """Be gone without a word, as without current: the broker says the will."""
        if self._socket is not None:
            with suppress(OSError):  # it may be gone by now
                self._socket.shutdown(socket.SHUT_RDWR)
            self._readable()

    def close(self) -> None:
        """Say good-bye."""
        if self._client is not None:
            self._client.disconnect()
            self._flush()
            self.drop()

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._came(message.topic, bytes(message.payload))

    def _readable(self) -> None:
        if self._client is not None:
            self._client.loop_read()
            self._flush()

    def _flush(self) -> None:
        if self._client is not None and self._client.want_write():
            self._client.loop_write()
        client, found = self._client, self._socket
        if client is not None and found is not None and client.want_write():
            asyncio.get_running_loop().add_writer(found, self._writable)

    def _writable(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_writer(self._socket)
        self._flush()

    def _look(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look)
        if self._client is not None:
            self._client.loop_misc()
            self._flush()

    def _closes(self, _client: Client, _data: object, _socket: object) -> None:
        """Watch no longer: the socket is about to be closed."""
        loop = asyncio.get_running_loop()
        if self._socket is not None:
            loop.remove_reader(self._socket)
            loop.remove_writer(self._socket)
        if self._timer is not None:
            self._timer.cancel()
        client, self._client = self._client, None
        self._socket = self._timer = None
        if client is not None:  # undo the circle of client and callbacks
            client.on_message = client.on_socket_close = None
