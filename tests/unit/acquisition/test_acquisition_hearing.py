"""Devices that tell by themselves, on a scripted line in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from gateway.acquisition.devices import PolledDevice
from gateway.acquisition.poller import Poller
from gateway.model.driver import Happening
from gateway.model.errors import FrameError
from gateway.model.event import Event, Severity
from gateway.model.ids import PERSONAL, DeviceId
from gateway.model.reading import Cause, Reading
from tests import virtual_time
from tests.scripted_line import ReadOnlyMeter, ScriptedLine, Talker, TalkingMeter, Twin, group_of
from tests.virtual_time import VirtualClock

SILENCE_S = 10.0
TAG, METER = DeviceId("tag"), DeviceId("meter")


@dataclass
class Heard:
    """A line with a tag that talks, and a meter that is asked for `power` and tells `door`."""

    clock: VirtualClock
    line: ScriptedLine = field(init=False)
    tag: Talker = field(init=False)
    meter: TalkingMeter = field(init=False)
    poller: Poller = field(init=False)
    readings: list[Reading] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        twin = Twin({"watts": 7.0}, {"power": ["watts"]})
        self.line = ScriptedLine({"meter": twin})
        told = [group_of(name, [name], SILENCE_S, told=True) for name in ("near", "far")]
        self.tag = Talker(self.line, "tag", told)
        mixed = [group_of("power", ["watts"]), group_of("door", ["open"], SILENCE_S, told=True)]
        self.meter = TalkingMeter(self.line, "meter", mixed)
        self.poller = Poller(
            self.line,
            [PolledDevice(TAG, self.tag), PolledDevice(METER, self.meter)],
            clock=self.clock,
            deliver=self.readings.append,
            happened=self.events.append,
        )

    def told(self, device: str) -> list[tuple[str, object]]:
        """Return point and value or cause of all that was told of a device and not asked."""
        return [
            (point.name, cell if cell is not None else reading.flags[place].cause.name)
            for reading in self.readings
            if reading.device == device and reading.table.points[0].name != "watts"
            for place, (point, cell) in enumerate(zip(reading.table, reading.cells, strict=True))
        ]

    def keys(self, device: str) -> list[str]:
        return [event.key for event in self.events if event.device == device]


def play(story: Callable[[Heard], Awaitable[None]]) -> Heard:
    async def main(clock: VirtualClock) -> Heard:
        heard = Heard(clock)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(heard.poller.run(), name="poller")
            await asyncio.sleep(0.01)
            await story(heard)
            task.cancel()
        return heard

    return virtual_time.run(main)


async def keep_talking(talker: Talker, group: int, seconds: float) -> None:
    for _ in range(int(seconds)):
        talker.say(1.0, group)
        await asyncio.sleep(1)


def test_what_a_device_tells_is_a_reading_of_that_moment() -> None:
    async def story(heard: Heard) -> None:
        await asyncio.sleep(2.5)
        heard.tag.say(21.5)

    heard = play(story)
    (reading,) = [each for each in heard.readings if each.device == TAG]
    assert (reading.cells, reading.flags) == ((21.5,), {})
    assert reading.at.mono_ms == 1002_510
    assert heard.poller.counters[TAG].heard == 1


def test_readings_of_one_moment_have_times_of_their_own() -> None:
    async def story(heard: Heard) -> None:
        for value in (1.0, 1.0, 2.0, 3.0):
            heard.tag.say(value)
        await asyncio.sleep(1)
        for value in range(1000):
            heard.tag.say(float(value))

    heard = play(story)
    said = [(r.at.mono_ms, r.cells) for r in heard.readings if r.device == TAG]
    assert said[:3] == [(1000_010, (1.0,)), (1000_011, (2.0,)), (1000_012, (3.0,))]
    flood = [at for at, _ in said[3:]]
    assert flood == list(range(1001_010, 1001_010 + len(flood)))
    counters = heard.poller.counters[TAG]
    assert len(flood) + counters.crowded == 1000
    assert len(flood) < 30


def test_a_device_that_falls_silent_is_lost_once_and_back_when_heard() -> None:
    async def story(heard: Heard) -> None:
        heard.tag.say(1.0)
        heard.tag.say(2.0, group=1)
        await asyncio.sleep(4 * SILENCE_S)
        assert heard.poller.lost == [TAG]
        heard.tag.say(3.0)
        assert heard.poller.lost == []

    heard = play(story)
    assert heard.told(TAG)[:2] == [("near", 1.0), ("far", 2.0)]
    assert set(heard.told(TAG)[2:-1]) == {("near", "NO_RESPONSE"), ("far", "NO_RESPONSE")}
    assert heard.told(TAG)[-1] == ("near", 3.0)
    keys = [key for key in heard.keys(TAG) if key.startswith("device")]
    assert keys == ["device-lost", "device-back"]


def test_one_group_that_falls_silent_is_lost_alone() -> None:
    async def story(heard: Heard) -> None:
        heard.tag.say(2.0, group=1)
        await keep_talking(heard.tag, 0, 2.5 * SILENCE_S)
        assert heard.poller.lost == []
        heard.tag.say(3.0, group=1)

    heard = play(story)
    assert heard.keys(TAG) == ["points-lost", "points-back"]
    assert ("far", "NO_RESPONSE") in heard.told(TAG)
    assert ("near", "NO_RESPONSE") not in heard.told(TAG)


def test_a_told_group_that_falls_silent_does_not_cost_the_polled_one() -> None:
    async def story(heard: Heard) -> None:
        await keep_talking(heard.tag, 0, 2.5 * SILENCE_S)
        assert heard.poller.lost == []

    heard = play(story)
    assert heard.keys(METER) == ["points-lost"]
    assert ("open", "NO_RESPONSE") in heard.told(METER)
    watts = [r.cells for r in heard.readings if r.table.points[0].name == "watts"]
    assert watts == [(7.0,)] * len(watts)
    assert len(watts) >= 24


def test_a_device_that_is_away_and_is_heard_is_asked_at_once() -> None:
    async def story(heard: Heard) -> None:
        twin = heard.line.twins["meter"]
        twin.silent = True
        await asyncio.sleep(120)
        assert METER in heard.poller.lost
        twin.silent = False
        asked = len(heard.line.asked)
        heard.meter.say(1.0, group=1)
        await asyncio.sleep(0.1)
        assert len(heard.line.asked) == asked + 1

    heard = play(story)
    assert heard.keys(METER)[-2:] == ["device-back", "points-back"]


def test_a_line_that_is_lost_while_nobody_asks_is_opened_again() -> None:
    async def story(heard: Heard) -> None:
        heard.tag.say(1.0)
        await asyncio.sleep(0.5)
        heard.line.pull_out()
        await asyncio.sleep(0.1)
        assert set(heard.poller.lost) == {TAG, METER}
        heard.line.plugged_in = True
        await asyncio.sleep(SILENCE_S / 2)
        assert heard.poller.lost == []
        heard.tag.say(2.0)

    heard = play(story)
    assert heard.told(TAG) == [
        ("near", 1.0),
        ("near", "LINE_DOWN"),
        ("far", "LINE_DOWN"),
        ("near", 2.0),
    ]
    assert [event.key for event in heard.events if event.device is None] == [
        "line-lost",
        "line-back",
    ]


def test_what_happened_once_is_an_event_with_device_time_and_audience(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(heard: Heard) -> None:
        args = {"digest": "5eC7e7"}
        heard.tag.ear.happened(Happening("card-shown", Severity.WARNING, args, PERSONAL))

    with caplog.at_level(logging.INFO):
        heard = play(story)
    (event,) = heard.events
    assert (event.key, event.device, event.severity) == ("card-shown", TAG, Severity.WARNING)
    assert (event.args, event.audience) == ({"digest": "5eC7e7"}, PERSONAL)
    assert event.at.mono_ms == 1000_010
    assert "card-shown" in caplog.text
    assert not any("5eC7e7" in str(vars(record)) for record in caplog.records)


def test_what_makes_no_sense_is_counted_and_no_sign_of_life() -> None:
    async def story(heard: Heard) -> None:
        for _ in range(30):
            heard.tag.ear.misheard(FrameError("no frame", answer=b"\x00"))
            await asyncio.sleep(1)
        assert TAG in heard.poller.lost

    assert play(story).poller.counters[TAG].frame == 30


def test_probe_returns_what_was_told_last_or_waits_for_it() -> None:
    async def story(heard: Heard) -> None:
        heard.tag.say(1.0)

        async def later() -> None:
            await asyncio.sleep(2)
            heard.tag.say(2.0, group=1)

        async with asyncio.TaskGroup() as group:
            group.create_task(later())
            readings = await heard.poller.probe(TAG)
        assert [reading.cells for reading in readings] == [(1.0,), (2.0,)]
        (power, door) = await heard.poller.probe(METER)
        assert (power.cells, door.flags[0].cause) == ((7.0,), Cause.NO_RESPONSE)

    play(story)


def test_a_group_that_nobody_tells_and_nobody_can_ask_for_is_a_mistake_of_the_driver() -> None:
    line = ScriptedLine({})
    talker = Talker(line, "tag", [group_of("all", ["power"])])
    with pytest.raises(TypeError, match="cannot ask"):
        Poller(
            line,
            [PolledDevice(TAG, talker)],
            clock=VirtualClock(),
            deliver=lambda _reading: None,
            happened=lambda _event: None,
        )


def test_a_line_without_talkers_is_left_to_those_who_ask() -> None:
    async def main(clock: VirtualClock) -> list[str]:
        line = ScriptedLine({"meter": Twin({"watts": 7.0}, {"power": ["watts"]})})
        meter = ReadOnlyMeter(line, "meter", [group_of("power", ["watts"])])
        events: list[Event] = []
        poller = Poller(
            line,
            [PolledDevice(METER, meter)],
            clock=clock,
            deliver=lambda _reading: None,
            happened=events.append,
        )
        async with asyncio.TaskGroup() as group:
            task = group.create_task(poller.run())
            await asyncio.sleep(0.5)
            line.pull_out()
            line.plugged_in = line.is_open = True
            await asyncio.sleep(5)
            task.cancel()
        return [event.key for event in events]

    assert virtual_time.run(main) == []
