"""Several consumers of one store, each with a broker, a receiver and a pace of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.model.clock import SystemClock
from gateway.model.stream import Stream
from provisioning.authority import Authority
from tests.broker import Mosquitto
from tests.linked_site import CITY, DESK, GATEWAY, Platform, links, site, until

Brokers = Callable[..., Mosquitto]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority with two consumers."""
    folder = tmp_path_factory.mktemp("both")
    return Authority.create(folder, SystemClock(), gateways=[GATEWAY], consumers=[CITY, DESK])


async def test_a_consumer_that_is_away_holds_back_nobody_but_its_own(
    tmp_path: Path, both: Authority, mosquitto: Brokers
) -> None:
    ports = mosquitto().port, mosquitto().port
    city = Platform(both, CITY, ports[0], tmp_path / "city.db")
    desk = Platform(both, DESK, ports[1], tmp_path / "desk.db")
    async with site(tmp_path, both, links((CITY, ports[0]), (DESK, ports[1]))) as gateway:
        with city.receiving():
            await gateway.feed(20)
            await until(lambda: city.report().account.stored == 201)
            kept = gateway.kept
            with desk.receiving():
                await until(lambda: gateway.kept == 0)
                await until(lambda: desk.report().account.stored == 201)

    assert kept >= 21
    for platform in (city, desk):
        assert (platform.report().readings, platform.report().duplicated) == (200, 0)


async def test_one_who_is_taken_out_holds_back_nothing_and_opens_nothing_new(
    tmp_path: Path, both: Authority, mosquitto: Brokers
) -> None:
    ports = mosquitto().port, mosquitto().port
    city = Platform(both, CITY, ports[0], tmp_path / "city.db")
    desk = Platform(both, DESK, ports[1], tmp_path / "desk.db")
    with city.receiving():
        async with site(tmp_path, both, links((CITY, ports[0]), (DESK, ports[1]))) as gateway:
            await gateway.feed(5)
            await gateway.until_settled(CITY)
            held = gateway.kept
        async with site(tmp_path, both, links((CITY, ports[0]))) as gateway:
            after = [c.newest + 1 - c.oldest for c in gateway.outbox.channels]
            await gateway.feed(5)
            await until(lambda: gateway.kept == 0)
            (record,) = gateway.outbox._db.execute("SELECT record FROM epoch").fetchall()
            await until(lambda: city.report().account.stored == 102)

    assert held >= 6
    assert set(after) == {0}
    assert desk.consumer.encode() not in record[0]
    assert (city.report().readings, city.report().duplicated) == (100, 0)


async def test_one_who_joins_later_begins_there_and_disturbs_nobody(
    tmp_path: Path, both: Authority, mosquitto: Brokers
) -> None:
    ports = mosquitto().port, mosquitto().port
    city = Platform(both, CITY, ports[0], tmp_path / "city.db")
    desk = Platform(both, DESK, ports[1], tmp_path / "desk.db")
    async with site(tmp_path, both, links((CITY, ports[0]))) as gateway:
        await gateway.feed(5)
    async with site(tmp_path, both, links((CITY, ports[0]), (DESK, ports[1]))) as gateway:
        await gateway.feed(3)
        with desk.receiving():
            await until(lambda: desk.report().account.stored == 31)
            (oldest,) = (c.oldest for c in gateway.outbox.channels if c.stream is Stream.DATA)
            with city.receiving():
                await until(lambda: gateway.kept == 0)
                await until(lambda: city.report().account.stored == 82)

    assert oldest == 1
    assert desk.report().readings == 30
    assert desk.report().counters.get("no_key", 0) == 0
    assert desk.report().account.lost == 0
    assert city.report().readings == 80


async def test_two_consumers_behind_one_broker_each_get_everything_once(
    tmp_path: Path, both: Authority, mosquitto: Brokers
) -> None:
    port = mosquitto().port
    city = Platform(both, CITY, port, tmp_path / "city.db")
    desk = Platform(both, DESK, port, tmp_path / "desk.db")
    with city.receiving(), desk.receiving():
        async with site(tmp_path, both, links((CITY, port), (DESK, port))) as gateway:
            await gateway.feed(10)
            await until(lambda: gateway.kept == 0)
            await until(lambda: city.report().clean and desk.report().clean)
            connects = [uplink.traffic.connects for uplink in gateway.uplinks]

    assert connects == [1, 1]
    assert (city.report().readings, desk.report().readings) == (100, 100)
