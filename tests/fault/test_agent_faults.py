"""The real agent while something is wrong: a full card, a port that is not there, an adapter."""

from __future__ import annotations

import asyncio
import json
import resource
from pathlib import Path
from typing import Any

from gateway.store.inspection import verify
from provisioning.authority import Authority
from tests.running_agent import Agent, Cabinet, cabinet

UNLIMITED = resource.RLIM_INFINITY


def limit_files(agent: Agent, size: int) -> None:
    """Let no file of the agent grow beyond a size, as a full card would not; or lift that again."""
    resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (size, UNLIMITED))


def polls(site: Cabinet, twin: str) -> int:
    return site.scene.twin(twin).counts.answered


async def row(agent: Agent, device: str, point: str) -> dict[str, Any]:
    return (await agent.values()).get((device, point), {})


async def test_a_card_that_takes_nothing_costs_no_reading_while_there_is_memory(
    tmp_path: Path, authority: Authority
) -> None:
    async with cabinet(tmp_path, authority) as site, site.agent() as agent:
        await agent.until_reads(20)
        limit_files(agent, site.store.with_name("store.db-wal").stat().st_size)

        async def waits() -> bool:
            return bool((await agent.status())["waiting"] > 60)

        await agent.until(waits, "readings that wait in memory")
        polled = polls(site, "meter-1")
        await agent.until(lambda: polls(site, "meter-1") > polled + 5, "polls that go on")
        limit_files(agent, UNLIMITED)
        await agent.until_reads(60)
        assert await agent.stop() == 0

        events = site.events()
        assert events.count("store-full") == events.count("store-back") == 1
        assert verify(site.store) == []
        site.assert_nothing_lost()


async def test_a_stop_on_a_card_that_takes_little_ends_and_loses_nothing_unsaid(
    tmp_path: Path, authority: Authority
) -> None:
    async with cabinet(tmp_path, authority) as site, site.agent() as agent:
        await agent.until_reads(20)
        limit_files(agent, site.store.with_name("store.db-wal").stat().st_size)

        async def waits() -> bool:
            return bool((await agent.status())["waiting"] > 20)

        await agent.until(waits, "readings that wait in memory")
        agent.process.terminate()
        await agent.until(lambda: agent.logged("store-full"))
        code = await agent.stop()

        assert code == 0
        if not agent.logged("lost-at-stop"):  # what was kept by made room for the rest
            site.assert_nothing_lost()
        assert verify(site.store) == []


async def test_a_serial_port_that_is_not_there_costs_the_other_line_nothing(
    tmp_path: Path, authority: Authority
) -> None:
    async with cabinet(tmp_path, authority) as site:
        site.scene.unplug("bus")
        async with site.agent() as agent:

            async def line_down() -> bool:
                return (await row(agent, "door-1", "door_open")).get("cause") == "line_down"

            await agent.until(line_down, "the points of the line are BAD")
            loop = asyncio.get_running_loop()
            before, since_s = polls(site, "meter-1"), loop.time()
            await agent.until(lambda: polls(site, "meter-1") >= before + 20, "20 polls")
            lasted_s = loop.time() - since_s
            status = await agent.status()
            door = await row(agent, "door-1", "door_open")

        assert door["quality"] == "bad"
        assert door["value"] is None
        assert sorted(status["lost_devices"]) == ["door-1", "relay-1"]
        assert lasted_s < 20 * 0.1 * 2  # the period is 0.1 s; a shared machine has its moods


async def test_an_adapter_pulled_out_and_put_back_is_taken_up_again(
    tmp_path: Path, authority: Authority
) -> None:
    async with cabinet(tmp_path, authority) as site, site.agent() as agent:

        async def good() -> bool:
            return (await row(agent, "door-1", "door_open")).get("quality") == "good"

        async def down() -> bool:
            return (await row(agent, "door-1", "door_open")).get("cause") == "line_down"

        await agent.until(good, "the door is read")
        site.scene.unplug("bus")
        await agent.until(down, "the line is down")
        site.scene.plug("bus")
        await agent.until(good, "the door is read again")
        assert await agent.stop() == 0

        assert {"line-lost", "line-back"} <= set(site.events())
        site.assert_nothing_lost()


async def test_read_and_write_go_through_the_running_agent(
    tmp_path: Path, authority: Authority
) -> None:
    async with cabinet(tmp_path, authority) as site, site.agent() as agent:
        await agent.until_reads()
        where = ("--site", str(site.site))
        code, out, _ = await site.mayak("write", "relay-1.relay_2", "on", *where, "--json")
        written = json.loads(out)
        read_code, out, _ = await site.mayak("read", "relay-1.relay_2", *where, "--json")
        (shown,) = json.loads(out)
        refused, out, _ = await site.mayak("write", "relay-1.feedback_1", "on", *where, "--json")

    assert (code, written["outcome"], written["read_back"]) == (0, "done", True)
    assert (read_code, shown["value"], shown["quality"]) == (0, True, "good")
    assert (refused, json.loads(out)["outcome"]) == (1, "refused")


async def test_read_and_write_work_without_an_agent(tmp_path: Path, authority: Authority) -> None:
    async with cabinet(tmp_path, authority) as site:
        where = ("--site", str(site.site))
        code, out, said = await site.mayak("write", "relay-1.relay_3", "true", *where)
        read_code, table, _ = await site.mayak("read", "relay-1", *where)
        unknown, _, sentence = await site.mayak("read", "relay-9", *where)

    assert (code, out) == (0, "relay-1.relay_3: the device confirms True.\n"), said
    assert read_code == 0
    assert ["relay-1", "relay_3", "True", "good"] in [line.split() for line in table.splitlines()]
    assert unknown == 69
    assert "there is no device 'relay-9'; known: door-1, meter-1, relay-1" in sentence


async def test_a_device_that_is_not_there_reads_bad_with_and_without_an_agent(
    tmp_path: Path, authority: Authority
) -> None:
    async with cabinet(tmp_path, authority) as site:
        site.scene.unplug("bus")
        where = ("--site", str(site.site), "--json")
        alone, _, sentence = await site.mayak("read", "door-1", *where)
        async with site.agent() as agent:
            await agent.until_reads()
            code, out, _ = await site.mayak("read", "door-1", *where)

    assert (alone, code) == (69, 1)
    assert sentence.startswith("mayak read: line bus")
    assert {shown["cause"] for shown in json.loads(out)} == {"line_down"}
