"""A task that fails is started again, later each time, and its siblings notice nothing."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import ConfigError
from gateway.supervise import Failure, Pace, contain, finish, start, supervise
from tests import virtual_time
from tests.virtual_time import VirtualClock


class Highest(Random):
    """Jitter that always takes all there is."""

    def random(self) -> float:
        return 1.0


def test_restarts_come_later_each_time_up_to_a_bound() -> None:
    failures: list[Failure] = []
    begun: list[float] = []

    async def main(clock: VirtualClock) -> None:
        async def work() -> None:
            begun.append(clock.seconds)
            msg = "no port"
            raise OSError(msg)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(200):
                await supervise(
                    "poller:a", work, clock=clock, on_failure=failures.append, random=Highest()
                )

    virtual_time.run(main)
    gaps = [round(b - a) for a, b in pairwise(begun)]
    assert gaps == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [f.in_a_row for f in failures] == list(range(1, len(failures) + 1))
    assert failures[0].task == "poller:a"
    assert str(failures[0].error) == "no port"


@given(st.integers(1, 100), st.integers())
def test_a_restart_has_full_jitter_within_a_bound_that_doubles(in_a_row: int, seed: int) -> None:
    delay = Pace().restart_in_s(in_a_row, Random(seed))
    assert 0 <= delay <= min(60, 2 ** (in_a_row - 1))


def test_a_run_that_lasted_clears_the_record() -> None:
    failures: list[Failure] = []

    async def main(clock: VirtualClock) -> None:
        runs = 0

        async def work() -> None:
            nonlocal runs
            runs += 1
            await asyncio.sleep(61 if runs == 3 else 0)
            msg = "gone"
            raise OSError(msg)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(70):
                await supervise(
                    "uplink", work, clock=clock, on_failure=failures.append, random=Highest()
                )

    virtual_time.run(main)
    assert [f.in_a_row for f in failures][:4] == [1, 2, 1, 2]


def test_a_row_of_failures_is_one_line_in_the_log_with_its_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main(clock: VirtualClock) -> None:
        async def work() -> None:
            msg = "gone"
            raise OSError(msg)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await supervise("uplink", work, clock=clock)

    with caplog.at_level(logging.INFO):
        virtual_time.run(main)
    (record,) = caplog.records
    assert record.message == "task-failed"
    assert vars(record)["task"] == "uplink"
    assert record.exc_info is not None


def test_a_task_that_ends_by_itself_is_not_started_again() -> None:
    runs: list[str] = []

    async def main(clock: VirtualClock) -> None:
        async def work() -> None:
            runs.append("run")

        await supervise("once", work, clock=clock)

    virtual_time.run(main)
    assert runs == ["run"]


def test_a_task_that_breaks_while_it_is_ended_is_ended_all_the_same() -> None:
    begun: list[str] = []

    async def main(clock: VirtualClock) -> None:
        async def work() -> None:
            begun.append("run")
            try:
                await asyncio.sleep(1000)
            finally:
                msg = "the port does not close"
                raise OSError(msg)

        async with asyncio.TaskGroup() as group:
            task = start(group, "poller:a", work, clock=clock)
            await asyncio.sleep(1)
            await finish([task])
            assert task.cancelled()

    virtual_time.run(main)
    assert begun == ["run"]


def test_a_configuration_error_goes_up_at_once() -> None:
    async def main(clock: VirtualClock) -> None:
        async def work() -> None:
            raise ConfigError([])

        await supervise("site", work, clock=clock)

    with pytest.raises(ConfigError):
        virtual_time.run(main)


def test_cancellation_travels_on() -> None:
    async def main(clock: VirtualClock) -> bool:
        async with asyncio.TaskGroup() as group:
            task = start(group, "sleeper", partial(asyncio.sleep, 1e9), clock=clock)
            await asyncio.sleep(1)
            task.cancel()
        return task.cancelled()

    assert virtual_time.run(main)


def test_a_failing_task_leaves_its_siblings_alone() -> None:
    ticks: list[float] = []

    async def main(clock: VirtualClock) -> None:
        async def tick() -> None:
            while True:
                ticks.append(clock.seconds)
                await asyncio.sleep(1)

        async def fail() -> None:
            await asyncio.sleep(0.5)
            msg = "gone"
            raise OSError(msg)

        async with asyncio.TaskGroup() as group:
            tasks = [
                start(group, "good", tick, clock=clock),
                start(group, "bad", fail, clock=clock),
            ]
            await asyncio.sleep(30.5)
            await finish(tasks)

    virtual_time.run(main)
    assert len(ticks) == 31


def test_start_names_its_task() -> None:
    async def main(clock: VirtualClock) -> str:
        async with asyncio.TaskGroup() as group:
            return start(group, "poller:a", partial(asyncio.sleep, 0), clock=clock).get_name()

    assert virtual_time.run(main) == "poller:a"


def test_finish_ends_the_last_one_first_and_waits_for_each() -> None:
    ended: list[str] = []

    async def main(clock: VirtualClock) -> None:
        async def last(name: str) -> None:
            try:
                await asyncio.sleep(1e9)
            finally:
                await asyncio.sleep(5)
                ended.append(name)

        async with asyncio.TaskGroup() as group:
            names = ("store", "poller")
            tasks = [start(group, name, partial(last, name), clock=clock) for name in names]
            await asyncio.sleep(1)
            await finish(tasks)
            assert ended == ["poller", "store"]

    virtual_time.run(main)


def test_contain_returns_what_broke_and_lets_cancellation_through() -> None:
    async def main(_: VirtualClock) -> None:
        async def fail() -> None:
            msg = "gone"
            raise OSError(msg)

        assert isinstance(await contain(fail()), OSError)
        assert await contain(asyncio.sleep(0)) is None
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await contain(asyncio.sleep(1e9))

    virtual_time.run(main)
