"""One request to a device, and its answer: bounded in size and time, no redirect followed.

A connection serves one request (and one more where the device asks who we are), so that a device
that hangs up, stalls or says too much leaves nothing behind.
"""

from __future__ import annotations

import asyncio
import secrets
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import h11

from drivers.localnet.digest import ChallengeError, basic, digest, read_challenge
from drivers.localnet.documents import SHOWN
from drivers.localnet.tls import check_pin, trusting
from gateway.model.errors import DeviceFaultError, DeviceRejectedError, FrameError, NoResponseError

LONGEST_HEAD: Final = 16_384
READ_AT_ONCE: Final = 16_384
UNAUTHORIZED: Final = 401
_OK: Final = range(200, 300)
_ELSEWHERE: Final = range(300, 400)
_REFUSED: Final = range(400, 500)


@dataclass(frozen=True, slots=True)
class Server:
    """Where a device listens, and how we know it."""

    host: str
    port: int
    tls: bool = False
    ca: Path | None = None
    fingerprint: str | None = None

    @property
    def name(self) -> str:
        """Return it as a person reads it."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are there."""

    scheme: str
    """basic or digest."""
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device answered."""

    status: int
    body: bytes
    challenges: tuple[str, ...] = ()
    encoded: bool = False


async def ask(
    server: Server,
    method: str,
    target: str,
    body: bytes = b"",
    *,
    login: Login | None = None,
    timeout_s: float,
    longest: int,
) -> bytes:
    """Return the body of a good answer.

    Args:
        server: where.
        method: of the request.
        target: path and query.
        body: JSON; empty: none.
        login: who we are; None: nobody.
        timeout_s: for all of it.
        longest: bytes of an answer.

    Raises:
        NoResponseError: nobody is there, or no whole answer came in time.
        FrameError: this is no HTTP, too long, a redirect, or another certificate.
        DeviceRejectedError: the device says no (4xx).
        DeviceFaultError: the device says that it is broken (5xx).
    """
    try:
        async with asyncio.timeout(timeout_s):
            header = basic(login.user, login.password) if _is(login, "basic") and login else None
            answer = await _once(server, method, target, body, header, longest)
            if answer.status == UNAUTHORIZED and login is not None and _is(login, "digest"):
                header = _digested(answer, login, method, target)
                answer = await _once(server, method, target, body, header, longest)
    except TimeoutError as error:
        msg = f"{server.name}: no whole answer within {timeout_s:g} s"
        raise NoResponseError(msg) from error
    except ssl.SSLError as error:
        msg = f"{server.name}: TLS: {error.reason or error}"
        raise FrameError(msg) from error
    except OSError as error:
        msg = f"{server.name}: cannot be reached: {error.strerror or error}"
        raise NoResponseError(msg) from error
    return judged(answer, server)


def _is(login: Login | None, scheme: str) -> bool:
    return login is not None and login.scheme == scheme


def _digested(answer: Answer, login: Login, method: str, target: str) -> str:
    why: ChallengeError | None = None
    for header in answer.challenges:
        try:
            asked = read_challenge(header)
        except ChallengeError as error:
            why = error
        else:
            cnonce = secrets.token_hex(16)
            return digest(asked, login.user, login.password, method, target, cnonce)
    msg = f"it does not say how it wants to know who we are: {why}"
    raise DeviceRejectedError(msg, code=UNAUTHORIZED)


def judged(answer: Answer, server: Server) -> bytes:
    """Return the body of a good answer. Pure.

    Raises:
        FrameError: a redirect, packed, or nothing that is an answer.
        DeviceRejectedError: the device says no (4xx).
        DeviceFaultError: the device says that it is broken (5xx).
    """
    shown = answer.body[:SHOWN]
    status = answer.status
    if status in _OK:
        if answer.encoded:
            msg = f"{server.name}: packs its answer, which nobody asked for"
            raise FrameError(msg, answer=shown)
        return answer.body
    if status in _ELSEWHERE:
        msg = f"{server.name}: status {status} sends us elsewhere; that is not followed"
        raise FrameError(msg, answer=shown)
    if status in _REFUSED:
        msg = f"{server.name}: refuses with status {status}"
        raise DeviceRejectedError(msg, code=status, answer=shown)
    msg = f"{server.name}: is broken, status {status}"
    raise DeviceFaultError(msg, code=status, answer=shown)


async def _once(
    server: Server, method: str, target: str, body: bytes, login: str | None, longest: int
) -> Answer:
    context = trusting(server.ca, server.fingerprint) if server.tls else None
    reader, writer = await asyncio.open_connection(
        server.host, server.port, ssl=context, limit=LONGEST_HEAD
    )
    try:
        check_pin(writer.transport, server.fingerprint if server.tls else None)
        connection, request = asked(server, method, target, body, login)
        writer.write(request)
        answer = AnswerReader(connection, longest)
        while not answer.whole:
            answer.feed(await reader.read(READ_AT_ONCE))
        return answer.read()
    finally:
        writer.transport.abort()


def asked(
    server: Server, method: str, target: str, body: bytes, login: str | None
) -> tuple[h11.Connection, bytes]:
    """Return a request as it goes out, and the connection that knows it. Pure."""
    headers = [
        ("Host", server.name),
        ("Accept", "application/json"),
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
    ]
    if body:
        headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    elif method != "GET":
        headers.append(("Content-Length", "0"))
    if login is not None:
        headers.append(("Authorization", login))
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)
    out = connection.send(h11.Request(method=method, target=target, headers=headers)) or b""
    if body:
        out += connection.send(h11.Data(data=body)) or b""
    return connection, out + (connection.send(h11.EndOfMessage()) or b"")


class AnswerReader:
    """Reads one answer, wherever it was split; holds no more than is allowed. Pure."""

    def __init__(self, connection: h11.Connection, longest: int) -> None:
        """Take the connection that knows the request, and the longest body."""
        self._connection: Final = connection
        self._longest: Final = longest
        self._body = bytearray()
        self._head: h11.Response | None = None
        self.whole = False
        """Whether the answer is there."""

    def feed(self, data: bytes) -> None:
        """Take bytes; none: the device has hung up.

        Raises:
            FrameError: this is no HTTP, or too much.
            NoResponseError: it hung up without a word.
        """
        try:
            self._connection.receive_data(data)
            while not self.whole:
                event = self._connection.next_event()
                if event in (h11.NEED_DATA, h11.PAUSED):
                    break
                self._take(event)
        except h11.RemoteProtocolError as error:
            if not data and self._head is None:
                msg = "the device hung up without an answer"
                raise NoResponseError(msg) from error
            msg = f"no answer of HTTP: {error}"
            raise FrameError(msg, answer=data[:SHOWN]) from error
        if not data and not self.whole:
            msg = "the device hung up without an answer"
            raise NoResponseError(msg)

    def _take(self, event: object) -> None:
        if isinstance(event, h11.Response):
            self._head = event
        elif isinstance(event, h11.Data):
            self._body += event.data
            if len(self._body) > self._longest:
                msg = f"an answer of more than {self._longest} bytes"
                raise FrameError(msg, answer=bytes(self._body[:SHOWN]))
        elif isinstance(event, h11.EndOfMessage):
            self.whole = True
        elif isinstance(event, h11.ConnectionClosed):
            msg = "the device hung up without an answer"
            raise NoResponseError(msg)

    def read(self) -> Answer:
        """Return the answer.

        Raises:
            FrameError: it is not whole.
        """
        head = self._head
        if head is None or not self.whole:
            msg = "an answer that is not whole"
            raise FrameError(msg)
        challenges = tuple(
            value.decode("latin-1") for name, value in head.headers if name == b"www-authenticate"
        )
        encoded = any(
            name == b"content-encoding" and value.lower() != b"identity"
            for name, value in head.headers
        )
        return Answer(head.status_code, bytes(self._body), challenges, encoded)
