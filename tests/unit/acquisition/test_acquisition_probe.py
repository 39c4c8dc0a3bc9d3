"""A device asked in between, for a person."""

from __future__ import annotations

import asyncio

import pytest

from gateway.model.ids import DeviceId
from gateway.model.reading import Cause, Flag, Quality
from tests.polled_site import Site, play


def test_a_probe_asks_every_group_now_and_delivers_nothing() -> None:
    async def story(site: Site) -> None:
        await asyncio.sleep(10)
        told = len(site.readings)
        readings = await site.poller.probe(DeviceId("meter-1"))
        assert [r.cells for r in readings] == [(7.0,), (7.0,)]
        assert len(site.readings) == told

    play(story, groups=("a", "b"), period_s=600)


def test_a_probe_of_a_silent_device_says_so_after_its_retries() -> None:
    async def story(site: Site) -> None:
        site.twins["meter-1"].silent = True
        await asyncio.sleep(100)
        begun = site.clock.monotonic_s()
        readings = await site.poller.probe(DeviceId("meter-1"))
        assert site.clock.monotonic_s() - begun == pytest.approx(2.0, abs=0.6)
        bad = Flag(Quality.BAD, Cause.NO_RESPONSE)
        assert [(r.cells, r.flags) for r in readings] == [((None,), {0: bad})] * 2

    play(story, groups=("a", "b"))


def test_a_probe_that_is_answered_brings_a_lost_device_back_at_once() -> None:
    async def story(site: Site) -> None:
        site.twins["meter-1"].silent = True
        await asyncio.sleep(100)
        site.twins["meter-1"].silent = False
        await site.poller.probe(DeviceId("meter-1"))
        await asyncio.sleep(0.1)
        assert site.keys() == ["device-lost", "device-back"]

    play(story)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("noisy", Cause.FRAME),
        ("refuses", Cause.REJECTED),
        ("faulty", Cause.DEVICE_FAULT),
    ],
)
def test_a_probe_names_the_cause(fault: str, cause: Cause) -> None:
    async def story(site: Site) -> None:
        setattr(site.twins["meter-1"], fault, True)
        (reading,) = await site.poller.probe(DeviceId("meter-1"))
        assert reading.flags == {0: Flag(Quality.BAD, cause)}

    play(story)


def test_a_probe_on_a_line_that_is_gone_says_so_without_retry() -> None:
    async def story(site: Site) -> None:
        site.line.plugged_in = False
        await asyncio.sleep(5)
        before = len(site.line.asked)
        (reading,) = await site.poller.probe(DeviceId("meter-1"))
        assert reading.flags == {0: Flag(Quality.BAD, Cause.LINE_DOWN)}
        assert len(site.line.asked) == before

    play(story)


def test_a_probe_of_an_unknown_device_is_a_key_error() -> None:
    async def story(site: Site) -> None:
        with pytest.raises(KeyError):
            await site.poller.probe(DeviceId("nobody"))

    play(story)
