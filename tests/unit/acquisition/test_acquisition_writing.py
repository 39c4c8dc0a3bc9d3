"""Commands: sent once, judged by what was read back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

import pytest

from gateway.acquisition.devices import PolledDevice
from gateway.acquisition.poller import Poller
from gateway.acquisition.writing import is_as_asked
from gateway.model.command import CommandResult, Outcome
from gateway.model.driver import PolledDriver, PollGroup
from gateway.model.ids import CommandId, DeviceId, PointId
from gateway.model.reading import Kind, Point, Reading, Value
from tests import virtual_time
from tests.scripted_line import ReadOnlyMeter, ScriptedLine, TextMeter, Twin, group_of
from tests.virtual_time import VirtualClock

LAMP = DeviceId("lamp")
LEVEL = PointId("level")
MakeDriver = Callable[[ScriptedLine, str, Sequence[PollGroup]], PolledDriver]
Story = Callable[[Poller, ScriptedLine, list[Reading]], Coroutine[object, object, None]]


def play(story: Story, *, driver: MakeDriver = TextMeter, plugged_in: bool = True) -> None:
    async def main(clock: VirtualClock) -> None:
        line = ScriptedLine({"lamp": Twin({"level": 10.0}, {"all": ["level"]})})
        line.plugged_in = plugged_in
        group = group_of("all", [Point(LEVEL, kind=Kind.NUMBER, scale=0.1)], period_s=600)
        readings: list[Reading] = []
        poller = Poller(
            line,
            [PolledDevice(LAMP, driver(line, "lamp", [group]))],
            clock=clock,
            deliver=readings.append,
            happened=lambda _: None,
        )
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(poller.run(), name="poller:test")
            await asyncio.sleep(2)
            await story(poller, line, readings)
            task.cancel()

    virtual_time.run(main)


def test_a_write_that_reads_back_as_asked_is_done_and_names_its_command() -> None:
    async def story(poller: Poller, line: ScriptedLine, _: list[Reading]) -> None:
        result = await poller.write(LAMP, LEVEL, 55.0, command_id=CommandId("c-1"))
        assert (result.id, result.outcome, result.read_back) == ("c-1", Outcome.DONE, 55.0)
        assert line.twins["lamp"].values["level"] == 55.0

    play(story)


def test_after_a_write_its_group_is_polled_at_once() -> None:
    async def story(poller: Poller, _: ScriptedLine, readings: list[Reading]) -> None:
        await poller.write(LAMP, LEVEL, 55.0)
        await asyncio.sleep(0.1)
        assert readings[-1].cells == (55.0,)

    play(story)


def test_two_writes_without_a_given_name_get_different_ones() -> None:
    async def story(poller: Poller, _: ScriptedLine, __: list[Reading]) -> None:
        first = await poller.write(LAMP, LEVEL, 1.0)
        second = await poller.write(LAMP, LEVEL, 2.0)
        assert first.id != second.id

    play(story)


def test_a_value_that_reads_back_as_another_is_failed() -> None:
    async def story(poller: Poller, line: ScriptedLine, _: list[Reading]) -> None:
        line.twins["lamp"].stuck = True
        result = await poller.write(LAMP, LEVEL, 55.0)
        assert (result.outcome, result.read_back) == (Outcome.FAILED, 10.0)

    play(story)


@pytest.mark.parametrize("fault", ["silent", "noisy"])
def test_a_write_without_a_sound_answer_is_unknown_and_is_not_repeated(fault: str) -> None:
    async def story(poller: Poller, line: ScriptedLine, _: list[Reading]) -> None:
        setattr(line.twins["lamp"], fault, True)
        result = await poller.write(LAMP, LEVEL, 55.0)
        await asyncio.sleep(60)
        assert result.outcome is Outcome.UNKNOWN
        assert len(line.times("lamp!level=55.0")) == 1

    play(story)


def test_a_write_on_a_line_that_goes_while_it_is_sent_is_unknown() -> None:
    async def story(poller: Poller, line: ScriptedLine, _: list[Reading]) -> None:
        line.plugged_in = False
        assert (await poller.write(LAMP, LEVEL, 55.0)).outcome is Outcome.UNKNOWN

    play(story)


def test_a_write_on_a_line_that_is_gone_is_refused_unsent() -> None:
    async def story(poller: Poller, line: ScriptedLine, _: list[Reading]) -> None:
        result = await poller.write(LAMP, LEVEL, 55.0)
        assert (result.outcome, line.asked) == (Outcome.REFUSED, [])
        assert "no such port" in result.reason

    play(story, plugged_in=False)


def test_a_write_that_the_device_refuses_is_refused() -> None:
    async def story(poller: Poller, line: ScriptedLine, _: list[Reading]) -> None:
        line.twins["lamp"].refuses = True
        assert (await poller.write(LAMP, LEVEL, 55.0)).outcome is Outcome.REFUSED

    play(story)


def test_a_value_that_the_driver_refuses_is_refused_unsent() -> None:
    async def story(poller: Poller, line: ScriptedLine, _: list[Reading]) -> None:
        before = len(line.asked)
        assert (await poller.write(LAMP, LEVEL, "full")).outcome is Outcome.REFUSED
        assert len(line.asked) == before

    play(story)


def test_a_device_that_says_it_is_broken_makes_the_write_failed() -> None:
    async def story(poller: Poller, line: ScriptedLine, _: list[Reading]) -> None:
        line.twins["lamp"].faulty = True
        assert (await poller.write(LAMP, LEVEL, 55.0)).outcome is Outcome.FAILED

    play(story)


def test_a_device_that_takes_no_commands_refuses() -> None:
    async def story(poller: Poller, _: ScriptedLine, __: list[Reading]) -> None:
        result = await poller.write(LAMP, LEVEL, 55.0)
        assert (result.outcome, result.reason) == (
            Outcome.REFUSED,
            "device lamp takes no commands",
        )

    play(story, driver=ReadOnlyMeter)


def test_an_unknown_device_refuses() -> None:
    async def story(poller: Poller, _: ScriptedLine, __: list[Reading]) -> None:
        result: CommandResult = await poller.write(DeviceId("nobody"), LEVEL, 55.0)
        assert result.outcome is Outcome.REFUSED

    play(story)


def test_a_write_past_its_deadline_is_expired_unsent() -> None:
    async def story(poller: Poller, line: ScriptedLine, _: list[Reading]) -> None:
        now = asyncio.get_running_loop().time()
        result = await poller.write(LAMP, LEVEL, 55.0, deadline_s=now)
        assert result.outcome is Outcome.EXPIRED
        assert line.times("lamp!level=55.0") == []

    play(story)


def test_a_deadline_that_passes_while_the_line_is_opened_is_expired() -> None:
    async def story(poller: Poller, line: ScriptedLine, _: list[Reading]) -> None:
        await line.close()
        line.open_takes_s = 5.0
        now = asyncio.get_running_loop().time()
        result = await poller.write(LAMP, LEVEL, 55.0, deadline_s=now + 1)
        assert result.outcome is Outcome.EXPIRED

    play(story)


def test_a_deadline_that_passes_while_the_device_is_asked_leaves_it_unknown() -> None:
    async def story(poller: Poller, line: ScriptedLine, _: list[Reading]) -> None:
        line.twins["lamp"].answer_s = 5.0
        now = asyncio.get_running_loop().time()
        result = await poller.write(LAMP, LEVEL, 55.0, deadline_s=now + 1)
        assert result.outcome is Outcome.UNKNOWN
        assert asyncio.get_running_loop().time() == pytest.approx(now + 1)

    play(story)


@pytest.mark.parametrize(
    ("point", "asked", "read_back", "same"),
    [
        pytest.param(Point(LEVEL, kind=Kind.NUMBER, scale=0.1), 5.04, 5.0, True, id="half-a-step"),
        pytest.param(Point(LEVEL, kind=Kind.NUMBER, scale=0.1), 5.06, 5.0, False, id="a-step"),
        pytest.param(Point(LEVEL, kind=Kind.NUMBER, scale=-0.1), 5.04, 5.0, True, id="negative"),
        pytest.param(Point(LEVEL, kind=Kind.FLOAT32), 0.1, 0.10000000149, True, id="binary32"),
        pytest.param(Point(LEVEL, kind=Kind.FLOAT32), 0.1, 0.1001, False, id="other-binary32"),
        pytest.param(Point(LEVEL), 0.1, 0.1001, False, id="other-binary64"),
        pytest.param(Point(LEVEL, kind=Kind.BOOL), True, False, False, id="switch"),
        pytest.param(Point(LEVEL, kind=Kind.STATE), 2, 3, False, id="state"),
        pytest.param(Point(LEVEL, kind=Kind.TEXT), "a", "b", False, id="text"),
        pytest.param(Point(LEVEL, kind=Kind.TEXT), "a", "a", True, id="same-text"),
        pytest.param(None, 1.0, 1.0, True, id="unlisted-equal"),
        pytest.param(None, 1.0, 1.1, False, id="unlisted-other"),
    ],
)
def test_is_as_asked_allows_what_the_point_cannot_tell_apart(
    point: Point | None, asked: Value, read_back: Value, *, same: bool
) -> None:
    assert is_as_asked(point, asked, read_back) is same
