"""What a poll costs beside its driver and the wait for the line: plan, qualities, selection.

A hundred devices of fifty points in memory, always due, so that our own work is measured.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from gateway.acquisition.devices import PolledDevice
from gateway.acquisition.poller import Poller
from gateway.model.clock import SystemClock
from gateway.model.driver import PollGroup
from gateway.model.ids import DeviceId, PointId
from gateway.model.reading import Deadband, Point, PointTable, Reading, Sample
from tests.scripted_line import ScriptedLine

DEVICES = 100
POINTS = 50
SECONDS = 2.0
BUDGET_US = 30.0
"""For each poll, its fifty values included: 2,000 polls a second take 6 % of a core."""

pytestmark = [pytest.mark.bench, pytest.mark.timeout(120)]


class Register:
    """A device in memory; one of its values moves at each poll."""

    def __init__(self, deadband: Deadband | None) -> None:
        points = (Point(PointId(f"p{n}"), deadband=deadband) for n in range(POINTS))
        self._groups = [PollGroup("all", PointTable(*points), 1e-4)]
        self._values = [0.0] * POINTS
        self._polls = 0

    @property
    def groups(self) -> Sequence[PollGroup]:
        return self._groups

    async def poll(self, _: PollGroup) -> Sample:
        self._polls += 1
        self._values[self._polls % POINTS] += 1.0
        return Sample(tuple(self._values))


@pytest.mark.parametrize("deadband", [None, Deadband(absolute=0.5)], ids=["all", "deadband"])
async def test_a_poll_stays_within_its_budget(
    deadband: Deadband | None,
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    told: Counter[DeviceId] = Counter()

    def deliver(reading: Reading) -> None:
        told[reading.device] += 1

    poller = Poller(
        ScriptedLine({}),
        [PolledDevice(DeviceId(f"d{n}"), Register(deadband)) for n in range(DEVICES)],
        clock=SystemClock(),
        deliver=deliver,
        happened=lambda _: None,
    )
    begun = time.process_time()
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            await poller.run()
    spent_s = time.process_time() - begun
    polls = sum(counters.polls for counters in poller.counters.values())
    cost_us = spent_s / polls * 1e6
    with capsys.disabled():
        record_property("us per poll", round(cost_us, 1))
        print(f"\n  us per poll of {POINTS} values: {cost_us:.1f}", end="")  # noqa: T201 - a figure
    assert told.total() == polls
    assert cost_us < BUDGET_US
