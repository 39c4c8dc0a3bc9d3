"""How each part of a site is started and asked, as a user would do it: by the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.model.files import durable_write
from simulators.programs.broker import start_broker
from simulators.programs.children import Child, ChildError, Children, mayak, output_of
from simulators.programs.site_file import CONSUMER

ASK_WITHIN_S: Final = 2.0
FORGIVEN_BEFORE_MS: Final = 1_250
"""The second before a kill in which plain readings may be lost, and the commit that was under
way."""
FORGIVEN_AFTER_MS: Final = 250
"""An answer that was on the wire when the agent died."""


@dataclass(slots=True)
class Parts:
    """The parts of one site in one folder."""

    children: Children
    gateway: str
    server: str = ""
    """Connection string of the receiver's database; empty: a file."""

    @property
    def folder(self) -> Path:
        """Return where everything of the run lies."""
        return self.children.folder

    @property
    def keys(self) -> Path:
        """Return the folder of the city's keys and certificates."""
        return self.folder / "keys"

    @property
    def database(self) -> Path | str:
        """Return where the receiver keeps all: as `--db` takes it."""
        return self.server or self.folder / "platform.db"

    async def must(self, command: list[str]) -> str:
        """Run a command to its end and return what it printed.

        Raises:
            ChildError: its exit code is not 0.
        """
        code, out, err = await output_of(command)
        if code:
            msg = f"{' '.join(command[3:5])} ended with {code}:\n{out}{err}"
            raise ChildError(msg)
        return out

    async def new_keys(self) -> None:
        """Make the city's authority, the gateway's identity and the platform's keys.

        Raises:
            ChildError: they cannot be made.
        """
        await self.must(
            mayak("ca", "new", str(self.keys), "--gateway", self.gateway, "--consumer", CONSUMER,
                  "--host", "localhost", "--host", "127.0.0.1")
        )  # fmt: skip

    async def broker(
        self, kind: str, port: int | None = None, *, persistent: bool = False
    ) -> tuple[Child, int, str]:
        """Start a broker; return the process, its port and which one it is.

        Raises:
            ChildError: it is not installed, or does not listen in time.
        """
        return await start_broker(self.children, self.keys, kind, port, persistent=persistent)

    async def platform(self, port: int) -> Child:
        """Start the receiver at the broker of that port.

        Raises:
            ChildError: it does not get ready.
        """
        child, ready = await self.launch_platform(port)
        await self.children.ready(child, ready)
        return child

    async def launch_platform(
        self, port: int, *, name: str = "platform", share: str | None = None
    ) -> tuple[Child, Path]:
        """Start a receiver, and return it with the file that it writes once it is ready.

        Args:
            port: of the broker.
            name: of this receiver, where several work on one database.
            share: group with which it shares the load.
        """
        ready = self.folder / f"{name}.ready"
        ready.unlink(missing_ok=True)
        shared = [] if share is None else ["--share", share]
        child = await self.children.start(
            name,
            mayak(
                "platform", "run", "--db", str(self.database),
                "--broker", f"localhost:{port}", "--tls-ca", str(self.keys / "ca.pem"),
                "--tls-cert", str(self.keys / f"platform-{CONSUMER}.pem"),
                "--tls-key", str(self.keys / f"platform-{CONSUMER}.key"),
                "--hpke-key", str(self.keys / f"{CONSUMER}-hpke.key"),
                "--sign-key", str(self.keys / f"{CONSUMER}-sign.key"),
                "--city-ca", str(self.keys / "ca.pem"), "--consumer", CONSUMER,
                "--ready", str(ready), *shared,
            ),
        )  # fmt: skip
        return child, ready

    async def proxy(self, port: int) -> tuple[Child, int]:
        """Start a link before a port, and return it with the port it listens on.

        Its log has a line a second with what it passed.

        Raises:
            ChildError: it does not get ready.
        """
        ready = self.folder / "proxy.ready"
        command = mayak(
            "sim", "proxy", "--listen", "127.0.0.1:0", "--to", f"127.0.0.1:{port}",
            "--ready", str(ready), "--json",
        )  # fmt: skip
        child = await self.children.start("proxy", command)
        told = await self.children.ready(child, ready)
        return child, int(told["port"])

    async def twins(self, scene: str) -> tuple[Child, dict[str, Any]]:  # Any: JSON values
        """Start the twins of a scene; return them and where their lines are.

        Raises:
            ChildError: they do not get ready.
        """
        ready = self.folder / "twins.ready"
        command = mayak(
            "sim", "run", scene, "--ready", str(ready),
            "--truth", str(self.truth), "--json",
        )  # fmt: skip
        child = await self.children.start("twins", command)
        told = await self.children.ready(child, ready)
        return child, told["lines"]

    async def agent(self, site: Path) -> Child:
        """Start the agent of a site file."""
        return await self.children.start("agent", mayak("run", str(site)))

    async def ask(self, request: Mapping[str, str]) -> dict[str, Any] | None:  # Any: JSON values
        """Ask the agent at its door; None while it is starting."""
        door = self.folder / "var" / "store.db.sock"
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                reader, writer = await asyncio.open_unix_connection(door, limit=2**22)
                writer.write(json.dumps(request).encode() + b"\n")
                answer: dict[str, Any] = json.loads(await reader.readline())
                writer.close()
        except (OSError, ValueError, TimeoutError):
            return None
        return answer

    def last_told(self, name: str) -> dict[str, Any]:  # Any: JSON values
        """Return the last JSON line that a part printed; empty while there is none."""
        lines = (self.folder / f"{name}.log").read_text(encoding="utf-8").splitlines()
        told: dict[str, Any] = json.loads(
            next((line for line in reversed(lines) if line.startswith("{")), "{}")
        )
        return told

    @property
    def truth(self) -> Path:
        """Return the journal of what the twins served; whole once they have ended."""
        return self.folder / "truth.jsonl"

    async def ledger(
        self, kills_ms: Iterable[int], truth: Path | None = None
    ) -> dict[str, Any]:  # Any: JSON values
        """Return the platform's account with the twins' truth.

        Args:
            kills_ms: wall times of SIGKILLs; what was served just before one may be missing.
            truth: a part of the journal to look at; None: all of it.

        Raises:
            ChildError: there is no account.
        """
        forgiven = [
            {"from_ms": at - FORGIVEN_BEFORE_MS, "to_ms": at + FORGIVEN_AFTER_MS} for at in kills_ms
        ]
        file = self.folder / "forgiven.jsonl"
        durable_write(file, "".join(json.dumps(each) + "\n" for each in forgiven).encode())
        _, out, err = await output_of(
            mayak(
                "platform", "ledger", "--db", str(self.database), "--json",
                "--truth", str(truth or self.truth), "--forgive", str(file),
            )
        )  # fmt: skip
        try:
            ledger: dict[str, Any] = json.loads(out)
        except ValueError as error:
            msg = f"the platform's ledger said no account:\n{err}"
            raise ChildError(msg) from error
        return ledger
