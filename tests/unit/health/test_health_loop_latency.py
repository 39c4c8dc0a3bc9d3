"""How late the loop is."""

from __future__ import annotations

import asyncio

import pytest

from gateway.health.loop_latency import LoopLatency
from tests import virtual_time
from tests.virtual_time import VirtualClock


def test_a_loop_that_is_on_time_has_no_latency() -> None:
    async def main(_: VirtualClock) -> float:
        with LoopLatency() as latency:
            await asyncio.sleep(10)
            return latency.take_ms()

    assert virtual_time.run(main) == pytest.approx(0, abs=1e-6)


def test_a_callback_that_holds_the_loop_shows_until_it_is_taken() -> None:
    async def main(clock: VirtualClock) -> tuple[float, float]:
        with LoopLatency(every_s=0.25) as latency:
            await asyncio.sleep(1.1)
            clock.seconds += 2.0  # as if something had computed for so long
            await asyncio.sleep(5)
            first = latency.take_ms()
            await asyncio.sleep(5)
            return first, latency.take_ms()

    first, second = virtual_time.run(main)
    assert first == pytest.approx(1850, abs=1)
    assert second == pytest.approx(0, abs=1e-6)


def test_a_look_that_is_overdue_in_this_moment_counts() -> None:
    async def main(clock: VirtualClock) -> float:
        with LoopLatency(every_s=0.25) as latency:
            clock.seconds += 3.0
            return latency.take_ms()

    assert virtual_time.run(main) == pytest.approx(2750)


def test_after_leaving_nothing_is_left_in_the_loop() -> None:
    async def main(_: VirtualClock) -> float:
        with LoopLatency() as latency:
            await asyncio.sleep(1)
        with pytest.raises(AssertionError, match="everybody waits"):
            asyncio.get_running_loop()._run_once()  # type: ignore[attr-defined] # nothing is due
        return latency.take_ms()

    assert virtual_time.run(main) == pytest.approx(0, abs=1e-6)
