"""The agent's local door for the command line: a Unix socket, one JSON object a line.

Only the agent's own user can open it (mode 0600). Requests are small and answered in order.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from gateway.model.errors import GatewayError

_log = logging.getLogger(__name__)

LINE_MOST: Final = 64 * 1024
"""Bytes of one request; a longer one ends the connection."""

Answer = dict[str, Any]  # Any: JSON values
Handler = Callable[[Mapping[str, Any]], Awaitable[Answer]]  # Any: JSON values, checked by each


def control_path(store: Path) -> Path:
    """Return where the agent of this store listens."""
    return store.with_name(f"{store.name}.sock")


async def serve_control(path: Path, handlers: Mapping[str, Handler]) -> None:
    """Answer requests until cancelled.

    Args:
        path: of the socket; one left by a killed agent is replaced.
        handlers: by the name in `do`; each takes the request and returns what goes back.
    """
    async with asyncio.TaskGroup() as connections:

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError, ValueError):  # gone, or a line too long: hang up
                while line := await reader.readline():
                    writer.write(json.dumps(await _answer(line, handlers)).encode() + b"\n")
                    await writer.drain()
            writer.close()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.create_task(serve(reader, writer), name="control-connection")

        with _own_socket(path) as door:
            server = await asyncio.start_unix_server(connected, sock=door, limit=LINE_MOST)
            async with server:
                await server.serve_forever()


@contextmanager
def _own_socket(path: Path) -> Iterator[socket.socket]:
    """Bind a socket that nobody else may open, and take its name away afterwards."""
    path.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(door.fileno(), 0o600)  # before it has a name: there is no moment of more
        door.bind(str(path))
        yield door
    finally:
        door.close()
        path.unlink(missing_ok=True)


async def _answer(line: bytes, handlers: Mapping[str, Handler]) -> Answer:
    try:
        request = json.loads(line)
        handler = handlers[request["do"]]
    except (ValueError, KeyError, TypeError):
        return {"error": f"not a request; known: {', '.join(sorted(handlers))}"}
    try:
        return await handler(request)
    except GatewayError as error:
        return {"error": str(error)}


def ask(path: Path, request: Mapping[str, Any], timeout_s: float = 30.0) -> Answer | None:
    """Ask the running agent; return None when none runs.

    Args:
        path: of its socket.
        request: with `do` and what that needs.
        timeout_s: how long it may take.

    Raises:
        GatewayError: an agent runs and did not answer in time, or refuses.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        try:
            connection.sendall(json.dumps(request).encode() + b"\n")
            line = connection.makefile("rb").readline()
            answer: Answer = json.loads(line)
        except (OSError, ValueError) as error:
            msg = f"the agent at {path} did not answer: {error}"
            raise GatewayError(msg) from error
    if "error" in answer:
        raise GatewayError(answer["error"])
    return answer
