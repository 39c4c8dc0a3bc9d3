"""The recorder: what is committed when, and that nothing is lost but what is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import StoreCorruptError, StoreFullError
from gateway.model.event import Event, Severity
from gateway.model.ids import OPERATIONS, DeviceId, PointId
from gateway.model.reading import Cause, Cells, Flag, Point, PointTable, Quality, Reading
from gateway.store import recorder as room
from gateway.store.recorder import BURST_S, EVENTS_MOST, SOON_EVERY_S, SOON_S, Recorder
from gateway.store.sealer import Sealed
from gateway.store.waiting import READINGS_MOST, Missed
from tests import virtual_time
from tests.virtual_time import VirtualClock

SEAL_EVERY_S = 1.0
TABLE = PointTable(Point(PointId("power")), Point(PointId("door")))
METER = DeviceId("meter-1")


@dataclass
class Commit:
    """One call of the writer."""

    at_s: float
    readings: list[Reading]
    events: list[Event]
    missed: list[Missed]


@dataclass
class Card:
    """What stands for the store's thread: takes `lasts_s`, fails as it is told."""

    clock: VirtualClock
    lasts_s: float = 0.0
    error: Exception | None = None
    poison: object = None
    """A reading or event that breaks whatever it is in."""
    commits: list[Commit] = field(default_factory=list)
    tries: int = 0
    tasks: list[asyncio.Task[Sealed]] = field(default_factory=list)

    def write(
        self, readings: Sequence[Reading], events: Sequence[Event], missed: Sequence[Missed]
    ) -> asyncio.Future[Sealed]:
        work = self._write(list(readings), list(events), list(missed))
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.append(task)
        return task

    async def _write(
        self, readings: list[Reading], events: list[Event], missed: list[Missed]
    ) -> Sealed:
        self.tries += 1
        await asyncio.sleep(self.lasts_s)
        if self.error is not None:
            raise self.error
        if any(each is self.poison for each in (*readings, *events)):
            msg = "what no batch can carry"
            raise ZeroDivisionError(msg)
        self.commits.append(Commit(self.clock.seconds, readings, events, missed))
        return Sealed(1, 100, sum(each.count for each in readings))

    @property
    def readings(self) -> list[Reading]:
        return [reading for commit in self.commits for reading in commit.readings]

    @property
    def events(self) -> list[str]:
        return [event.key for commit in self.commits for event in commit.events]


@dataclass
class Desk:
    """A recorder at work on a card."""

    clock: VirtualClock
    card: Card
    recorder: Recorder

    def tell(self, power: float = 1.0, *, device: DeviceId = METER) -> Reading:
        return self.put((power, None), device=device)

    def put(self, cells: Cells, *, device: DeviceId = METER) -> Reading:
        reading = Reading(device, TABLE, self.clock.now(), cells)
        self.recorder.deliver(reading)
        return reading

    def happen(self, key: str, severity: Severity = Severity.INFO) -> Event:
        event = Event(key, self.clock.now(), severity)
        self.recorder.happened(event)
        return event


Story = Callable[[Desk], Coroutine[object, object, None]]


def play(story: Story) -> Desk:
    """Tell a story while the recorder runs, stop it, and return the desk."""

    async def main(clock: VirtualClock) -> Desk:
        card = Card(clock)
        desk = Desk(clock, card, Recorder(card.write, clock, SEAL_EVERY_S))
        async with asyncio.TaskGroup() as group:
            group.create_task(desk.recorder.run())
            await story(desk)
            desk.recorder.stop()
        return desk

    return virtual_time.run(main)


def test_an_event_is_committed_at_once_and_readings_wait_for_their_second() -> None:
    async def story(desk: Desk) -> None:
        desk.tell()
        await asyncio.sleep(0.2)
        desk.tell()
        await asyncio.sleep(0.3)
        desk.happen("door-open")
        await asyncio.sleep(2)

    desk = play(story)
    begun_s = virtual_time.START_S
    _, first, second = desk.card.commits
    assert (round(first.at_s - begun_s, 3), first.readings) == (0.5, [])
    assert (round(second.at_s - begun_s, 3), second.events) == (SOON_S + SEAL_EVERY_S, [])


def test_after_a_rest_readings_wait_only_for_those_of_their_burst() -> None:
    rounds = 4

    async def story(desk: Desk) -> None:
        for _ in range(rounds):
            await asyncio.sleep(3 * SEAL_EVERY_S)
            desk.tell()
            await asyncio.sleep(0.1)
            desk.tell()

    desk = play(story)
    after_the_first = desk.card.commits[2:-1]
    assert [len(commit.readings) for commit in after_the_first] == [2] * (rounds - 2)
    apart_s = [round(later.at_s - earlier.at_s, 3) for earlier, later in pairwise(after_the_first)]
    assert apart_s == [3 * SEAL_EVERY_S + 0.1] * (rounds - 3)
    begun_s = virtual_time.START_S + 2 * (3 * SEAL_EVERY_S + 0.1) - 0.1
    assert round(after_the_first[0].at_s - begun_s, 3) == BURST_S


def test_the_first_readings_after_a_start_wait_a_moment_only() -> None:
    async def story(desk: Desk) -> None:
        desk.tell()
        await asyncio.sleep(2)

    desk = play(story)
    (first,) = desk.card.commits
    assert round(first.at_s - virtual_time.START_S, 3) == SOON_S


def test_while_nobody_else_has_them_readings_wait_a_moment_only_but_commits_stay_few() -> None:
    lasts_s = 10

    async def story(desk: Desk) -> None:
        desk.tell()
        await asyncio.sleep(SEAL_EVERY_S)
        desk.recorder.alone = lambda: True
        for number in range(100 * lasts_s):
            desk.tell(float(number))
            await asyncio.sleep(0.01)

    desk = play(story)
    alone = [commit for commit in desk.card.commits[1:] if commit.readings]
    waited_ms = [commit.at_s * 1000 - commit.readings[0].at.mono_ms for commit in alone]
    assert len(alone) <= lasts_s / SOON_EVERY_S + 1
    assert max(waited_ms) <= SOON_EVERY_S * 1000 + 2

    async def slowly(desk: Desk) -> None:
        desk.tell()
        await asyncio.sleep(SEAL_EVERY_S)
        desk.recorder.alone = lambda: True
        for _ in range(lasts_s):
            desk.tell()
            await asyncio.sleep(SEAL_EVERY_S)

    desk = play(slowly)
    waited_ms = [commit.at_s * 1000 - commit.readings[0].at.mono_ms for commit in desk.card.commits]
    assert max(waited_ms) <= SOON_S * 1000 + 2


@given(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=20))
def test_no_reading_waits_longer_than_a_second(pauses: list[float]) -> None:
    async def story(desk: Desk) -> None:
        for number, pause in enumerate(pauses):
            await asyncio.sleep(pause)
            desk.tell(float(number))
            if number % 3 == 0:
                desk.happen("tick")
        await asyncio.sleep(2)

    desk = play(story)
    told = [
        (commit.at_s - reading.at.mono_ms / 1000)
        for commit in desk.card.commits
        for reading in commit.readings
    ]
    assert len(told) == len(pauses)
    assert max(told) <= SEAL_EVERY_S + 0.002


def test_readings_are_committed_in_time_however_many_events_come() -> None:
    async def story(desk: Desk) -> None:
        def again() -> None:
            desk.happen("again")

        desk.card.lasts_s = 0.01
        desk.recorder.committed = again
        desk.tell()
        desk.happen("first")
        await asyncio.sleep(3)
        desk.recorder.committed = lambda: None

    desk = play(story)
    with_readings = [commit for commit in desk.card.commits if commit.readings]
    assert with_readings[0].at_s - virtual_time.START_S <= SEAL_EVERY_S + 0.03


def test_a_full_card_loses_nothing_and_says_so() -> None:
    async def story(desk: Desk) -> None:
        desk.tell(1.0)
        desk.card.error = StoreFullError("no room")
        await asyncio.sleep(3)
        desk.tell(2.0)
        desk.happen("door-open")
        await asyncio.sleep(3)
        desk.card.error = None
        await asyncio.sleep(3)

    desk = play(story)
    assert [reading.cells[0] for reading in desk.card.readings] == [1.0, 2.0]
    assert desk.card.events == ["store-full", "door-open", "store-back"]
    assert desk.recorder.counters.dropped_values == 0
    assert desk.recorder.counters.failures > 2


def test_a_damaged_file_keeps_readings_waiting_as_a_full_card_does() -> None:
    async def story(desk: Desk) -> None:
        desk.tell(1.0)
        desk.card.error = StoreCorruptError("damaged")
        await asyncio.sleep(5)
        desk.card.error = None

    assert [reading.cells[0] for reading in play(story).card.readings] == [1.0]


def test_what_is_too_much_while_the_card_is_full_is_counted_and_told() -> None:
    others = 50

    async def story(desk: Desk) -> None:
        desk.card.error = StoreFullError("no room")
        for number in range(READINGS_MOST + others):
            desk.tell(float(number), device=DeviceId(f"meter-{number % others}"))
        await asyncio.sleep(2)
        desk.card.error = None
        await asyncio.sleep(3)

    desk = play(story)
    dropped = desk.recorder.counters.dropped_values
    produced = READINGS_MOST + others
    latest = {reading.device: reading.cells[0] for reading in desk.card.readings}
    assert len(desk.card.readings) + dropped == produced
    assert latest == {f"meter-{n % others}": float(n) for n in range(READINGS_MOST, produced)}
    (back,) = [e for c in desk.card.commits for e in c.events if e.key == "store-back"]
    assert back.args == {"dropped": dropped}
    (missed,) = [missed for commit in desk.card.commits for missed in commit.missed]
    assert (missed.audience, missed.count) == (OPERATIONS, dropped)


def test_what_had_to_go_is_told_with_its_bounds_once_the_card_is_back() -> None:
    async def story(desk: Desk) -> None:
        desk.tell(-1.0)
        await asyncio.sleep(2)
        desk.card.error = StoreFullError("no room")
        for number in range(READINGS_MOST + 1):
            desk.tell(float(number))
            await asyncio.sleep(0.01)
        desk.card.error = None
        await asyncio.sleep(3)

    desk = play(story)
    told = [reading for reading in desk.card.readings if reading.cells[0] != -1.0]
    (missed,) = [missed for commit in desk.card.commits for missed in commit.missed]
    dropped = READINGS_MOST + 1 - len(told)
    first_ms = told[0].at.wall_ms
    assert missed.count == desk.recorder.counters.dropped_values == dropped
    assert missed.first_ms < missed.last_ms < first_ms
    assert len(told) >= READINGS_MOST * 3 // 4
    assert [r.cells[0] for r in told] == [float(n) for n in range(dropped, READINGS_MOST + 1)]


def test_a_reading_that_no_batch_can_carry_is_told_as_missed() -> None:
    async def story(desk: Desk) -> None:
        desk.card.poison = desk.tell(1.0)
        desk.tell(2.0)
        await asyncio.sleep(2)
        desk.tell(3.0)
        await asyncio.sleep(2)

    missed = [missed for commit in play(story).card.commits for missed in commit.missed]
    assert [each.count for each in missed] == [1]


def test_the_latest_of_each_point_stays_also_when_a_newer_reading_leaves_it_out() -> None:
    async def story(desk: Desk) -> None:
        desk.card.error = StoreFullError("no room")
        desk.put((None, 1))
        for number in range(READINGS_MOST + 1):
            desk.put((float(number), None))
        desk.card.error = None

    told = [reading.cells for reading in play(story).card.readings]
    assert (None, 1) in told
    assert told[-1] == (float(READINGS_MOST), None)


def test_a_value_that_went_bad_is_a_latest_word_too() -> None:
    bad = Flag(Quality.BAD, Cause.NO_VALUE)

    async def story(desk: Desk) -> None:
        desk.card.error = StoreFullError("no room")
        gone = Reading(METER, TABLE, desk.clock.now(), (None, None), {1: bad})
        desk.recorder.deliver(gone)
        for number in range(READINGS_MOST + 1):
            desk.put((float(number), None))
        desk.card.error = None

    assert [r.flags for r in play(story).card.readings if r.flags] == [{1: bad}]


def test_more_events_than_there_is_room_for_cost_the_least_severe_first() -> None:
    async def story(desk: Desk) -> None:
        desk.card.error = StoreFullError("no room")
        desk.happen("burglar", Severity.ALARM)
        for _ in range(EVENTS_MOST + 10):
            desk.happen("tick")
        desk.card.error = None

    desk = play(story)
    assert "burglar" in desk.card.events
    assert len(desk.card.events) + desk.recorder.counters.dropped_events == EVENTS_MOST + 11


def test_a_stop_commits_the_rest() -> None:
    async def story(desk: Desk) -> None:
        desk.tell()
        desk.happen("agent-stopping")

    desk = play(story)
    assert (len(desk.card.readings), desk.card.events) == (1, ["agent-stopping"])


def test_a_stop_commits_also_what_came_while_a_commit_was_under_way() -> None:
    async def story(desk: Desk) -> None:
        desk.card.lasts_s = 0.5
        desk.tell(1.0)
        await asyncio.sleep(SEAL_EVERY_S + 0.1)
        desk.tell(2.0)
        desk.happen("agent-stopping")

    desk = play(story)
    assert [reading.cells[0] for reading in desk.card.readings] == [1.0, 2.0]
    assert desk.card.events == ["agent-stopping"]


def test_a_stop_while_the_card_is_full_tries_again_and_commits_when_it_is_back() -> None:
    async def story(desk: Desk) -> None:
        desk.tell(1.0)
        desk.card.error = StoreFullError("no room")
        await asyncio.sleep(SEAL_EVERY_S + 0.2)
        desk.card.error = None

    assert [reading.cells[0] for reading in play(story).card.readings] == [1.0]


def test_a_stop_on_a_card_that_stays_full_ends_and_counts_what_is_lost() -> None:
    async def story(desk: Desk) -> None:
        desk.card.error = StoreFullError("no room")
        desk.put((1.0, 2.0))
        await asyncio.sleep(0)

    desk = play(story)
    assert desk.recorder.counters.dropped_values == 2
    assert desk.clock.seconds - virtual_time.START_S < room.STOP_TRIES * 2


def test_what_no_batch_can_carry_costs_only_itself() -> None:
    async def story(desk: Desk) -> None:
        told = [desk.tell(float(number)) for number in range(7)]
        desk.card.poison = told[4]
        desk.happen("door-open")

    desk = play(story)
    assert [reading.cells[0] for reading in desk.card.readings] == [0.0, 1.0, 2.0, 3.0, 5.0, 6.0]
    assert desk.card.events == ["door-open"]
    assert desk.recorder.counters.dropped_values == 1


def test_an_event_that_no_batch_can_carry_costs_only_itself() -> None:
    async def story(desk: Desk) -> None:
        desk.card.lasts_s = 0.1
        desk.card.poison = desk.happen("strange")
        desk.happen("door-open")
        desk.tell()

    desk = play(story)
    assert (desk.card.events, len(desk.card.readings)) == (["door-open"], 1)
    assert desk.recorder.counters.dropped_events == 1


def test_a_commit_that_hangs_is_no_sign_of_life_and_one_that_failed_is() -> None:
    signs: list[bool] = []

    async def story(desk: Desk) -> None:
        desk.card.lasts_s = 100.0
        desk.tell()
        await asyncio.sleep(SEAL_EVERY_S + 1)
        signs.append(desk.recorder.shows_life())
        await asyncio.sleep(room.STUCK_AFTER_S)
        signs.append(desk.recorder.shows_life())
        desk.card.lasts_s = 0.0
        await asyncio.sleep(100)
        desk.card.error = StoreFullError("no room")
        desk.tell()
        await asyncio.sleep(100)
        signs.append(desk.recorder.shows_life())
        desk.card.error = None

    play(story)
    assert signs == [True, False, True]


def test_what_breaks_every_commit_costs_nothing_and_is_told_when_it_is_over() -> None:
    async def story(desk: Desk) -> None:
        desk.card.error = ZeroDivisionError("nobody thought of this")
        for number in range(1000):
            desk.tell(float(number))
        desk.happen("door-open")
        await asyncio.sleep(5)
        desk.card.error = None
        await asyncio.sleep(3)

    desk = play(story)
    assert [reading.cells[0] for reading in desk.card.readings] == [float(n) for n in range(1000)]
    assert desk.card.events == ["door-open", "store-full", "store-back"]
    assert desk.recorder.counters.dropped_values == 0
    assert desk.card.tries < 200


def test_a_single_reading_that_no_batch_can_carry_does_not_stand_in_the_way() -> None:
    async def story(desk: Desk) -> None:
        desk.card.poison = desk.tell(1.0)
        await asyncio.sleep(5)
        desk.tell(2.0)
        await asyncio.sleep(2)

    desk = play(story)
    assert [reading.cells[0] for reading in desk.card.readings] == [2.0]
    assert desk.recorder.counters.dropped_values == 1
