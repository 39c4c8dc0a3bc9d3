"""The agent's local door for the command line: a Unix socket, one JSON object a line.

Only the agent's own user can open it (mode 0600). Requests are small and answered in order.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from gateway.model.errors import GatewayError
from gateway.supervise import contain

_log = logging.getLogger(__name__)

RUNTIME_FOLDER: Final = Path("/run/mayak")
"""Made by systemd (RuntimeDirectory)."""
LINE_MOST: Final = 64 * 1024
"""Bytes of one request; a longer one ends the connection."""

Answer = dict[str, Any]  # Any: JSON values
Handler = Callable[[Mapping[str, Any]], Awaitable[Answer]]  # Any: JSON values, checked by each


def control_path(store: Path) -> Path:
    """Return where the agent of this store listens."""
    return store.with_name(f"{store.name}.sock")


def elsewhere(path: Path) -> list[Path]:
    """Return where the door may be when the card does not let us make it, the best first.

    Only folders of our own that nobody else may enter, or that of the service.

    Args:
        path: where it should be.
    """
    import tempfile  # noqa: PLC0415 - loads much, and is seldom wanted

    name = f"{hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:16]}.sock"
    own = Path(tempfile.gettempdir()) / f"mayak-{os.getuid()}"
    return [RUNTIME_FOLDER / name, own / name]


async def serve_control(path: Path, handlers: Mapping[str, Handler]) -> None:
    """Answer requests until cancelled.

    Args:
        path: of the socket; one left by a killed agent is replaced. Where it cannot be made, it is
            made `elsewhere`.
        handlers: by the name in `do`; each takes the request and returns what goes back.
    """
    with _own_socket(path) as door:
        async with asyncio.TaskGroup() as connections:

            def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                if not server.is_serving():  # came while we were stopping
                    writer.close()
                    return
                work = _serve(reader, writer, handlers)
                task = connections.create_task(work, name="control-connection")
                task.add_done_callback(lambda _: writer.close())

            server = await asyncio.start_unix_server(
                connected, sock=door, limit=LINE_MOST, start_serving=False
            )
            try:
                await server.start_serving()
                await asyncio.get_running_loop().create_future()  # until cancelled
            finally:
                server.close()  # the connections end with the group


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handlers: Mapping[str, Handler]
) -> None:
    """Answer one client until it goes; one that sends too long a line is hung up on."""
    with suppress(ConnectionError, ValueError):
        while line := await reader.readline():
            writer.write(await _answer(line, handlers) + b"\n")
            await writer.drain()


@contextmanager
def _own_socket(path: Path) -> Iterator[socket.socket]:
    """Bind a socket that nobody else may open, and take its name away afterwards."""
    door = socket.socket(socket.AF_UNIX)
    bound: Path | None = None
    try:
        os.fchmod(door.fileno(), 0o600)  # before it has a name: there is no moment of more
        bound = _bind(door, path)
        yield door
    finally:
        door.close()
        if bound is not None:
            with suppress(OSError):  # on a card that went read-only it stays, and nobody is there
                bound.unlink(missing_ok=True)


def _bind(door: socket.socket, path: Path) -> Path:
    """Give a socket its name at the path, or else elsewhere; return where.

    Raises:
        OSError: neither is possible.
    """
    try:
        path.unlink(missing_ok=True)
        door.bind(str(path))
    except OSError as error:
        for other in elsewhere(path):
            with suppress(OSError):
                if other.parent != RUNTIME_FOLDER:
                    other.parent.mkdir(mode=0o700, exist_ok=True)
                if _is_ours(other.parent):
                    other.unlink(missing_ok=True)
                    door.bind(str(other))
                    extra = {"path": str(other), "error": str(error)}
                    _log.warning("control-elsewhere", extra=extra)
                    return other
        raise
    return path


def _is_there(door: Path) -> bool:
    try:
        return door.exists() and _is_ours(door.parent)
    except OSError:  # a folder that is not for us
        return False


def _is_ours(folder: Path) -> bool:
    """Say whether nobody but us (and root) can have put something into a folder."""
    if folder == RUNTIME_FOLDER:
        return folder.is_dir()
    found = folder.lstat()
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.getuid()
        and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    )


async def _answer(line: bytes, handlers: Mapping[str, Handler]) -> bytes:
    """Return the answer to one request; what breaks in it is told and breaks nothing else."""
    try:
        request = json.loads(line)
        handler = handlers[request["do"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return _packed({"error": f"not a request; known: {', '.join(sorted(handlers))}"})
    answers: list[Answer] = []

    async def carry_out() -> None:
        answers.append(await handler(request))

    error = await contain(carry_out())
    if error is None:
        return _packed(answers[0])
    if not isinstance(error, GatewayError):
        _log.error("request-failed", exc_info=error, extra={"do": request["do"]})
    return _packed({"error": str(error) or type(error).__name__})


def _packed(answer: Answer) -> bytes:
    return json.dumps(answer, default=str).encode()


def ask(path: Path, request: Mapping[str, Any], timeout_s: float = 30.0) -> Answer | None:
    """Ask the running agent; return None when none runs.

    Args:
        path: of its socket.
        request: with `do` and what that needs.
        timeout_s: how long it may take.

    Raises:
        GatewayError: an agent runs and cannot be asked, did not answer in time, or refuses.
    """
    others = (other for other in elsewhere(path) if _is_there(other))
    for place in (path, *others):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            try:
                connection.connect(str(place))
            except (FileNotFoundError, ConnectionRefusedError):
                continue
            except OSError as error:
                msg = f"the agent cannot be asked over {place}: {error.strerror or error}"
                raise GatewayError(msg) from error
            return _asked(connection, place, request, timeout_s)
    return None


def _asked(
    connection: socket.socket, path: Path, request: Mapping[str, Any], timeout_s: float
) -> Answer:
    try:
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile("rb") as lines:
            answer: Answer = json.loads(lines.readline())
    except (OSError, ValueError) as error:
        reason = f" in {timeout_s:.0f} s" if isinstance(error, TimeoutError) else f": {error}"
        msg = f"the agent at {path} did not answer{reason}"
        raise GatewayError(msg) from error
    if "error" in answer:
        raise GatewayError(answer["error"])
    return answer
