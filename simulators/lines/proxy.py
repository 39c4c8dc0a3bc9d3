"""A TCP link that goes bad on command, in front of a broker or a device.

The modes are frozen values; the proxy carries out the one that is set, and can be told another at
any time. Two things differ from a real link, because a program cannot do them: a black hole still
completes the TCP handshake, and nothing is lost inside a connection (TCP would repair that): what
stands still in a black hole flows on afterwards, as after retransmission.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from random import Random
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from simulators.lines.listening import listen_again, nursery
from simulators.sentences import sentences

CHUNK: Final = 65536
QUEUE_CHUNKS: Final = 64
"""Chunks under way in one direction of one connection; when full, the sender waits (TCP's own)."""
_CONFIG: Final = ConfigDict(extra="forbid")


class Direction(StrEnum):
    """Which way bytes go: up is from the client to the target."""

    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Pass:
    """Everything passes."""

    name: ClassVar[str] = "pass"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Cut:
    """Connections are reset, new ones are refused."""

    name: ClassVar[str] = "cut"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class BlackHole:
    """Connections stand still; new ones are accepted and what they say is swallowed.

    A connection accepted in a black hole is reset when the mode changes.
    """

    name: ClassVar[str] = "black_hole"


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Delay:
    """Everything arrives later, in order, both ways."""

    name: ClassVar[str] = "delay"
    ms: Annotated[int, Field(ge=0, le=60_000)] = 300
    jitter_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    seed: Annotated[int, Field(ge=0)] = 1


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Loss:
    """Each piece that passes may instead reset its connection."""

    name: ClassVar[str] = "loss"
    probability: Annotated[float, Field(ge=0, le=1)] = 0.05
    seed: Annotated[int, Field(ge=0)] = 1


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Half:
    """Only one direction passes; the other stands still."""

    name: ClassVar[str] = "half"
    passes: Literal["up", "down"] = "up"


Mode = Pass | Cut | BlackHole | Delay | Loss | Half
MODES: Final[Mapping[str, type[Mode]]] = {
    kind.name: kind for kind in (Pass, Cut, BlackHole, Delay, Loss, Half)
}


class ModeError(ValueError):
    """A mode that does not exist or has options it does not take."""


def read_mode(name: str, options: Mapping[str, object]) -> Mode:
    """Return the mode of that name with its options.

    Raises:
        ModeError: no such mode, an unknown option, or a value outside its range.
    """
    kind = MODES.get(name)
    if kind is None:
        msg = f"no mode {name!r}; there are: {', '.join(MODES)}"
        raise ModeError(msg)
    try:
        return TypeAdapter[Mode](kind).validate_python(dict(options))
    except ValidationError as error:
        msg = f"mode {name}: {'; '.join(sentences(error))}"
        raise ModeError(msg) from error


class _DroppedError(Exception):
    """This connection is to be reset."""


class LinkProxy:
    """The link; made by `link_proxy`."""

    def __init__(self, target: tuple[str, int], tasks: asyncio.TaskGroup) -> None:
        """Take where it leads and the task group its connections live in."""
        self._target = target
        self._tasks = tasks
        self._mode: Mode = Pass()
        self._rng = Random(1)
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._carried: set[asyncio.Task[None]] = set()
        self._swallowed: set[asyncio.Task[None]] = set()
        self.host = ""
        self.port = 0
        self.connections = 0
        """Accepted since the start."""
        self.passed: dict[Direction, int] = dict.fromkeys(Direction, 0)
        """Bytes handed on since the start."""

    @property
    def mode(self) -> Mode:
        """Return what the link does now."""
        return self._mode

    @property
    def open(self) -> int:
        """Return how many connections there are now."""
        return len(self._carried) + len(self._swallowed)

    async def set_mode(self, mode: Mode) -> None:
        """Do this from now on; returns when it holds.

        Raises:
            OSError: after a cut, somebody else has taken the port.
        """
        self._mode = mode
        if isinstance(mode, Delay | Loss):
            self._rng = Random(mode.seed)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        if isinstance(mode, Cut):
            await self.close()
            return
        if not isinstance(mode, BlackHole):
            await self._hang_up(self._swallowed)
        await self.listen(self.host, self.port)

    async def listen(self, host: str, port: int) -> None:
        """Accept connections; does nothing when it does. Port 0: the system chooses.

        Raises:
            OSError: the port is taken.
        """
        if self._server is not None:
            return
        self._server = await listen_again(
            lambda: asyncio.start_server(self._accept, host, port), wait=bool(self.port)
        )
        self.host, self.port = self._server.sockets[0].getsockname()[:2]

    async def close(self) -> None:
        """Refuse, then reset everything: who comes back at once finds the port closed."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            await asyncio.sleep(0)  # connections accepted in the same turn of the loop appear
        await self._hang_up(self._carried | self._swallowed)
        if server is not None:
            await server.wait_closed()

    @staticmethod
    async def _hang_up(tasks: set[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if isinstance(self._mode, BlackHole):
            family, work = self._swallowed, self._swallow(reader, writer)
        else:
            family, work = self._carried, self._carry(reader, writer)
        task = self._tasks.create_task(work, name=f"link:{self.connections}")
        family.add(task)
        task.add_done_callback(family.discard)

    @staticmethod
    async def _swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(CHUNK):
                pass
        except OSError:
            return
        finally:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._way(Direction.UP, reader, far_writer))
                ways.create_task(self._way(Direction.DOWN, far_reader, writer))
        except* (OSError, _DroppedError):
            pass  # a reset on one side is passed on as a reset on the other
        finally:
            writer.transport.abort()
            far_writer.transport.abort()

    async def _way(
        self, way: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry one direction until its end, through a bounded queue so that delays overlap."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(QUEUE_CHUNKS)
        async with asyncio.TaskGroup() as halves:
            halves.create_task(self._take(reader, queue))
            halves.create_task(self._give(way, writer, queue))

    async def _take(
        self, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        loop = asyncio.get_running_loop()
        due = 0.0
        while True:
            data = await reader.read(CHUNK)
            mode = self._mode
            if data and isinstance(mode, Loss) and self._rng.random() < mode.probability:
                raise _DroppedError
            wait_ms = 0.0
            if isinstance(mode, Delay):
                wait_ms = mode.ms + self._rng.random() * mode.jitter_ms
            due = max(due, loop.time() + wait_ms / 1000)
            await queue.put((due, data))
            if not data:
                return

    async def _give(
        self,
        way: Direction,
        writer: asyncio.StreamWriter,
        queue: asyncio.Queue[tuple[float, bytes]],
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            while self._stands(way):
                await self._changed.wait()
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            self.passed[way] += len(data)
            await writer.drain()

    def _stands(self, way: Direction) -> bool:
        mode = self._mode
        return isinstance(mode, BlackHole) or (isinstance(mode, Half) and mode.passes != way)


@asynccontextmanager
async def link_proxy(
    target: tuple[str, int], *, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[LinkProxy]:
    """Stand between clients and `target` for as long as the block runs; it begins passing.

    Raises:
        OSError: the listening port is taken.
    """
    async with nursery() as tasks:
        proxy = LinkProxy(target, tasks)
        await proxy.listen(host, port)
        try:
            yield proxy
        finally:
            await proxy.close()
