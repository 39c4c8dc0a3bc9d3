"""A real mosquitto for tests, on a free port of the loopback, ended by its process id."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from provisioning.authority import Authority

START_WITHIN_S = 10.0
STOP_WITHIN_S = 5.0
SEARCH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin"
"""Distributions put daemons where a plain user's PATH does not look."""


def find() -> str | None:
    """Return the path of mosquitto, or None when it is not installed."""
    return shutil.which("mosquitto", path=SEARCH)


def free_port() -> int:
    """Return a port of the loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Mosquitto:
    """One broker. `stop`, `kill` and `start` as often as a test likes: the port stays."""

    program: str
    folder: Path
    authority: Authority | None = None
    """Given: TLS 1.3, and only clients with a certificate of it. Else plain."""
    config: str = ""
    """Further lines of mosquitto.conf."""
    port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def log(self) -> str:
        """Return what the broker has written so far."""
        path = self.folder / "mosquitto.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    @property
    def pid(self) -> int:
        """Return the process id of the running broker."""
        if self._process is None:
            msg = "the broker does not run"
            raise RuntimeError(msg)
        return self._process.pid

    def start(self) -> None:
        """Start it and return once it takes connections.

        Raises:
            RuntimeError: it ended or took none in time; with its log.
        """
        for _ in range(1 if self.port else 3):  # somebody else may take the free port first
            port = self.port or free_port()
            if self._started(port):
                self.port = port
                return
        msg = f"mosquitto does not start:\n{self.log}"
        raise RuntimeError(msg)

    def stop(self) -> None:
        """End it as a system would, with SIGTERM; does nothing when it is not running."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End it as a power cut would, with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def client_context(self, certificate: Path, key: Path) -> ssl.SSLContext:
        """Return a context with which a client of the authority connects."""
        if self.authority is None:
            msg = "this broker speaks no TLS"
            raise RuntimeError(msg)
        context = ssl.create_default_context(cafile=self.authority.folder / "ca.pem")
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(certificate, key)
        return context

    def _started(self, port: int) -> bool:
        config = self.folder / "mosquitto.conf"
        config.write_text("\n".join(self._lines(port)) + "\n", encoding="utf-8")
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.program, "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + START_WITHIN_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.01)
            else:
                return self._process.poll() is None
        self.kill()
        return False

    def _lines(self, port: int) -> list[str]:
        lines = [
            f"listener {port} 127.0.0.1",
            "log_dest stderr",
            "persistence true",
            f"persistence_location {self.folder}/",
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # else it becomes a user who cannot read these keys
        if self.authority is None:
            lines.append("allow_anonymous true")
        else:
            keys = self.authority.folder
            lines += [
                f"cafile {keys}/ca.pem",
                f"certfile {keys}/broker.pem",
                f"keyfile {keys}/broker.key",
                "require_certificate true",
                "use_identity_as_username true",
                "tls_version tlsv1.3",
                "allow_anonymous false",
            ]
        return [*lines, self.config]
