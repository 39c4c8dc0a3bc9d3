"""Brokers and platforms that lose what they took: nothing is lost, nothing is stored twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from gateway.model.clock import SystemClock
from gateway.sync.uplink import Uplink
from provisioning.authority import Authority
from tests.broker import Mosquitto
from tests.linked_site import CITY, GATEWAY, Platform, links, site, until

Brokers = Callable[..., Mosquitto]


def more_sent(uplink: Uplink, than: int) -> bool:
    return uplink.traffic.sent_batches >= than


def assert_all_once(platform: Platform, produced: int) -> None:
    report = platform.report()
    assert (report.account.stored, report.account.lost) == (produced, 0)
    assert (report.duplicated, report.reordered) == (0, 0)


async def test_a_broker_that_acknowledges_and_then_loses(
    tmp_path: Path, authority: Authority, mosquitto: Brokers
) -> None:
    broker = mosquitto(config="persistence false")
    city = Platform(authority, CITY, broker.port, tmp_path / "city.db")
    async with site(tmp_path, authority, links((CITY, broker.port))) as gateway:
        (uplink,) = gateway.uplinks
        for _ in range(3):
            before = uplink.traffic.sent_batches
            await gateway.feed(5)
            await until(partial(more_sent, uplink, before + 6))
            broker.kill()  # it took everything, and nobody was there to read it
            await until(lambda: not uplink.traffic.connected)
            broker.start()
        kept = gateway.kept
        with city.receiving():
            await until(lambda: gateway.kept == 0)
            await until(lambda: city.report().clean)
        produced = gateway.produced

    assert kept >= 18
    assert_all_once(city, produced)


async def test_acknowledgements_that_do_not_arrive(
    tmp_path: Path, authority: Authority, mosquitto: Brokers
) -> None:
    port = mosquitto().port
    city = Platform(authority, CITY, port, tmp_path / "city.db")
    stranger = Authority.create(tmp_path / "stranger", SystemClock(), gateways=[GATEWAY])
    unheard = replace(city, sign_key=stranger.folder / "city-sign.key")
    async with site(tmp_path, authority, links((CITY, port))) as gateway:
        (uplink,) = gateway.uplinks
        with unheard.receiving():
            await gateway.feed(10)
            await until(lambda: city.report().counters.get("repeats", 0) >= 11)
            kept = gateway.kept
        with city.receiving():
            await until(lambda: gateway.kept == 0)
            await until(lambda: city.report().clean)
        produced = gateway.produced

    assert (kept >= 11, uplink.traffic.not_acks > 0) == (True, True)
    assert_all_once(city, produced)
