"""The poller on a scripted line, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from itertools import pairwise

import pytest

from gateway.acquisition.devices import PolledDevice
from gateway.acquisition.poller import Poller
from gateway.model.driver import PollGroup
from gateway.model.event import Severity
from gateway.model.ids import DeviceId
from gateway.model.reading import Cause, Deadband, Reading, Sample
from tests import virtual_time
from tests.polled_site import Site, during, make_site, play
from tests.scripted_line import BrokenMeter, LearningMeter, ScriptedLine, TextMeter, group_of
from tests.virtual_time import VirtualClock


async def ten_seconds(_: Site) -> None:
    await asyncio.sleep(10)


async def a_minute(_: Site) -> None:
    await asyncio.sleep(60)


def test_each_poll_becomes_one_reading_with_the_time_of_its_answer() -> None:
    site = play(ten_seconds)
    assert len(site.readings) == 10
    first = site.readings[0]
    assert (first.device, first.cells, first.flags) == ("meter-1", (7.0,), {})
    assert first.at.mono_ms == 1000_020


def test_devices_and_groups_keep_their_rate() -> None:
    site = play(a_minute, count=10, groups=("a", "b"))
    for name in site.twins:
        assert len(site.of(name)) == pytest.approx(120, abs=2)


def test_a_period_of_the_site_overrides_that_of_the_driver() -> None:
    group = group_of("all", ["power"], 1.0)
    driver = TextMeter(ScriptedLine({}), "m", [group])
    plain = PolledDevice(DeviceId("m"), driver)
    assert plain.period_of(group) == 1.0
    slower = PolledDevice(DeviceId("m"), driver, period_s=5.0)
    assert slower.period_of(group) == 5.0
    named = PolledDevice(DeviceId("m"), driver, period_s=5.0, periods={"all": 0.5})
    assert named.period_of(group) == 0.5


def test_a_value_that_rests_is_told_by_heartbeat_only() -> None:
    site = play(a_minute, deadband=Deadband(absolute=1), heartbeat_s=20)
    assert len(site.readings) == 3


def test_a_failure_that_a_retry_mends_is_seen_by_nobody() -> None:
    async def story(site: Site) -> None:
        await asyncio.sleep(1.9)
        site.twins["meter-1"].silent = True
        await asyncio.sleep(0.6)
        site.twins["meter-1"].silent = False
        await asyncio.sleep(7)

    site = play(story)
    assert site.events == []
    assert site.causes("meter-1") == []
    assert site.poller.counters[DeviceId("meter-1")].no_response == 1


def test_a_silent_device_is_bad_once_with_one_event_and_comes_back_with_one() -> None:
    async def story(site: Site) -> None:
        await asyncio.sleep(10)
        site.twins["meter-1"].silent = True
        await asyncio.sleep(60)
        assert site.poller.lost == ["meter-1"]
        site.twins["meter-1"].silent = False
        await asyncio.sleep(30)
        assert site.poller.lost == []

    site = play(story)
    assert site.causes("meter-1") == [Cause.NO_RESPONSE]
    assert site.keys() == ["device-lost", "device-back"]
    lost, back = site.events
    assert lost.device == back.device == "meter-1"
    assert lost.severity is Severity.WARNING
    assert lost.args == {
        "line": "cabinet-485",
        "cause": "no_response",
        "error": "meter-1: nothing came",
        "times": 1,
    }
    assert back.args["line"] == "cabinet-485"
    duration_s = back.args["duration_s"]
    assert isinstance(duration_s, float)
    assert 55 < duration_s < 70
    assert back.args["missed"] == int(duration_s)
    assert site.readings[-1].cells == (7.0,)


def test_the_heartbeat_repeats_that_a_lost_device_is_bad() -> None:
    async def story(site: Site) -> None:
        site.twins["meter-1"].silent = True
        await asyncio.sleep(300)

    site = play(story, heartbeat_s=60)
    assert 4 <= len(site.causes("meter-1")) <= 5


def test_noise_is_bad_with_its_own_cause_which_silence_does_not_change() -> None:
    async def story(site: Site) -> None:
        twin = site.twins["meter-1"]
        twin.noisy = True
        await asyncio.sleep(20)
        twin.silent = True
        await asyncio.sleep(40)

    site = play(story)
    assert site.causes("meter-1") == [Cause.FRAME]
    assert site.keys() == ["device-lost"]


def test_one_silent_device_of_ten_leaves_the_others_their_rate() -> None:
    async def story(site: Site) -> None:
        site.twins["meter-4"].silent = True
        await asyncio.sleep(60)

    site = play(story, count=10)
    for name in site.twins:
        if name != "meter-4":
            assert len(site.of(name)) >= 57


def test_a_silent_device_makes_all_its_groups_bad_at_once() -> None:
    async def story(site: Site) -> None:
        await asyncio.sleep(5)
        site.twins["meter-1"].silent = True
        await asyncio.sleep(10)

    site = play(story, groups=("a", "b", "c"))
    bad = [r for r in site.readings if r.flags]
    assert sorted(r.table.points[0].name for r in bad) == ["a_power", "b_power", "c_power"]
    assert len({r.at for r in bad}) == 1


def test_a_group_that_stays_silent_alone_is_bad_alone() -> None:
    async def story(site: Site) -> None:
        await asyncio.sleep(5)
        site.twins["meter-1"].mute_groups = {"b"}
        await asyncio.sleep(60)
        site.twins["meter-1"].mute_groups = set()
        await asyncio.sleep(15)

    site = play(story, groups=("a", "b"))
    assert site.keys() == ["points-lost", "points-back"]
    assert site.events[0].args["group"] == "b"
    assert site.causes("meter-1") == [Cause.NO_RESPONSE]


def test_a_device_that_comes_and_goes_floods_nobody() -> None:
    async def story(site: Site) -> None:
        for _ in range(100):
            site.twins["meter-1"].silent = not site.twins["meter-1"].silent
            await asyncio.sleep(17)

    site = play(story)
    assert site.keys()[:1] == ["device-lost"]
    assert 4 <= len(site.events) <= 16
    for before, after in pairwise(site.keys()):
        assert before != after


def test_a_refusal_is_told_once_and_costs_no_retry() -> None:
    async def story(site: Site) -> None:
        site.twins["meter-1"].refuses = True
        await asyncio.sleep(10)
        site.twins["meter-1"].refuses = False
        await asyncio.sleep(2)

    site = play(story)
    assert site.causes("meter-1") == [Cause.REJECTED]
    assert site.keys() == ["points-lost", "points-back"]
    assert site.events[0].args["code"] == 2
    assert len(site.line.times("meter-1?all")) == 12


def test_a_fault_that_the_device_tells_is_one_event_with_its_code() -> None:
    async def story(site: Site) -> None:
        site.twins["meter-1"].faulty = True
        await asyncio.sleep(10)

    site = play(story)
    assert site.causes("meter-1") == [Cause.DEVICE_FAULT]
    assert site.keys() == ["device-fault"]
    assert site.events[0].args["code"] == 4


def test_a_refusal_shows_that_a_lost_device_is_back() -> None:
    async def story(site: Site) -> None:
        site.twins["meter-1"].silent = True
        await asyncio.sleep(20)
        site.twins["meter-1"].silent = False
        site.twins["meter-1"].refuses = True
        await asyncio.sleep(20)

    site = play(story)
    assert site.keys() == ["device-lost", "device-back", "points-lost"]


def test_a_driver_that_never_waits_leaves_the_loop_to_others() -> None:
    async def main(clock: VirtualClock) -> int:
        polls = 0

        class Hasty(TextMeter):
            async def poll(self, group: PollGroup) -> Sample:
                nonlocal polls
                polls += 1
                clock.seconds += 1.0
                assert polls < 500, "nobody else had a turn"
                return Sample((float(len(group.name)),))

        async def others() -> None:
            for _ in range(10):
                await asyncio.sleep(0)

        await during(make_site(clock, drivers=(Hasty,), period_s=0.01), others())
        return polls

    assert 16 <= virtual_time.run(main) < 500


def test_a_driver_with_a_mistake_costs_its_own_device_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        site = play(a_minute, count=3, drivers=(BrokenMeter,))
    assert site.keys() == ["device-lost"]
    assert "mistake in all" in str(site.events[0].args["error"])
    assert site.causes("meter-1") == [Cause.FRAME]
    assert len(site.of("meter-2")) >= 59
    assert [r.message for r in caplog.records] == ["driver-broken"]


def test_a_mistake_of_ours_goes_up_and_the_poller_can_run_again() -> None:
    async def main(clock: VirtualClock) -> None:
        made = make_site(clock)
        broken = True

        def deliver(_: Reading) -> None:
            if broken:
                msg = "no mailbox"
                raise LookupError(msg)

        poller = Poller(
            made.line,
            [
                PolledDevice(
                    DeviceId("meter-1"), TextMeter(made.line, "meter-1", [group_of("all", ["p"])])
                )
            ],
            clock=clock,
            deliver=deliver,
            happened=made.events.append,
        )
        with pytest.raises(LookupError):
            await poller.run()
        assert not made.line.is_open
        broken = False
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await poller.run()
        assert len(made.line.times("meter-1?all")) >= 5

    virtual_time.run(main)


def test_what_a_driver_learned_is_handed_on_once_and_given_back_at_start() -> None:
    site = play(ten_seconds, drivers=(LearningMeter,))
    assert site.remembered == [("meter-1", {"all": 1})]
    again = play(ten_seconds, drivers=(LearningMeter,), memory={"all": 1})
    assert again.remembered == []


def test_the_poller_shows_life_while_it_waits_long_and_none_when_an_exchange_hangs() -> None:
    async def story(site: Site) -> None:
        await asyncio.sleep(1800)
        assert site.poller.shows_life()
        site.twins["meter-1"].answer_s = 10_000
        await asyncio.sleep(3600)
        assert not site.poller.shows_life()

    play(story, period_s=3600)


def test_counters_tell_what_became_of_the_polls() -> None:
    async def story(site: Site) -> None:
        twin = site.twins["meter-1"]
        await asyncio.sleep(2.5)
        twin.refuses = True
        await asyncio.sleep(1)
        twin.refuses, twin.faulty = False, True
        await asyncio.sleep(1)
        twin.faulty, twin.noisy = False, True
        await asyncio.sleep(1)

    counters = play(story).poller.counters[DeviceId("meter-1")]
    assert (counters.rejected, counters.fault, counters.frame) == (1, 1, 3)
    assert counters.polls == 8
    assert counters.late == counters.skipped == 0
