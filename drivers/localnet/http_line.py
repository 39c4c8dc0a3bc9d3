"""The medium of HTTP devices: asks them, and listens where the site says so."""

from __future__ import annotations

import ssl
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from drivers.localnet.hook import Hooked, Hooks, HookServer, Take
from drivers.localnet.http_client import Login, Server, ask
from drivers.localnet.http_config import HttpLineConfig
from drivers.localnet.secrets import read_secret
from gateway.model.driver import MediumManifest
from gateway.model.errors import BusUnavailableError, DeviceError
from gateway.model.ids import LineId


@dataclass(slots=True)
class HttpStatistics:
    """Counters of one medium."""

    exchanges: int = 0
    errors: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    busy_s: float = 0.0


class LocalHttp:
    """HTTP devices of the site. A `Medium`.

    Each device has a connection of its own for each request: several may be asked at once, and
    nothing is shared that could be lost.
    """

    def __init__(self, line: LineId, config: HttpLineConfig) -> None:
        """Take the options; listens when it is opened, if it is to listen at all."""
        self._id: Final = line
        self._config: Final = config
        self.statistics: Final = HttpStatistics()
        self.hooks: Final = Hooks()
        self._awaited: Final[dict[str, tuple[Path, Take]]] = {}
        self._server: Final = HookServer(
            self.hooks,
            longest=config.longest_body,
            timeout_s=config.hook_timeout_s,
            most=config.hook_connections,
        )

    @property
    def id(self) -> LineId:
        """Return the name of the line in the site file."""
        return self._id

    def hear(self, path: str, token_file: Path, take: Take) -> None:
        """Have `take` called with what a device tells. Before the medium is opened.

        Raises:
            ValueError: another device has that path, or nothing is to listen.
        """
        if self._config.hook_port is None:
            msg = f"hook: line {self._id} does not listen; give it hook_port"
            raise ValueError(msg)
        if path in self._awaited:
            msg = f"hook {path}: another device of line {self._id} has it"
            raise ValueError(msg)
        self._awaited[path] = (token_file, take)

    async def open(self) -> None:
        """Listen, if anybody is to be heard; does nothing when that is so.

        Raises:
            BusUnavailableError: the port is taken, or a file cannot be used.
        """
        config = self._config
        if config.hook_port is None or not self._awaited or self._server.port:
            return
        try:
            for path, (token_file, take) in self._awaited.items():
                self.hooks.add(path, Hooked(read_secret(token_file), take))
            context = None
            if config.hook_certificate_file is not None:
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                context.load_cert_chain(config.hook_certificate_file, config.hook_key_file)
            await self._server.open(config.hook_host, config.hook_port, context)
        except (OSError, ValueError) as error:
            where = f"{config.hook_host}:{config.hook_port}"
            msg = f"line {self._id}: cannot listen on {where}: {error}"
            raise BusUnavailableError(msg) from error

    async def close(self) -> None:
        """Listen no more."""
        await self._server.close()

    async def ask(
        self,
        server: Server,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        login: Login | None = None,
        timeout_s: float,
    ) -> bytes:
        """Return the body of a good answer.

        Raises:
            DeviceError: as `http_client.ask`.
        """
        self.statistics.exchanges += 1
        self.statistics.bytes_sent += len(body)
        try:
            answer = await ask(
                server,
                method,
                target,
                body,
                login=login,
                timeout_s=timeout_s,
                longest=self._config.longest_body,
            )
        except DeviceError:
            self.statistics.errors += 1
            raise
        self.statistics.bytes_received += len(answer)
        return answer


def probe(config: HttpLineConfig) -> str | None:
    """Say why it is not there now, or None; that only shows when it is used."""
    del config
    return None


def resource(config: HttpLineConfig) -> Hashable:
    """Return where it listens; one that does not shares nothing with another."""
    if config.hook_port is None:
        return object()
    return (config.hook_host, config.hook_port)


MANIFEST: Final = MediumManifest(
    name="http-local", config=HttpLineConfig, build=LocalHttp, resource=resource, probe=probe
)
