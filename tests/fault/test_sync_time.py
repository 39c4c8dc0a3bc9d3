"""Clocks that are not set or jump: the receiver has every reading once, in order, at its time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.keys.device import load_device_key
from gateway.keys.platform import load_recipient
from gateway.model.clock import SystemClock, Trust
from gateway.model.ids import OPERATIONS
from gateway.model.reading import Reading
from gateway.store.outbox import Outbox, Settled
from gateway.store.sealer import Sealer
from gateway.store.sealing import Identity
from provisioning.authority import Authority
from simulators.platform.audit import audit
from simulators.platform.databases import open_ledger
from simulators.platform.intake import Intake, Message
from simulators.platform.keys import Opener, load_authority, load_opening_key, load_signing_key
from simulators.platform.placing import APART_MS
from tests.clock import HandClock
from tests.linked_site import CITY, EPOCH_S, GATEWAY
from tests.sealing import METER, TABLE

DAY_MS = 86_400_000
EVERYTHING = frozenset({OPERATIONS})


@dataclass
class Journey:
    """A sealer under a clock turned by hand, and a receiver without a network between."""

    clock: HandClock
    outbox: Outbox
    sealer: Sealer
    intake: Intake
    database: Path
    true_at_boot_ms: int
    told: list[int] = field(default_factory=list)

    def read(self, count: int) -> None:
        """Seal so many readings, a second apart, each in a commit of its own."""
        for _ in range(count):
            at = self.clock.advance(1)
            self.told.append(self.true_at_boot_ms + at.mono_ms)
            self.sealer.write([Reading(METER, TABLE, at, (len(self.told),) * len(TABLE))], [])

    def send(self) -> None:
        """Hand everything that is kept to the receiver, as after a reconnect."""
        topic = f"mayak/1/{GATEWAY}/up/"
        records = self.outbox._db.execute("SELECT record FROM epoch ORDER BY number").fetchall()
        messages = [Message(f"{topic}epoch", record) for (record,) in records]
        parcels = self.outbox.parcels(EVERYTHING, {}, 1000, 2**24)
        batches = [Message(f"{topic}{parcel.stream.topic}", parcel.body) for parcel in parcels]
        self.intake.take([*messages, *batches])

    def stored(self) -> list[int]:
        """Return the wall time of each reading as the receiver has it, in order of capture."""
        db = self.intake._ledger._db  # type: ignore[attr-defined]
        return [
            int(wall)
            for _, wall in db.rows("SELECT DISTINCT mono_ms, wall_ms FROM reading ORDER BY mono_ms")
        ]


@pytest.fixture
def journey(tmp_path: Path, authority: Authority) -> Iterator[Journey]:
    keys, true_ms = authority.folder, SystemClock().now().wall_ms
    device = keys / "gateways" / GATEWAY
    clock = HandClock(mono_ms=0, wall_ms=0, trust=Trust.UNSET)
    outbox = Outbox(tmp_path / "store.db", {OPERATIONS: frozenset({CITY})}, 2**24)
    key = load_device_key(device / "device.key", device / "device.pem")
    identity = Identity(GATEWAY, outbox.incarnation, clock.boot, key)
    recipients = {OPERATIONS: [load_recipient(CITY, keys / "city-hpke.pub")]}
    ledger = open_ledger(tmp_path / "city.db")
    intake = Intake(
        ledger,
        Opener(CITY, [load_opening_key(keys / "city-hpke.key")]),
        load_authority(keys / "ca.pem"),
        load_signing_key(keys / "city-sign.key"),
        wall_ms=lambda: true_ms + clock.mono_ms,
        notice=lambda *_: None,
    )
    sealer = Sealer(outbox, identity, recipients, clock, EPOCH_S)
    yield Journey(clock, outbox, sealer, intake, tmp_path / "city.db", true_ms)
    ledger.close()
    outbox.close()


def now(journey: Journey) -> int:
    return journey.true_at_boot_ms + journey.clock.mono_ms


@pytest.mark.parametrize("sent_early", [True, False])
def test_readings_of_1970_are_placed_whether_sent_before_or_after(
    journey: Journey, *, sent_early: bool
) -> None:
    journey.read(5)
    if sent_early:
        journey.send()
        assert journey.stored() == [1000, 2000, 3000, 4000, 5000]
    journey.clock.set_wall(now(journey), Trust.SYNCED)
    journey.read(5)
    journey.send()

    assert journey.stored() == journey.told


@pytest.mark.parametrize("jump_ms", [-DAY_MS, 366 * DAY_MS, 1000, -1000])
def test_a_clock_that_jumps_and_is_put_right_loses_and_reorders_nothing(
    journey: Journey, jump_ms: int
) -> None:
    journey.clock.set_wall(now(journey), Trust.SYNCED)
    journey.read(4)
    journey.clock.set_wall(now(journey) + jump_ms, Trust.HOLDOVER)
    journey.read(4)
    journey.clock.set_wall(now(journey), Trust.SYNCED)
    journey.read(4)
    journey.send()

    report = audit(journey.database, late_after_ms=10**13).total
    stored = journey.stored()
    assert (len(stored), report.duplicated, report.reordered) == (12, 0, 0)
    assert stored[:4] + stored[8:] == journey.told[:4] + journey.told[8:]
    left_ms = jump_ms if abs(jump_ms) < APART_MS else 0  # what is far off is placed by the pair
    assert [wall - left_ms for wall in stored[4:8]] == journey.told[4:8]


def test_a_long_holdover_is_told_as_it_was_and_stays_in_order(journey: Journey) -> None:
    journey.clock.set_wall(now(journey), Trust.SYNCED)
    journey.read(1)
    for _ in range(48):
        journey.clock.advance(3600)
        journey.clock.set_wall(journey.clock.wall_ms + 36, Trust.HOLDOVER)  # 10 ppm
        journey.read(1)
    journey.send()

    report = audit(journey.database, late_after_ms=10**13).total
    assert (report.readings, report.duplicated, report.reordered) == (490, 0, 0)
    assert max(map(lambda a, b: abs(a - b), journey.stored(), journey.told)) == 48 * 36


def test_a_boot_that_never_gets_further_than_hold_over_is_placed(journey: Journey) -> None:
    journey.read(3)
    journey.clock.set_wall(now(journey), Trust.HOLDOVER)
    journey.clock.error_ms = 250
    journey.read(3)
    journey.send()

    db = journey.intake._ledger._db  # type: ignore[attr-defined]
    assert journey.stored() == journey.told
    assert db.rows("SELECT pair_trust, pair_uncertainty_ms FROM boot") == [(1, 250)]


def test_a_better_pair_moves_what_a_worse_one_placed(journey: Journey) -> None:
    journey.read(3)
    journey.clock.set_wall(now(journey) - 183 * DAY_MS, Trust.HOLDOVER)  # as it was switched off
    journey.read(3)
    journey.send()
    assert [wall + 183 * DAY_MS for wall in journey.stored()] == journey.told

    journey.clock.set_wall(now(journey), Trust.SYNCED)
    journey.read(3)
    journey.send()
    assert journey.stored() == journey.told


@pytest.mark.parametrize("ahead_ms", [2 * DAY_MS, 366 * DAY_MS])
@pytest.mark.parametrize("trust", [Trust.HOLDOVER, Trust.SYNCED])
@pytest.mark.parametrize("sent_early", [True, False])
def test_an_epoch_of_a_clock_that_ran_ahead_is_taken_and_placed_once_it_is_put_right(
    journey: Journey, ahead_ms: int, trust: Trust, *, sent_early: bool
) -> None:
    journey.clock.set_wall(now(journey) + ahead_ms, trust)
    journey.read(4)
    if sent_early:
        journey.send()
        assert [wall - ahead_ms for wall in journey.stored()] == journey.told
    journey.clock.set_wall(now(journey), Trust.SYNCED)
    journey.read(4)
    journey.send()

    report = audit(journey.database, late_after_ms=10**13).total
    assert journey.stored() == journey.told
    assert (report.duplicated, report.reordered) == (0, 0)
    assert report.counters["clock_ahead"] >= 1


def test_the_store_knows_the_newest_time_it_was_told_even_when_all_of_it_is_gone(
    journey: Journey, tmp_path: Path
) -> None:
    journey.read(2)
    assert journey.outbox.newest_time_ms() == 2000  # of 1970: no floor to anybody
    journey.clock.set_wall(now(journey), Trust.SYNCED)
    journey.read(200)
    newest_ms = journey.clock.wall_ms
    journey.clock.set_wall(5000, Trust.UNSET)
    journey.read(2)
    assert journey.outbox.newest_time_ms() == newest_ms

    channels = [Settled(c.stream, c.audience, c.newest) for c in journey.outbox.channels]
    journey.outbox.settle(CITY, channels)
    assert sum(channel.kept for channel in journey.outbox.channels) == 0
    journey.outbox.close()
    again = Outbox(tmp_path / "store.db", {OPERATIONS: frozenset({CITY})}, 2**24)
    assert newest_ms - 200_000 <= again.newest_time_ms() <= newest_ms
    again.close()


def test_a_clock_kept_over_a_long_sleep_is_outdone_by_a_pair_that_says_how_sure_it_is(
    journey: Journey,
) -> None:
    """The board woke with the time of its last hour; then the platform told the time."""
    journey.clock.set_wall(now(journey) - 183 * DAY_MS, Trust.HOLDOVER)
    journey.read(3)
    journey.clock.set_wall(now(journey), Trust.HOLDOVER)
    journey.clock.error_ms = 40
    journey.read(3)
    journey.send()
    assert journey.stored() == journey.told

    journey.clock.set_wall(now(journey) + 90 * DAY_MS, Trust.HOLDOVER)  # set by hand, and wrong
    journey.clock.error_ms = None
    journey.read(3)
    journey.send()
    assert journey.stored() == journey.told
