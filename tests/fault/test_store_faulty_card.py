"""A card that goes read-only or breaks under the running agent, or was so before it started."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.store.inspection import verify
from provisioning.authority import Authority
from tests.faulty_card import (
    BROKEN,
    FULL,
    READ_ONLY,
    UNSYNCED,
    WELL,
    FaultyCard,
    faulty_card,
    lacking,
)
from tests.opened_store import epochs_in
from tests.running_agent import Agent, Cabinet, cabinet

MORE = 60
"""Values that wait in memory before the card is well again."""


@asynccontextmanager
async def on_card(folder: Path, authority: Authority) -> AsyncIterator[tuple[Cabinet, FaultyCard]]:
    """Run the twins of a cabinet whose agent has its store on a faulty card."""
    if (what := lacking()) is not None:
        pytest.skip(what)
    with faulty_card(folder / "card", folder / "var") as card:
        async with cabinet(folder, authority) as site:
            yield site, card


async def goes_on(site: Cabinet, agent: Agent) -> None:
    """Wait until readings wait in memory and polls go on all the same."""

    async def waits() -> bool:
        return bool((await agent.status()).get("waiting", 0) > MORE)

    await agent.until(waits, "readings that wait in memory")
    counts = site.scene.twin("meter-1").counts
    polled = counts.answered
    await agent.until(lambda: counts.answered > polled + 5, "polls that go on")
    row = (await agent.values())["meter-1", "voltage_l1"]
    assert (row["quality"], row["age_s"] < 5) == ("good", True)
    store = (await agent.status())["store"]
    assert (store["takes"], bool(store["error"])) == (False, True)


@pytest.mark.parametrize("trouble", [READ_ONLY, FULL, BROKEN, UNSYNCED])
async def test_a_card_that_goes_wrong_under_the_agent_costs_nothing_while_there_is_memory(
    tmp_path: Path, authority: Authority, trouble: str
) -> None:
    async with on_card(tmp_path, authority) as (site, card), site.agent() as agent:
        await agent.until_reads(40)
        before = {key for key, _ in site.numbers().items()}
        card.be(trouble)
        await goes_on(site, agent)
        card.be(WELL)
        await agent.until_reads(MORE)
        assert await agent.stop() == 0

        assert before <= site.numbers().keys()
        site.assert_nothing_lost()
        assert verify(site.store) == []
        events = site.events()
        assert events.count("store-full") == events.count("store-back") == 1
        assert ("store-damaged" in events) == (trouble == UNSYNCED)


@pytest.mark.parametrize("trouble", [READ_ONLY, FULL])
async def test_a_start_on_such_a_card_polls_answers_and_stores_when_it_may(
    tmp_path: Path, authority: Authority, trouble: str
) -> None:
    async with on_card(tmp_path, authority) as (site, card):
        card.be(trouble)
        async with site.agent() as agent:
            await goes_on(site, agent)
            card.be(WELL)
            await agent.until_reads(MORE)
            assert await agent.stop() == 0

        site.assert_nothing_lost()
        assert verify(site.store) == []
        assert {"agent-started", "store-full"} <= set(site.events())


async def test_a_start_on_a_card_with_a_store_that_went_read_only_goes_on_with_it(
    tmp_path: Path, authority: Authority
) -> None:
    async with on_card(tmp_path, authority) as (site, card):
        async with site.agent() as agent:
            await agent.until_reads(40)
            assert await agent.stop() == 0
        card.be(READ_ONLY)
        async with site.agent() as agent:
            await goes_on(site, agent)
            card.be(WELL)
            await agent.until_reads(MORE)
            assert await agent.stop() == 0

        site.assert_nothing_lost()
        assert verify(site.store) == []
        assert len({record.incarnation for record in epochs_in(site.store)}) == 1


async def test_a_kill_on_a_read_only_card_costs_nothing_that_was_committed(
    tmp_path: Path, authority: Authority
) -> None:
    async with on_card(tmp_path, authority) as (site, card):
        async with site.agent() as agent:
            await agent.until_reads(40)
            committed = site.numbers().keys()
            card.be(READ_ONLY)
            await goes_on(site, agent)
        card.be(WELL)
        async with site.agent() as agent:
            await agent.until_reads(40)
            assert await agent.stop() == 0

        assert committed <= site.numbers().keys()
        assert verify(site.store) == []
