"""The poller on a scripted line, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import pytest

from gateway.acquisition.devices import Memory, PolledDevice
from gateway.acquisition.poller import Poller
from gateway.model.driver import PolledDriver, PollGroup
from gateway.model.event import Event, Severity
from gateway.model.ids import DeviceId, PointId
from gateway.model.reading import Cause, Deadband, Flag, Point, Quality, Reading, Sample
from tests import virtual_time
from tests.scripted_line import (
    BrokenMeter,
    LearningMeter,
    ScriptedLine,
    TextMeter,
    Twin,
    group_of,
)
from tests.virtual_time import VirtualClock

MakeDriver = Callable[[ScriptedLine, str, Sequence[PollGroup]], PolledDriver]


@dataclass
class Site:
    """A poller with what it told."""

    clock: VirtualClock
    twins: dict[str, Twin]
    line: ScriptedLine
    poller: Poller
    readings: list[Reading] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    remembered: list[tuple[DeviceId, Memory]] = field(default_factory=list)

    def keys(self) -> list[str]:
        return [event.key for event in self.events]

    def of(self, device: str) -> list[Reading]:
        return [reading for reading in self.readings if reading.device == device]

    def causes(self, device: str) -> list[Cause]:
        return [flag.cause for reading in self.of(device) for flag in reading.flags.values()]


def make_site(
    clock: VirtualClock,
    count: int = 1,
    *,
    period_s: float = 1.0,
    heartbeat_s: float | None = None,
    deadband: Deadband | None = None,
    groups: Sequence[str] = ("all",),
    drivers: Sequence[MakeDriver] = (),
    retries: int = 2,
    memory: Memory | None = None,
) -> Site:
    names = [f"meter-{n + 1}" for n in range(count)]
    points = {group: f"{group}_power" for group in groups}
    twins = {
        name: Twin(dict.fromkeys(points.values(), 7.0), {g: [p] for g, p in points.items()})
        for name in names
    }
    line = ScriptedLine(twins)
    makers = [*drivers, *[TextMeter] * (count - len(drivers))]
    devices = [
        PolledDevice(
            DeviceId(name),
            make(
                line,
                name,
                [
                    group_of(g, [Point(PointId(p), deadband=deadband)], period_s)
                    for g, p in points.items()
                ],
            ),
            retries=retries,
            heartbeat_s=heartbeat_s,
            memory=memory,
        )
        for name, make in zip(names, makers, strict=True)
    ]
    readings: list[Reading] = []
    events: list[Event] = []
    remembered: list[tuple[DeviceId, Memory]] = []
    poller = Poller(
        line,
        devices,
        clock=clock,
        deliver=readings.append,
        happened=events.append,
        remember=lambda device, memory: remembered.append((device, memory)),
        random=Random(1),
    )
    return Site(clock, twins, line, poller, readings, events, remembered)


async def during(site: Site, story: Coroutine[object, object, None]) -> None:
    """Let the poller run while the story is told, then stop it."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(site.poller.run(), name="poller:test")
        await story
        task.cancel()


def play(story: Callable[[Site], Coroutine[object, object, None]], **options: object) -> Site:
    """Tell a story on a site made with `options`, and return the site."""

    async def main(clock: VirtualClock) -> Site:
        made = make_site(clock, **options)  # type: ignore[arg-type] # the options of `make_site`, by name
        await during(made, story(made))
        return made

    return virtual_time.run(main)


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


def test_cancelling_closes_the_line_also_in_the_middle_of_an_exchange() -> None:
    async def story(site: Site) -> None:
        site.twins["meter-1"].silent = True
        await asyncio.sleep(0.2)
        assert site.line.is_open

    site = play(story)
    assert not site.line.is_open


def test_the_poller_shows_life_while_it_waits_long_and_none_when_an_exchange_hangs() -> None:
    async def story(site: Site) -> None:
        await asyncio.sleep(1800)
        assert site.poller.shows_life()
        site.twins["meter-1"].answer_s = 10_000
        await asyncio.sleep(3600)
        assert not site.poller.shows_life()

    play(story, period_s=3600)


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
