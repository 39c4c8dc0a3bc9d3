"""What systemd is told: that we are ready, that we live, that we stop.

Source: sd_notify(3), sd_watchdog_enabled(3), systemd 252.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Final

log = logging.getLogger(__name__)

ADDRESS: Final = "NOTIFY_SOCKET"
WATCHDOG_USEC: Final = "WATCHDOG_USEC"
WATCHDOG_PID: Final = "WATCHDOG_PID"


class Notifier:
    """Sends states to the service manager; does nothing when there is none. Never blocks."""

    def __init__(self, address: str | None) -> None:
        """Take the address of its socket: a path, or a name in the abstract space after `@`."""
        self._address: Final = _address(address)
        self._failed = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Notifier:
        """Return the one that the environment names."""
        return cls(environ.get(ADDRESS))

    def ready(self, status: str = "") -> None:
        """Say that the start is over."""
        self._send("READY=1", status)

    def status(self, status: str) -> None:
        """Say in one line how things are."""
        self._send(status=status)

    def stopping(self, status: str = "") -> None:
        """Say that the stop has begun."""
        self._send("STOPPING=1", status)

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, state: str = "", status: str = "") -> None:
        if self._address is None:
            return
        lines = [state] if state else []
        if status:
            lines.append(f"STATUS={' '.join(status.split())}")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)  # noqa: FBT003 - the only way to say it
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._failed:
                log.warning("service-manager-unreachable", extra={"error": str(error)})
            self._failed = True
        else:
            self._failed = False


def watchdog_interval_s(environ: Mapping[str, str] = os.environ) -> float | None:
    """Return how often to feed the watchdog, half of its time, or None when there is none for us.

    Args:
        environ: variables of the process. A time that is no positive number counts as none.
    """
    pid = environ.get(WATCHDOG_PID)
    if pid is not None and pid != str(os.getpid()):
        return None
    text = environ.get(WATCHDOG_USEC, "")
    if not (text.isascii() and text.isdigit()) or not int(text):
        return None
    return int(text) / 2 / 1_000_000


async def feed(
    notifier: Notifier, silent: Callable[[], Sequence[str]], interval_s: float | None
) -> None:
    """Feed the watchdog for as long as everybody shows life.

    Args:
        notifier: who is told.
        silent: names those that show no life now: pollers, the store's writer.
        interval_s: as `watchdog_interval_s` says; None returns at once.
    """
    if interval_s is None:
        return
    said: tuple[str, ...] = ()
    while True:
        names = tuple(silent())
        if not names:
            notifier.alive()
        if names != said:
            if names:
                log.error("no-sign-of-life", extra={"tasks": list(names)})
                notifier.status(f"no sign of life: {', '.join(names)}")
            else:
                log.info("signs-of-life")
                notifier.status("running")
            said = names
        await asyncio.sleep(interval_s)


def _address(address: str | None) -> str | None:
    """Return what a socket takes: other address families (vsock) are left alone."""
    if not address or address[0] not in "/@":
        return None
    return f"\0{address[1:]}" if address[0] == "@" else address
