"""A line that is lent: its polls rest, and it comes back whatever becomes of who has it."""

from __future__ import annotations

import asyncio

import pytest

from gateway.acquisition.lease import LONGEST_S
from gateway.model.command import Outcome
from gateway.model.errors import GatewayError
from gateway.model.ids import DeviceId, PointId
from tests.polled_site import Site, play

METER, POWER = DeviceId("meter-1"), PointId("all_power")


def asked(site: Site) -> int:
    return len(site.line.asked)


def test_polls_rest_while_a_line_is_lent_and_go_on_when_it_is_given_back() -> None:
    async def story(site: Site) -> None:
        await asyncio.sleep(3.5)
        await site.poller.lease.lend(20)
        assert not site.line.is_open
        before = asked(site)
        await asyncio.sleep(15)
        assert asked(site) == before
        assert site.poller.shows_life()
        site.poller.lease.take_back()
        await asyncio.sleep(5.1)
        assert asked(site) == before + 6

    site = play(story)
    assert site.events == []
    assert site.causes("meter-1") == []


def test_a_lease_that_nobody_renews_ends_by_itself() -> None:
    async def story(site: Site) -> None:
        await site.poller.lease.lend(10_000)
        before = asked(site)
        await asyncio.sleep(LONGEST_S + 0.1)
        assert asked(site) > before

    play(story)


def test_a_lease_can_be_renewed() -> None:
    async def story(site: Site) -> None:
        await site.poller.lease.lend(20)
        before = asked(site)
        for _ in range(4):
            await asyncio.sleep(15)
            await site.poller.lease.lend(20)
        assert asked(site) == before

    play(story)


def test_a_line_that_is_gone_can_be_lent() -> None:
    async def story(site: Site) -> None:
        site.line.plugged_in = site.line.is_open = False
        await asyncio.sleep(60)
        await site.poller.lease.lend(20)
        connects = len(site.line.connects)
        await asyncio.sleep(15)
        assert len(site.line.connects) == connects
        site.line.plugged_in = True
        site.poller.lease.take_back()
        await asyncio.sleep(1)
        assert site.line.is_open

    assert play(story).keys() == ["line-lost", "line-back"]


def test_a_device_that_takes_too_long_keeps_its_line() -> None:
    async def story(site: Site) -> None:
        site.twins["meter-1"].answer_s = 60.0
        await asyncio.sleep(2)
        with pytest.raises(GatewayError, match="does not get free"):
            await site.poller.lease.lend(20)
        site.twins["meter-1"].answer_s = 0.02
        await asyncio.sleep(60)
        before = asked(site)
        await asyncio.sleep(5)
        assert asked(site) >= before + 5

    play(story)


def test_a_command_to_a_line_that_is_lent_is_refused() -> None:
    async def story(site: Site) -> None:
        await site.poller.lease.lend(20)
        result = await site.poller.write(METER, POWER, 5.0)
        assert result.outcome is Outcome.REFUSED
        assert "lent to a technician" in result.reason
        assert not site.line.is_open

    play(story)
