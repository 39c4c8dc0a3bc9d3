"""A line that goes and comes back."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from gateway.model.event import Severity
from gateway.model.reading import Cause
from tests import virtual_time
from tests.polled_site import Site, during, make_site, play
from tests.virtual_time import VirtualClock


def test_a_line_that_is_gone_makes_every_point_bad_once_and_is_reopened_with_back_off() -> None:
    async def story(site: Site) -> None:
        await asyncio.sleep(5)
        site.line.plugged_in = False
        await asyncio.sleep(60)
        assert site.poller.lost == ["meter-1", "meter-2"]
        site.line.plugged_in = True
        await asyncio.sleep(20)

    site = play(story, count=2)
    for name in site.twins:
        assert site.causes(name) == [Cause.LINE_DOWN]
    assert site.keys() == ["line-lost", "line-back"]
    assert site.events[0].severity is Severity.ALARM
    gaps = [b - a for a, b in pairwise(site.line.connects[1:])]
    assert [round(low) <= gap <= low * 1.25 for low, gap in zip((2, 4, 8, 10), gaps, strict=False)]
    assert 2 <= gaps[0] <= 2.5
    assert 10 <= gaps[-1] <= 12.5


def test_the_back_off_of_a_line_begins_anew_after_it_was_well() -> None:
    async def story(site: Site) -> None:
        site.line.plugged_in = False
        await asyncio.sleep(60)
        site.line.plugged_in = True
        await asyncio.sleep(20)
        site.line.plugged_in = False
        site.line.connects.clear()
        gone = site.clock.seconds
        await asyncio.sleep(5)
        assert site.line.connects[0] - gone <= 1.0 + 1.25

    play(story)


def test_when_the_line_is_back_everything_is_asked_within_a_second() -> None:
    async def story(site: Site) -> None:
        site.line.plugged_in = False
        await asyncio.sleep(30)
        site.line.plugged_in = True
        await asyncio.sleep(20)

    site = play(story, count=3, period_s=600)
    back = site.events[-1].at.mono_ms
    for name in site.twins:
        assert [r.at.mono_ms - back <= 1100 for r in site.of(name) if not r.flags] == [True]


def test_a_port_that_is_missing_at_start_is_told_and_awaited() -> None:
    async def story(site: Site) -> None:
        await asyncio.sleep(8)
        assert site.keys() == ["line-lost"]
        site.line.plugged_in = True
        await asyncio.sleep(20)

    async def main(clock: VirtualClock) -> Site:
        made = make_site(clock)
        made.line.plugged_in = False
        await during(made, story(made))
        return made

    made = virtual_time.run(main)
    assert made.keys() == ["line-lost", "line-back"]
    assert made.readings[-1].cells == (7.0,)


def test_a_device_lost_before_its_line_went_is_told_back_when_it_answers() -> None:
    async def story(site: Site) -> None:
        site.twins["meter-1"].silent = True
        await asyncio.sleep(20)
        site.line.plugged_in = False
        await asyncio.sleep(20)
        site.line.plugged_in = True
        site.twins["meter-1"].silent = False
        await asyncio.sleep(20)

    site = play(story)
    assert site.keys() == ["device-lost", "line-lost", "line-back", "device-back"]


def test_cancelling_closes_the_line_also_in_the_middle_of_an_exchange() -> None:
    async def story(site: Site) -> None:
        site.twins["meter-1"].silent = True
        await asyncio.sleep(0.2)
        assert site.line.is_open

    site = play(story)
    assert not site.line.is_open
