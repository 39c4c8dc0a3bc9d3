"""HTTP devices: one that is asked, one that tells by web hook. They speak HTTP by hand."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Final
from urllib.parse import parse_qs, urlsplit

from simulators.faults import Liar, Redirect, Refuse, Short, Silent
from simulators.lines.listening import listen_again
from simulators.localnet.options import CounterOptions, ShellyOptions
from simulators.truth import TruthJournal
from simulators.twin import Struck, Twin, delay_s

HUGE: Final = 200_000
LONGEST_REQUEST: Final = 16_384
REALM: Final = "shelly-twin"
_PARAMETER: Final = re.compile(r'(\w+)="?([^",]+)"?')


def answer(status: int, body: bytes, *extra: str) -> bytes:
    """Return an answer as it goes out."""
    head = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *extra]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + body


class ShellyTwin(Twin):
    """A relay with metering: Switch.GetStatus and Switch.Set."""

    def __init__(self, options: ShellyOptions, truth: TruthJournal, host: str) -> None:
        """Take the scene's options."""
        super().__init__(options.id, truth)
        self._host: Final = host
        self.port = options.port
        self._password: Final = options.password
        self._rng: Final = Random(options.seed)
        self._nonce: Final = f"{self._rng.getrandbits(64):016x}"
        self._server: asyncio.Server | None = None
        self._writers: Final[set[asyncio.StreamWriter]] = set()
        self.switched_on = False
        self.energy = 0.0
        self._now_s: float | None = None

    def power_on(self) -> None:
        """Be off after power-up."""
        self.switched_on = False

    def advance(self, now_s: float) -> None:
        """Count what flows."""
        before, self._now_s = self._now_s, now_s
        if before is not None and self.switched_on:
            self.energy += 60.0 * (now_s - before) / 3600

    def about(self) -> dict[str, object]:
        """Return where it listens."""
        return {"url": f"http://{self._host}:{self.port}", "switched_on": self.switched_on}

    async def refresh(self) -> None:
        """Listen, or not while it is off."""
        if self.off:
            self.retire()
        elif self._server is None:
            self._server = await listen_again(
                lambda: asyncio.start_server(self._serve, self._host, self.port),
                wait=self.port != 0,
            )
            self.port = self._server.sockets[0].getsockname()[1]

    def retire(self) -> None:
        """Listen no more."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = re.search(r"(?im)^content-length: (\d+)", head)
            if length is not None:
                await reader.readexactly(int(length.group(1)))
            struck = self.strike()
            if self.hears(struck):
                await asyncio.sleep(delay_s(struck))
                raw = self._answer(head, struck)
                if raw and not any(isinstance(fault, Silent) for fault, _ in struck):
                    writer.write(raw)
                    await writer.drain()
                    self.sent()
                    writer.close()
                    return
            await reader.read()  # silent, until the other side gives up
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # it hung up, or speaks something else
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    def _answer(self, head: str, struck: tuple[Struck, ...]) -> bytes:
        method, _, rest = head.partition(" ")
        target = rest.partition(" ")[0]
        if self._password and not self._knows(method, target, head):
            said = f'Digest qop="auth", realm="{REALM}", nonce="{self._nonce}", algorithm=SHA-256'
            return answer(401, b"", f"WWW-Authenticate: {said}")
        for fault, _ in struck:
            match fault:
                case Refuse():
                    return answer(500, b"")
                case Redirect():
                    return answer(302, b"", "Location: http://127.0.0.1:1/elsewhere")
                case Liar():
                    return self._lie(fault.how)
                case _:
                    pass
        raw = self._carried_out(target)
        for fault, _ in struck:
            if isinstance(fault, Short):
                raw = raw[: max(1, len(raw) - fault.missing)]
        return raw

    def _lie(self, how: str) -> bytes:
        if how == "length":
            return answer(200, b'"' + b"x" * HUGE + b'"')
        if how == "count":
            return answer(200, b"{}")
        wrong = {"output": "yes", "apower": [1], "voltage": 9e9, "aenergy": None}
        return answer(200, json.dumps(wrong).encode())

    def _carried_out(self, target: str) -> bytes:
        parts = urlsplit(target)
        query = parse_qs(parts.query)
        if query.get("id") != ["0"]:
            return answer(404, b'{"code":-105}')
        if parts.path == "/rpc/Switch.Set" and query.get("on") in (["true"], ["false"]):
            was, self.switched_on = self.switched_on, query["on"] == ["true"]
            return answer(200, json.dumps({"was_on": was}).encode())
        if parts.path != "/rpc/Switch.GetStatus":
            return answer(404, b"")
        self.answers += 1
        status = {
            "id": 0,
            "source": "http",
            "output": self.switched_on,
            "apower": 60.0 if self.switched_on else 0,
            "voltage": 231.4,
            "aenergy": {"total": round(self.energy, 3)},
        }
        return answer(200, json.dumps(status).encode(), "Content-Type: application/json")

    def _knows(self, method: str, target: str, head: str) -> bool:
        """Say whether the request shows that it knows the password (RFC 7616, 3.4.1)."""
        found = re.search(r"(?im)^authorization: digest (.+)$", head)
        said = dict(_PARAMETER.findall(found.group(1))) if found is not None else {}

        def hashed(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        who = hashed(f"admin:{REALM}:{self._password}")
        what = hashed(f"{method}:{target}")
        turn = f"{said.get('nc')}:{said.get('cnonce')}:{said.get('qop')}"
        expected = hashed(f"{who}:{self._nonce}:{turn}:{what}")
        return said.get("response") == expected and said.get("uri") == target


class CounterTwin(Twin):
    """A counter of people that tells by web hook."""

    def __init__(
        self, options: CounterOptions, truth: TruthJournal, gateway: Callable[[], tuple[str, int]]
    ) -> None:
        """Take the scene's options, and where the gateway listens."""
        super().__init__(options.id, truth)
        self.options: Final = options
        self._gateway: Final = gateway
        self._rng: Final = Random(options.seed)
        self.entered = self.left = 0
        self.statuses: Final[list[int]] = []
        """What the gateway answered."""

    def power_on(self) -> None:
        """Count from nothing."""
        self.entered = self.left = 0

    def advance(self, now_s: float) -> None:
        """Let people come and go."""
        del now_s
        self.entered += self._rng.random() < 0.3  # noqa: PLR2004 - now and then
        self.left += self.left < self.entered and self._rng.random() < 0.2  # noqa: PLR2004

    def about(self) -> dict[str, object]:
        """Return what it counted."""
        return {"entered": self.entered, "left": self.left}

    async def tell(self) -> None:
        """Tell the gateway once, if it is there."""
        struck = self.strike()
        if self.off or not self.hears(struck):
            return
        said: object = {"id": self.options.id, "in": self.entered, "out": self.left}
        if any(isinstance(fault, Liar) for fault, _ in struck):
            said = {"id": self.options.id, "in": "many", "out": -1}
        raw = json.dumps(said).encode()
        for fault, _ in struck:
            if isinstance(fault, Short):
                raw = raw[: max(1, len(raw) - fault.missing)]
        status = await self.post(raw)
        if status is not None:
            self.sent()
            self.statuses.append(status)

    async def post(self, raw: bytes) -> int | None:
        """Send one message; return the status of the answer, or None."""
        own = self.options
        host, port = self._gateway()
        path = f"/{own.hook}/{own.token}" if own.in_path else f"/{own.hook}"
        head = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(raw)}"]
        if not own.in_path:
            head.append(f"Authorization: Bearer {own.token}")
        with suppress(OSError):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(("\r\n".join(head) + "\r\n\r\n").encode() + raw)
                answered = await reader.readline()
            finally:
                writer.transport.abort()
            words = answered.split()
            return int(words[1]) if len(words) > 1 else None
        return None
