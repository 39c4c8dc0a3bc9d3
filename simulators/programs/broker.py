"""The broker of a site: a system mosquitto when there is one, else iotcore from the wheel."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
from pathlib import Path
from typing import Final

from simulators.programs.children import POLL_S, READY_WITHIN_S, Child, ChildError, Children

PAYLOAD_MOST: Final = 1_100_000
EXTRA_PATH: Final = "/usr/sbin:/usr/local/sbin"


def free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find_mosquitto() -> str | None:
    """Return the path of a system mosquitto, or None."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=EXTRA_PATH)


async def start_broker(
    children: Children, keys: Path, kind: str, port: int | None = None, *, persistent: bool = False
) -> tuple[Child, int, str]:
    """Start a broker on a loopback port.

    Args:
        children: the processes of the site.
        keys: folder made by `mayak ca new`.
        kind: `mosquitto`, `iotcore`, or `auto` for the first that is there.
        port: where it is to listen; None: a free one.
        persistent: a mosquitto saves what it holds every second, and reads it when it starts.

    Returns:
        The process, its port, and which broker it is.

    Raises:
        ChildError: it is not installed, or does not listen in time.
    """
    port = free_port() if port is None else port
    mosquitto = find_mosquitto() if kind in {"auto", "mosquitto"} else None
    if kind == "mosquitto" and mosquitto is None:
        msg = "mosquitto is not installed; --broker iotcore needs nothing"
        raise ChildError(msg)
    config = children.folder / "broker.conf"
    if mosquitto is not None:
        saved = children.folder if persistent else None
        config.write_text(_mosquitto(port, keys, saved), encoding="utf-8")
        command = [mosquitto, "-c", str(config)]
    else:
        config = config.with_suffix(".toml")
        config.write_text(_iotcore(port, keys), encoding="utf-8")
        command = [sys.executable, "-m", "iotcore", "--config", str(config), "--log-level", "ERROR"]
    child = await children.start("broker", command)
    await _listening(children, child, port)
    return child, port, "iotcore" if mosquitto is None else "mosquitto"


async def _listening(children: Children, child: Child, port: int) -> None:
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while True:
                children.check(child)
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(POLL_S)
                    continue
                writer.close()
                return
    except TimeoutError as error:
        msg = f"the broker does not listen on port {port}:\n{child.last_words()}"
        raise ChildError(msg) from error


def _mosquitto(port: int, keys: Path, saved: Path | None) -> str:
    persistence = (
        "persistence false"
        if saved is None
        else f"persistence true\npersistence_location {saved}/\nautosave_interval 1"
    )
    # `user root`: started by root, mosquitto would else give up its rights and then could not
    # read its key; started by anybody else, the line has no effect.
    return f"""listener {port} 127.0.0.1
cafile {keys / "ca.pem"}
certfile {keys / "broker.pem"}
keyfile {keys / "broker.key"}
require_certificate true
use_identity_as_username true
tls_version tlsv1.3
allow_anonymous false
{persistence}
max_inflight_messages 200
max_queued_messages 100000
user root
"""


def _iotcore(port: int, keys: Path) -> str:
    return f"""id = 0

[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10

[v5.tls]
name = "tls"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1

[v5.tls.tls]
certpath = "{keys / "broker.pem"}"
keypath = "{keys / "broker.key"}"

[v5.tls.connections]
connection_timeout_ms = 60000
max_payload_size = {PAYLOAD_MOST}
max_inflight_count = 200
dynamic_filters = true
"""
