"""A small HTTP server to which devices of the site tell by themselves (web hook).

Every device has a path and a secret token. Who knows neither gets the same 404 without a body,
whatever was asked, and is counted.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import h11

log = logging.getLogger(__name__)

LONGEST_HEAD: Final = 8_192
READ_AT_ONCE: Final = 8_192
NO_CONTENT: Final = 204
BAD: Final = 400
NOT_FOUND: Final = 404
TOO_LONG: Final = 413
TOO_MANY: Final = 429
_NOBODY: Final = "no device has this token, and it is as long as one that a device could have"
_BEARER: Final = "Bearer "

Take = Callable[[bytes], int]
"""Takes the body of a message; returns the status of the answer."""


@dataclass(frozen=True, slots=True)
class Hooked:
    """One device."""

    token: str
    take: Take


@dataclass(frozen=True, slots=True)
class Message:
    """One whole request."""

    method: str
    path: str
    token: str
    """As the header Authorization says; empty: it says none."""
    body: bytes


class TooLongError(Exception):
    """The body is longer than we take."""


class RequestReader:
    """Reads one request, wherever it was split; holds no more than is allowed. Pure."""

    def __init__(self, longest: int) -> None:
        """Take the longest body, in bytes."""
        self._connection: Final = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        self._longest: Final = longest
        self._head: h11.Request | None = None
        self._body = bytearray()
        self.long = False
        """Whether the body is longer than we take; it was not kept."""

    def feed(self, data: bytes) -> Message | None:
        """Return the request once it is whole.

        Raises:
            h11.RemoteProtocolError: this is no HTTP.
            TooLongError: the body is longer than we take.
        """
        self._connection.receive_data(data)
        while True:
            event = self._connection.next_event()
            if isinstance(event, h11.Request):
                self._head = event
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > self._longest:
                    raise TooLongError
            elif isinstance(event, h11.EndOfMessage):
                return self._whole()
            elif event is h11.NEED_DATA and data:
                return None
            else:
                msg = "the request broke off"
                raise h11.RemoteProtocolError(msg)

    def head(self) -> Message | None:
        """Return what is known of the request so far; None: nothing."""
        return None if self._head is None else self._whole()

    def _whole(self) -> Message:
        head = self._head
        if head is None:
            msg = "a body without a request"
            raise h11.RemoteProtocolError(msg)
        token = ""
        for name, value in head.headers:
            text = value.decode("latin-1")
            if name == b"authorization" and text.startswith(_BEARER):
                token = text.removeprefix(_BEARER).strip()
        target = head.target.decode("latin-1").partition("?")[0]
        return Message(head.method.decode("latin-1"), target, token, bytes(self._body))


class Hooks:
    """The devices that tell by themselves. Pure."""

    def __init__(self) -> None:
        """Start with none."""
        self._devices: Final[dict[str, Hooked]] = {}
        self.refused: Final[Counter[str]] = Counter()
        """What was refused, by reason."""

    def add(self, path: str, device: Hooked) -> None:
        """Take a device."""
        self._devices[path] = device

    def known(self, message: Message) -> Hooked | None:
        """Return who tells; None: nobody we know. Takes as long for one answer as for the other.

        The token stands in the header Authorization, or behind the path, for devices that can only
        be given an address.
        """
        path, _, last = message.path.strip("/").rpartition("/")
        name, token = (message.path.strip("/"), message.token) if message.token else (path, last)
        device = self._devices.get(name)
        expected = _NOBODY if device is None else device.token
        right = hmac.compare_digest(expected.encode(), token.encode("utf-8", "replace"))
        return device if right and device is not None and message.method == "POST" else None

    def answer(self, message: Message, *, long: bool = False) -> int:
        """Return the status of the answer, after the device took what it was told."""
        device = self.known(message)
        if device is None:
            self.refuse("unknown")
            return NOT_FOUND
        if long:
            self.refuse("too long")
            return TOO_LONG
        return device.take(message.body)

    def refuse(self, why: str) -> None:
        """Count what is not taken; the first of each kind is logged."""
        if not self.refused[why]:
            log.warning("hook-refused", extra={"reason": why})
        self.refused[why] += 1


class HookServer:
    """Listens, as long as it is open."""

    def __init__(self, hooks: Hooks, *, longest: int, timeout_s: float, most: int) -> None:
        """Take the devices and the bounds.

        Args:
            hooks: who may tell what.
            longest: bytes of a body.
            timeout_s: for a whole request, however slowly it comes.
            most: connections at once; who comes beyond is hung up on.
        """
        self._hooks: Final = hooks
        self._longest: Final = longest
        self._timeout_s: Final = timeout_s
        self._most: Final = most
        self._open = 0
        self._writers: Final[set[asyncio.StreamWriter]] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Return the port; 0: it does not listen."""
        return 0 if self._server is None else int(self._server.sockets[0].getsockname()[1])

    async def open(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        """Listen; does nothing when it does.

        Raises:
            OSError: somebody else has the port.
        """
        if self._server is None:
            self._server = await asyncio.start_server(
                self._serve, host, port, ssl=context, limit=LONGEST_HEAD
            )

    async def close(self) -> None:
        """Listen no more, and hang up on everybody."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= self._most:
            self._hooks.refuse("too many connections")
            writer.transport.abort()
            return
        self._writers.add(writer)
        try:
            async with asyncio.timeout(self._timeout_s):
                status = await self._status(reader)
                writer.write(
                    f"HTTP/1.1 {status} {_WORDS[status]}\r\n".encode()
                    + (b"" if status == NO_CONTENT else b"Content-Length: 0\r\n")
                    + b"Connection: close\r\n\r\n"
                )
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except TimeoutError:
            self._hooks.refuse("too slow")
        except OSError:
            self._hooks.refuse("hung up")
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _status(self, reader: asyncio.StreamReader) -> int:
        request = RequestReader(self._longest)
        try:
            while True:
                message = request.feed(await reader.read(READ_AT_ONCE))
                if message is not None:
                    return self._hooks.answer(message)
        except TooLongError:
            head = request.head()
            return NOT_FOUND if head is None else self._hooks.answer(head, long=True)
        except h11.RemoteProtocolError:
            self._hooks.refuse("no HTTP")
            return NOT_FOUND


_WORDS: Final = {
    NO_CONTENT: "No Content",
    BAD: "Bad Request",
    NOT_FOUND: "Not Found",
    TOO_LONG: "Content Too Large",
    TOO_MANY: "Too Many Requests",
}
