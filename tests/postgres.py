"""A PostgreSQL server for tests: a cluster of its own, ended by its process id.

It listens on a free port of the loopback and syncs what it commits. The server refuses to run as
root, so that root hands it to Debian's user `postgres`; anybody else runs it as himself.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.broker import free_port

START_WITHIN_S = 20.0
STOP_WITHIN_S = 20.0
USER = "postgres"


def find() -> Path | None:
    """Return the folder of initdb and postgres, or None when they are not installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    on_path = shutil.which("initdb")
    candidates = [*debian, *([Path(on_path).resolve()] if on_path else [])]
    return next((file.parent for file in candidates if (file.parent / "postgres").exists()), None)


def _whom() -> dict[str, Any]:  # Any: as Popen takes it
    """Return how Popen becomes somebody whom the server allows to run it."""
    return {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}


@dataclass
class Postgres:
    """One server. `stop`, `kill` and `start` as often as a test likes: port and data stay."""

    programs: Path
    port: int = 0
    made: int = 0
    """Schemas."""
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="mayak-pg-")))
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def make(self) -> None:
        """Make the cluster and start it.

        Raises:
            RuntimeError: it does not start; with its log.
        """
        if os.geteuid() == 0:
            owner = pwd.getpwnam(USER)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        made: list[str | Path] = [
            self.programs / "initdb",
            "-D",
            self.folder / "data",
            "-U",
            "mayak",
            "-A",
            "trust",
        ]
        subprocess.run(
            [*made, "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"],
            check=True,
            capture_output=True,
            cwd="/",
            **_whom(),
        )
        self.port = free_port()
        self.start()

    def database(self) -> str:
        """Return the connection string of an empty schema, which is made sooner than a database."""
        self.made += 1
        name = f"test_{self.made}"
        address = f"postgresql://mayak@127.0.0.1:{self.port}/postgres"
        self.query(address, f"CREATE SCHEMA {name}")
        return f"{address}?search_path={name}"

    def query(self, address: str, query: str) -> str:
        """Ask as a person would, with psql; `address` is one that `database` returned."""
        url, _, options = address.partition("?")
        program = str(self.programs / "psql")
        schema = ["-c", f"SET {options.replace('=', ' = ')}"] if options else []
        done = subprocess.run(
            [program, "-XqAt", "-v", "ON_ERROR_STOP=1", url, *schema, "-c", query],
            check=True,
            capture_output=True,
            text=True,
        )
        return str(done.stdout.strip())

    def start(self) -> None:
        """Start it and return once it takes connections."""
        options = (
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=40",
        )
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self.programs / "postgres", "-D", self.folder / "data", "-p", str(self.port)),
                    *(word for option in options for word in ("-c", option)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                **_whom(),
            )
        until = time.monotonic() + START_WITHIN_S
        while self._asked() != 0:
            if time.monotonic() > until or self._process.poll() is not None:
                msg = f"PostgreSQL does not start:\n{(self.folder / 'log').read_text()}"
                raise RuntimeError(msg)
            time.sleep(0.02)

    def _asked(self) -> int:
        """Return 0 when it takes connections."""
        asked = [str(self.programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: fast (SIGINT), or as a crash would (SIGQUIT: at once, recovery at the start)."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(STOP_WITHIN_S)
            self._process = None

    def remove(self) -> None:
        """End it and remove all of it."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)
