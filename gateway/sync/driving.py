"""An MQTT client driven by the event loop: no thread of its own, no hand-over between two.

The library's own calls for a foreign loop are used (`loop_read`, `loop_write`, `loop_misc`); what
is published goes out in the call that publishes it, as far as the socket takes it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import Final

from paho.mqtt.client import Client

READS_AT_ONCE: Final = 16
"""After so many reads the other tasks get a turn, whatever comes."""
LOOKS_AT_KEEP_ALIVE: Final = 4
"""In each keep-alive time: a ping goes out at the latest a quarter of it late, and the broker waits
one and a half times (MQTT 5.0 §3.1.2.10)."""


class Driving:
    """Drives one connected client until its socket is closed."""

    def __init__(self, client: Client, loop: asyncio.AbstractEventLoop, keep_alive_s: int) -> None:
        """Watch the socket of a client that has just connected; one that is gone is let be."""
        self._client: Final = client
        self._loop: Final = loop
        self._every_s: Final = keep_alive_s / LOOKS_AT_KEEP_ALIVE
        self._writing = False
        self._timer: asyncio.TimerHandle | None = None
        connection = client.socket()
        if connection is None:
            return
        self._socket: Final = connection
        client.on_socket_close = self._closes
        loop.add_reader(connection, self._readable)
        self._timer = loop.call_later(self._every_s, self._look)
        self.flush()

    def flush(self) -> None:
        """Send what waits as far as the socket takes it, and the rest when it takes more."""
        if self._client.want_write():
            self._client.loop_write()
        wants = self._timer is not None and self._client.want_write()
        if wants is self._writing:
            return
        self._writing = wants
        if wants:
            self._loop.add_writer(self._socket, self.flush)
        elif self._timer is not None:
            self._loop.remove_writer(self._socket)

    def cut(self) -> None:
        """End a connection whose far end takes nothing any more, not even a good-bye."""
        if self._timer is None:
            return
        if isinstance(self._socket, socket.socket):
            with suppress(OSError):  # it may be gone by now
                self._socket.shutdown(socket.SHUT_RDWR)
        self._client.loop_read()

    def _readable(self) -> None:
        for _ in range(READS_AT_ONCE):
            self._client.loop_read()
            if not self._holds_more():
                break
        else:  # what the TLS layer has read already the loop would not call us for
            self._loop.call_soon(self._readable)
        self.flush()

    def _holds_more(self) -> bool:
        return (
            self._timer is not None
            and isinstance(self._socket, ssl.SSLSocket)
            and self._socket.pending() > 0
        )

    def _look(self) -> None:
        self._timer = self._loop.call_later(self._every_s, self._look)
        self._client.loop_misc()
        self.flush()

    def _closes(self, _c: Client, _u: object, _s: object) -> None:
        """Watch no longer: the socket is about to be closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
