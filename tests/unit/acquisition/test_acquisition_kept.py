"""What a device kept from another time, on a scripted line in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.acquisition.devices import PolledDevice
from gateway.acquisition.poller import Poller
from gateway.model.driver import Ear, PollGroup
from gateway.model.event import Event
from gateway.model.ids import DeviceId, PointId
from gateway.model.reading import Kind, Point, PointTable, Reading, Sample
from tests import virtual_time
from tests.scripted_line import ReadOnlyMeter, ScriptedLine, Twin, group_of
from tests.virtual_time import VirtualClock

NOW = group_of("now", ["watts"])
PAST = PollGroup(
    "past",
    PointTable(Point(PointId("past_at"), kind=Kind.TEXT), Point(PointId("past_watts"))),
    10.0,
    told=True,
    kept=True,
)


class KeepingMeter(ReadOnlyMeter):
    """A meter that hands over what it kept with the first answer after it."""

    def __init__(self, line: ScriptedLine, name: str, groups: Sequence[PollGroup]) -> None:
        super().__init__(line, name, groups)
        self.kept: list[Sample] = []
        self._ear: Ear

    def attend(self, ear: Ear) -> None:
        self._ear = ear

    async def poll(self, group: PollGroup) -> Sample:
        sample = await super().poll(group)
        while self.kept:
            self._ear.heard(PAST, self.kept.pop(0))
        return sample


def play() -> tuple[list[Reading], list[Event], list[Reading]]:
    async def main(clock: VirtualClock) -> tuple[list[Reading], list[Event], list[Reading]]:
        twin = Twin({"watts": 7.0}, {"now": ["watts"]})
        line = ScriptedLine({"meter": twin})
        meter = KeepingMeter(line, "meter", [NOW, PAST])
        readings: list[Reading] = []
        events: list[Event] = []
        device = PolledDevice(DeviceId("meter"), meter, retries=0)
        poller = Poller(
            line, [device], clock=clock, deliver=readings.append, happened=events.append
        )
        async with asyncio.TaskGroup() as group:
            task = group.create_task(poller.run(), name="poller")
            await asyncio.sleep(2.5)
            twin.silent = True
            await asyncio.sleep(60)
            meter.kept = [Sample((f"2026-03-01T0{hour}:00", float(hour))) for hour in range(3)]
            twin.silent = False
            await asyncio.sleep(15)
            probed = await poller.probe(DeviceId("meter"))
            task.cancel()
        return readings, events, probed

    return virtual_time.run(main)


def test_it_is_handed_over_after_an_outage_row_by_row() -> None:
    readings, _, _ = play()
    past = [reading for reading in readings if reading.table is PAST.table]
    assert [reading.cells for reading in past] == [
        ("2026-03-01T00:00", 0.0),
        ("2026-03-01T01:00", 1.0),
        ("2026-03-01T02:00", 2.0),
    ]
    back = next(place for place, reading in enumerate(readings) if reading.table is PAST.table)
    assert readings[back].at.mono_ms >= readings[back - 1].at.mono_ms


def test_an_outage_makes_nothing_of_it_bad_and_its_silence_means_nothing() -> None:
    readings, events, _ = play()
    assert not any(reading.flags for reading in readings if reading.table is PAST.table)
    assert [event.key for event in events] == ["device-lost", "device-back"]


def test_a_probe_does_not_wait_for_it() -> None:
    _, _, probed = play()
    assert [reading.table for reading in probed] == [NOW.table]
