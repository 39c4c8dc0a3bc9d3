"""The link that goes bad: each mode as a client and a target see it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from simulators.lines.proxy import (
    MODES,
    BlackHole,
    Cut,
    Delay,
    Direction,
    Half,
    LinkProxy,
    Loss,
    Mode,
    ModeError,
    Pass,
    link_proxy,
    read_mode,
)

BOUND_S = 5.0
QUIET_S = 0.15
"""How long nothing must come for a link to count as standing still."""


class Target:
    """A server that sends everything back in capitals, and keeps what it got."""

    def __init__(self) -> None:
        self.got = b""
        self.connections = 0
        self.tasks: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while piece := await reader.read(65536):
                self.got += piece
                writer.write(piece.upper())
                await writer.drain()
        except ConnectionError:
            pass  # that is what some of the tests do to it
        finally:
            writer.transport.abort()


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[Target, LinkProxy]]:
    target = Target()
    async with asyncio.timeout(20):
        server = await asyncio.start_server(target.serve, "127.0.0.1", 0)
        async with server, link_proxy(server.sockets[0].getsockname()[:2]) as proxy:
            yield target, proxy


class Client:
    """One connection through the link."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, proxy: LinkProxy) -> Client:
        return cls(*await asyncio.open_connection(proxy.host, proxy.port))

    async def ask(self, text: bytes) -> bytes:
        self.writer.write(text)
        async with asyncio.timeout(BOUND_S):
            return await self.reader.readexactly(len(text))

    async def silent(self) -> bool:
        """Say whether nothing comes for a while."""
        try:
            async with asyncio.timeout(QUIET_S):
                await self.reader.readexactly(1)
        except TimeoutError:
            return True
        return False

    async def ended(self) -> bool:
        """Say whether the connection is reset or closed, within BOUND_S."""
        async with asyncio.timeout(BOUND_S):
            try:
                return await self.reader.read(1) == b""
            except ConnectionError:
                return True

    def close(self) -> None:
        self.writer.transport.abort()


async def test_proxy_passes_both_ways_and_counts() -> None:
    async with linked() as (_target, proxy):
        client = await Client.connect(proxy)
        assert await client.ask(b"hello") == b"HELLO"
        assert proxy.passed == {Direction.UP: 5, Direction.DOWN: 5}
        assert proxy.open == proxy.connections == 1
        client.close()


async def test_proxy_passes_much_data_and_its_end() -> None:
    async with linked() as (target, proxy):
        client = await Client.connect(proxy)
        text = b"abcdefgh" * 100_000
        assert await client.ask(text) == text.upper()
        client.writer.write_eof()
        assert await client.ended()
        assert target.got == text
        client.close()


async def test_proxy_cut_resets_and_refuses_then_passes_on_the_same_port() -> None:
    async with linked() as (_target, proxy):
        client = await Client.connect(proxy)
        assert await client.ask(b"a") == b"A"
        port = proxy.port
        await proxy.set_mode(Cut())
        assert await client.ended()
        with pytest.raises(ConnectionRefusedError):
            await Client.connect(proxy)
        await proxy.set_mode(Pass())
        assert proxy.port == port
        again = await Client.connect(proxy)
        assert await again.ask(b"b") == b"B"
        again.close()
        client.close()


async def test_proxy_black_hole_stalls_old_connections_and_swallows_new_ones() -> None:
    async with linked() as (target, proxy):
        old = await Client.connect(proxy)
        assert await old.ask(b"a") == b"A"
        await proxy.set_mode(BlackHole())
        new = await Client.connect(proxy)
        new.writer.write(b"swallowed")
        old.writer.write(b"held")
        assert await old.silent()
        assert await new.silent()
        assert target.got == b"a"
        await proxy.set_mode(Pass())
        assert await new.ended(), "accepted in a black hole: reset afterwards"
        async with asyncio.timeout(BOUND_S):
            assert await old.reader.readexactly(4) == b"HELD", "nothing was lost inside it"
        assert target.got == b"aheld"
        old.close()
        new.close()


async def test_proxy_delay_keeps_order_and_adds_up_both_ways() -> None:
    async with linked() as (_target, proxy):
        client = await Client.connect(proxy)
        await proxy.set_mode(Delay(ms=60))
        loop = asyncio.get_running_loop()
        began = loop.time()
        for piece in (b"one", b"two", b"three"):
            client.writer.write(piece)
            await asyncio.sleep(0.01)
        async with asyncio.timeout(BOUND_S):
            assert await client.reader.readexactly(11) == b"ONETWOTHREE"
        took = loop.time() - began
        assert took >= 0.12, "60 ms each way"
        assert took < 0.36, "delays of pieces overlap"
        client.close()


async def test_proxy_loss_resets_as_its_seed_says() -> None:
    async def pieces_until_reset(proxy: LinkProxy) -> int:
        await proxy.set_mode(Loss(probability=0.2, seed=3))
        client = await Client.connect(proxy)
        asked = 0
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await client.ask(b"x"):
                asked += 1
        client.close()
        return asked

    async with linked() as (_target, proxy):
        first = await pieces_until_reset(proxy)
        assert 0 < first < 100
        assert await pieces_until_reset(proxy) == first


@pytest.mark.parametrize("passes", ["up", "down"])
async def test_proxy_half_lets_one_direction_stand(passes: str) -> None:
    async with linked() as (target, proxy):
        client = await Client.connect(proxy)
        assert await client.ask(b"a") == b"A"
        await proxy.set_mode(read_mode("half", {"passes": passes}))
        client.writer.write(b"b")
        assert await client.silent()
        assert target.got == (b"ab" if passes == "up" else b"a")
        await proxy.set_mode(Pass())
        async with asyncio.timeout(BOUND_S):
            assert await client.reader.readexactly(1) == b"B"
        client.close()


async def test_proxy_resets_its_client_when_the_target_refuses() -> None:
    server = await asyncio.start_server(Target().serve, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()[:2]
    server.close()
    await server.wait_closed()
    async with link_proxy(address) as proxy:
        client = await Client.connect(proxy)
        assert await client.ended()
        client.close()


async def test_proxy_leaves_an_error_of_its_block_as_it_is() -> None:
    async with linked() as (_target, outer):
        with pytest.raises(KeyError, match="mine"):
            async with link_proxy((outer.host, outer.port)):
                raise KeyError("mine")  # noqa: EM101 - the error is the subject


MODES_READ: dict[str, tuple[str, dict[str, object], Mode]] = {
    "pass": ("pass", {}, Pass()),
    "delay": ("delay", {"ms": 5, "jitter_ms": 2}, Delay(ms=5, jitter_ms=2)),
    "loss": ("loss", {"probability": 0.5, "seed": 3}, Loss(probability=0.5, seed=3)),
    "half": ("half", {"passes": "down"}, Half(passes="down")),
}


@pytest.mark.parametrize(("name", "options", "mode"), MODES_READ.values(), ids=MODES_READ)
def test_proxy_mode_is_read_from_its_name(
    name: str, options: dict[str, object], mode: Mode
) -> None:
    assert read_mode(name, options) == mode


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("gone", {}, "no mode 'gone'"),
        ("cut", {"ms": 3}, "ms: no such option"),
        ("loss", {"probability": 2}, "probability: should be less than or equal to 1"),
        ("half", {"passes": "left"}, "passes: "),
    ],
)
def test_proxy_mode_that_is_none_is_refused(
    name: str, options: dict[str, object], says: str
) -> None:
    with pytest.raises(ModeError, match=says):
        read_mode(name, options)


def test_proxy_knows_the_six_modes() -> None:
    assert set(MODES) == {"pass", "cut", "black_hole", "delay", "loss", "half"}
