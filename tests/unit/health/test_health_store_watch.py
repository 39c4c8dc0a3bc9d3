"""Alarms of the store: room that will not last an outage, a card that is worn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from gateway.config.site import StoreOptions
from gateway.health.card import TIB
from gateway.health.store_watch import StoreWatch
from gateway.model.event import Event, Severity
from gateway.model.ids import OPERATIONS, ConsumerId
from gateway.model.stream import Stream
from gateway.store.outbox import Outbox, Settled
from gateway.store.store import StoreThread
from tests.clock import HandClock
from tests.sealing import body, epoch

CITY = ConsumerId("city")
MIB = 2**20


@dataclass
class Site:
    """A store of 16 MiB that fills at so many bytes a second, watched."""

    outbox: Outbox
    watch: StoreWatch
    rate: list[float]
    events: list[Event] = field(default_factory=list)

    def fill(self, mib: float) -> None:
        key = epoch()
        self.outbox.add_epoch(key, 0)
        full = replace(body(), packed=os.urandom(MIB // 8))
        self.outbox.add([(Stream.DATA, key, full)] * round(8 * mib))

    def settle(self) -> None:
        said = [Settled(c.stream, c.audience, c.newest) for c in self.outbox.channels]
        self.outbox.settle(CITY, said)
        self.outbox.settle_now()

    async def told(self) -> list[str]:
        before = len(self.events)
        await self.watch.look()
        return [event.key for event in self.events[before:]]


@pytest.fixture
def site(tmp_path: Path, clock: HandClock) -> Iterator[Site]:
    outbox = Outbox(tmp_path / "store.db", {OPERATIONS: frozenset({CITY})}, 16 * MIB)
    options = StoreOptions(path=tmp_path / "store.db", max_mib=16, warn_left_hours=2.0)
    thread, events, rate = StoreThread(), list[Event](), [0.0]
    watch = StoreWatch(
        options, outbox, thread, clock, events.append, lambda: rate[0] or None, tmp_path / "sys"
    )
    yield Site(outbox, watch, rate, events)
    thread.close()
    outbox.close()


async def test_room_that_will_not_last_is_told_once_and_its_end_too(site: Site) -> None:
    assert await site.told() == []
    site.fill(4)
    site.rate[0] = 12 * MIB / 3600 / 3  # three hours are left
    assert await site.told() == []
    site.rate[0] = 12 * MIB / 3600 / 1.9
    assert await site.told() == ["store-nearly-full"]
    assert site.events[-1].severity is Severity.ALARM
    assert 1.7 * 3600 < float(site.events[-1].args["room_s"]) < 2 * 3600
    site.rate[0] = 12 * MIB / 3600 / 2.2  # between both bounds nothing changes
    assert await site.told() == []
    site.rate[0] = 12 * MIB / 3600 / 1.5
    assert await site.told() == []
    site.settle()
    assert await site.told() == ["store-roomy"]
    assert await site.told() == []


async def test_a_store_that_is_not_in_use_warns_of_nothing(site: Site) -> None:
    site.rate[0] = 16 * MIB / 60
    site.fill(1)
    assert await site.told() == []


def emmc(folder: Path, file: Path, life: str, sectors: int = 0) -> None:
    """Make the device that holds a file an eMMC."""
    number = file.stat().st_dev
    device = folder / "devices" / "mmcblk0"
    (device / "device").mkdir(parents=True, exist_ok=True)
    (device / "device" / "life_time").write_text(life)
    (device / "stat").write_text(f"0 0 0 0 0 0 {sectors} 0 0 0 0")
    (folder / "dev" / "block").mkdir(parents=True, exist_ok=True)
    link = folder / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}"
    if not link.is_symlink():
        link.symlink_to(device)


@pytest.fixture
def card(site: Site) -> Path:
    """The folder that stands for sysfs."""
    if not os.major(site.watch.options.path.parent.stat().st_dev):
        pytest.skip("temporary files lie on no block device here")
    return site.watch.sysfs


async def test_a_worn_card_is_told_once_and_a_new_one_too(site: Site, card: Path) -> None:
    file = site.watch.options.path
    assert not site.watch.tells_card
    emmc(card, file, "0x03 0x08")
    assert site.watch.tells_card
    assert await site.told() == []
    assert site.watch.card_left == 20.0
    emmc(card, file, "0x03 0x09")
    assert await site.told() == ["card-worn"]
    assert (site.events[-1].severity, site.events[-1].args) == (Severity.ALARM, {"left": 10})
    assert await site.told() == []
    emmc(card, file, "0x01 0x01")
    assert await site.told() == ["card-fresh"]


async def test_what_was_written_to_a_card_that_says_nothing_is_kept_over_boots(
    site: Site, card: Path, clock: HandClock
) -> None:
    file, written = site.watch.options.path, TIB // 512
    emmc(card, file, "0x00 0x00", sectors=written)
    assert not site.watch.tells_card
    await site.watch.look()
    assert site.watch.card_left is None

    site.watch.options = replace(site.watch.options, card_endurance_tib=4.0)
    assert site.watch.tells_card
    await site.watch.look()
    assert site.watch.card_left == 75.0
    emmc(card, file, "0x00 0x00", sectors=2 * written)
    clock.advance(4000)
    await site.watch.look()
    assert site.watch.card_left == 50.0
    clock.reboot()
    emmc(card, file, "0x00 0x00", sectors=written)
    assert await site.told() == []
    assert site.watch.card_left == 25.0
    clock.reboot()
    emmc(card, file, "0x00 0x00", sectors=written)
    await site.watch.look()
    assert site.watch.card_left == 25.0  # of the boot before nothing was noted yet: an hour
