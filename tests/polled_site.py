"""A poller on a scripted line, in virtual time, and what it told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from random import Random

from gateway.acquisition.devices import Memory, PolledDevice
from gateway.acquisition.poller import Poller
from gateway.model.driver import PolledDriver, PollGroup
from gateway.model.event import Event
from gateway.model.ids import DeviceId, PointId
from gateway.model.reading import Cause, Deadband, Point, Reading
from tests import virtual_time
from tests.scripted_line import (
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
