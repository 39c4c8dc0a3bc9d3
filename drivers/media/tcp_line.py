"""A line behind a TCP connection: Modbus TCP, or a serial line behind a network adapter."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from drivers.media.line import Line
from drivers.media.port import Channel
from gateway.model.driver import MediumManifest
from gateway.model.errors import BusUnavailableError
from gateway.model.ids import LineId
from gateway.model.options import About, Limits, Options

PROBE_TIMEOUT_S: Final = 1.0
SILENCE_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpLineConfig(Options):
    """Options of a line over TCP."""

    host: Annotated[
        str, Limits(min_length=1), About("name or address of the device or network adapter")
    ]
    port: Annotated[int, Limits(ge=1, le=65535), About("TCP port")] = 502
    connect_timeout_s: Annotated[
        float, Limits(gt=0, le=60), About("how long a connection may take, in seconds")
    ] = 3.0
    echo: Annotated[bool, About("the adapter behind the connection hears what it sends itself")] = (
        False
    )


class TcpLine(Line):
    """The owner of one TCP connection."""

    medium: ClassVar[str] = "tcp"
    _when_closed: ClassVar[str] = "look whether the device restarts, or serves somebody else"
    _drops_after_silences: ClassVar[int | None] = 3

    def __init__(self, line_id: LineId, config: TcpLineConfig) -> None:
        """Take the address; opens nothing."""
        super().__init__(line_id, gap_s=0.0, char_s=0.0, silence_s=SILENCE_S, echo=config.echo)
        self._config: Final = config

    @property
    def _place(self) -> str:
        return f"{self._config.host}:{self._config.port}"

    async def _connect(self) -> Channel:
        try:
            async with asyncio.timeout(self._config.connect_timeout_s):
                return await self._first_that_answers()
        except OSError as error:  # TimeoutError and gaierror are of this family
            msg = f"line {self._id}: {advice(self._config, error)}"
            raise BusUnavailableError(msg) from error

    async def _first_that_answers(self) -> socket.socket:
        """Try the addresses of the host in turn."""
        loop = asyncio.get_running_loop()
        config = self._config
        found = await loop.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)
        failed = OSError(errno.EADDRNOTAVAIL, "no address")
        for family, kind, proto, _, address in found:
            sock = socket.socket(family, kind, proto)
            connected = False
            try:
                sock.setblocking(False)  # noqa: FBT003  socket's own signature
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.sock_connect(sock, address)
                connected = True
            except OSError as error:
                failed = error
            else:
                return sock
            finally:
                if not connected:
                    sock.close()
        raise failed


def advice(config: TcpLineConfig, error: OSError) -> str:
    """Say why the far end cannot be reached, and what to do next."""
    place = f"{config.host}:{config.port}"
    if isinstance(error, ConnectionRefusedError):
        return f"{place} refuses the connection: check the port, and that the device's server is on"
    if isinstance(error, socket.gaierror):
        return (
            f"{place}: this name has no address: check the spelling, or give the address in figures"
        )
    if isinstance(error, TimeoutError):
        return f"{place} does not answer: check its power, the network cable and the address"
    if error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH}:
        return f"{place} cannot be reached: check the gateway's own network cable and address"
    return f"{place}: {error.strerror or error}"


def probe(config: TcpLineConfig) -> str | None:
    """Say why a connection cannot be made now, or None; sends nothing over it."""
    try:
        socket.create_connection((config.host, config.port), timeout=PROBE_TIMEOUT_S).close()
    except OSError as error:
        return advice(config, error)
    return None


def resource(config: TcpLineConfig) -> Hashable:
    """Return host and port."""
    return (config.host.lower(), config.port)


MANIFEST: Final = MediumManifest(
    name="tcp", config=TcpLineConfig, build=TcpLine, resource=resource, probe=probe
)
