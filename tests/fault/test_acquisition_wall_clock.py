"""A wall clock that is set moves no poll, probe or heartbeat: schedules go by monotonic time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from gateway.model.reading import Deadband
from tests.polled_site import Site, play

DAY_MS = 86_400_000
JUMPS = {
    "a day back": [-DAY_MS],
    "a year ahead": [366 * DAY_MS],
    "a year ahead and back": [366 * DAY_MS, 0],
    "a leap second: the last second twice": [-1000],
    "a leap second that was taken out": [1000],
    "to 1970 and back": [-1_764_000_000_000, 0],
    "back and forth each time": [-DAY_MS, DAY_MS, -1000, 1000, 0],
}
STEP_S = 7.0
"""Between jumps: no multiple of a period."""


def lived_through(jumps: Sequence[int]) -> Site:
    """Return a site of three devices, one of which is silent for a while, after a minute."""

    async def story(site: Site) -> None:
        await asyncio.sleep(STEP_S)
        site.twins["meter-2"].silent = True
        for jump in jumps:
            site.clock.set_by_ms = jump
            await asyncio.sleep(STEP_S)
        site.twins["meter-2"].silent = False
        await asyncio.sleep(60.0 - STEP_S * (1 + len(jumps)))

    return play(story, count=3, heartbeat_s=5.0, deadband=Deadband(absolute=1.0))


def told(site: Site) -> list[tuple[str, int]]:
    readings = [(reading.device, reading.at.mono_ms) for reading in site.readings]
    return readings + [(event.key, event.at.mono_ms) for event in site.events]


@pytest.mark.parametrize("jumps", JUMPS.values(), ids=JUMPS.keys())
def test_everything_is_told_when_it_would_have_been_told_anyway(jumps: list[int]) -> None:
    undisturbed = told(lived_through([0] * len(jumps)))
    disturbed = lived_through(jumps)

    assert told(disturbed) == undisturbed
    assert disturbed.keys() == ["device-lost", "device-back"]
    assert {reading.at.wall_ms - reading.at.mono_ms for reading in disturbed.readings} >= {
        jumps[-1] + 1_764_000_000_000
    }
