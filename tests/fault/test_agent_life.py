"""The real agent started, stopped, killed and started again: what it had read is on the card."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.store.inspection import inspect, verify
from provisioning.authority import Authority
from tests.running_agent import Agent, Cabinet, cabinet

KILLS = 10


@asynccontextmanager
async def running(folder: Path, authority: Authority) -> AsyncIterator[tuple[Cabinet, Agent]]:
    async with cabinet(folder, authority) as site, site.agent() as agent:
        yield site, agent


async def test_a_stop_commits_all_that_was_read(tmp_path: Path, authority: Authority) -> None:
    async with running(tmp_path, authority) as (site, agent):
        await agent.until_reads(100)
        code = await agent.stop()

        assert code == 0
        assert verify(site.store) == []
        site.assert_nothing_lost()
        assert site.events()[-1] == "agent-stopping"
        assert not agent.store.with_name("store.db.sock").exists()


async def test_an_interrupt_from_the_keyboard_is_a_clean_stop_too(
    tmp_path: Path, authority: Authority
) -> None:
    async with running(tmp_path, authority) as (site, agent):
        await agent.until_reads()

        assert await agent.stop(signal.SIGINT) == 0
        assert "agent-stopping" in site.events()


@pytest.mark.timeout(240)  # ten starts: a few seconds alone, minutes on a busy machine
async def test_killed_ten_times_it_goes_on_where_it_was(
    tmp_path: Path, authority: Authority, rng: random.Random
) -> None:
    async with cabinet(tmp_path, authority) as site:
        newest: dict[str, int] = {}
        incarnations = set()
        for _ in range(KILLS):
            async with site.agent() as agent:
                await agent.until(lambda: _grew(site.store, newest), "a sequence more")  # noqa: B023  # awaited here
                await asyncio.sleep(rng.uniform(0.0, 0.15))
                await agent.stop(signal.SIGKILL)
            assert verify(site.store) == []
            found = inspect(site.store, 16)
            incarnations.add(found.incarnation)
            now = {row.stream: row.newest for row in found.channels}
            assert all(now[stream] >= sequence for stream, sequence in newest.items())
            newest = now

        stored = site.numbers()
        assert len(incarnations) == 1
        assert site.events().count("agent-started") == KILLS
        assert [number for number, times in stored.items() if times > 1] == []
        assert len(stored) > KILLS


def _grew(store: Path, newest: dict[str, int]) -> bool:
    """Say whether there is a batch of readings that was not there before this life."""
    if not store.exists() or not store.with_name(f"{store.name}.sock").exists():
        return False
    rows = inspect(store, 16).channels
    return any(row.stream == "data" and row.newest > newest.get("data", 0) for row in rows)


async def test_without_a_platform_it_records_and_says_so_once(
    tmp_path: Path, authority: Authority
) -> None:
    async with running(tmp_path, authority) as (site, agent):
        await agent.until_reads(50)
        status = await agent.status()
        await agent.stop()

        assert (status["connected"], status["lost_devices"]) == (False, [])
        assert inspect(site.store, 16).kept >= status["readings"]
        assert [entry["event"] for entry in agent.log].count("link-lost") == 1
        assert "link-lost" in site.events()


async def test_the_door_tells_what_became_of_each_line_and_device(
    tmp_path: Path, authority: Authority
) -> None:
    async with running(tmp_path, authority) as (_, agent):
        await agent.until_reads(50)
        status = await agent.status()
        await agent.stop()

    asked = sum(device["polls"] for device in status["devices"].values())
    carried = sum(line["exchanges"] for line in status["lines"].values())
    assert 0 < asked <= carried + len(status["lines"])
    for line in status["lines"].values():
        assert min(line["bytes_sent"], line["bytes_received"], line["busy_s"]) > 0


async def test_a_second_agent_on_the_same_store_is_refused_and_the_first_goes_on(
    tmp_path: Path, authority: Authority
) -> None:
    async with running(tmp_path, authority) as (site, agent):
        await agent.until_reads()
        code, _, said = await site.mayak("run", str(site.site))

        assert code == 69
        assert said.strip() == f"mayak run: another agent works on {site.store}: stop it first"
        await agent.until_reads(10)


async def test_a_damaged_store_is_set_aside_and_told(tmp_path: Path, authority: Authority) -> None:
    async with cabinet(tmp_path, authority) as site:
        site.store.parent.mkdir()
        site.store.write_bytes(b"this is no database" * 500)
        async with site.agent() as agent:
            await agent.until_reads(10)
            await agent.stop()

        aside = site.store.with_name("store.db.damaged-1")
        assert aside.read_bytes().startswith(b"this is no database")
        assert agent.logged("store-damaged")
        assert "store-damaged" in site.events()
        assert verify(site.store) == []


async def test_the_service_manager_is_told_of_start_life_and_stop(
    tmp_path: Path, authority: Authority
) -> None:
    place = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(place))
        manager.setblocking(False)
        loop = asyncio.get_running_loop()

        async def next_of(state: str) -> str:
            async with asyncio.timeout(15):
                while not (said := (await loop.sock_recv(manager, 1000)).decode()).startswith(
                    state
                ):
                    pass
            return said

        environ = {"NOTIFY_SOCKET": str(place), "WATCHDOG_USEC": "200000"}
        async with cabinet(tmp_path, authority) as site, site.agent(environ) as agent:
            ready = await next_of("READY=1")
            for _ in range(3):
                await next_of("WATCHDOG=1")
            agent.process.terminate()
            await next_of("STOPPING=1")
            assert await agent.stop() == 0

    assert ready == "READY=1\nSTATUS=2 lines"


async def test_what_lies_beside_the_store_is_its_owners_alone(
    tmp_path: Path, authority: Authority
) -> None:
    async with running(tmp_path, authority) as (site, agent):
        await agent.until_reads()
        modes = {file.name: file.stat().st_mode & 0o777 for file in site.store.parent.iterdir()}

    assert set(modes) >= {"store.db", "store.db.sock", "store.db.lock"}
    assert set(modes.values()) == {0o600}
