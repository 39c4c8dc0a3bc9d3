"""The uplink on a real broker, with a platform that does not always do what it should."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest

from gateway.keys.device import load_device_key
from gateway.keys.platform import load_signers
from gateway.model.clock import SystemClock
from gateway.model.event import Event
from gateway.model.ids import OPERATIONS, ConsumerId, GatewayId
from gateway.model.stream import Stream
from gateway.store.outbox import Outbox
from gateway.store.sealing import Epoch
from gateway.store.store import StoreThread
from gateway.sync.backoff import Backoff
from gateway.sync.serving import Peer
from gateway.sync.session import Broker, client_context
from gateway.sync.uplink import Uplink
from provisioning.authority import Authority
from simulators.lines.proxy import Cut, Pass, link_proxy
from tests.broker import Mosquitto
from tests.sealing import body, epoch
from tests.unsure_platform import UnsurePlatform

GATEWAY = GatewayId("nvr-lenina-12")
CITY = ConsumerId("city")
Brokers = Callable[..., Mosquitto]


class Gateway:
    """An outbox and its uplink, nothing else."""

    def __init__(self, folder: Path, authority: Authority, broker: Broker) -> None:
        keys = authority.folder / "gateways" / GATEWAY
        self.thread = StoreThread()
        self.outbox = Outbox(folder / "store.db", {OPERATIONS: frozenset({CITY})}, max_bytes=2**24)
        self.events: list[Event] = []
        peer = Peer(
            GATEWAY,
            SystemClock().boot,
            load_device_key(keys / "device.key", keys / "device.pem"),
            "0.1.0",
            CITY,
            frozenset({OPERATIONS}),
            load_signers([authority.folder / "city-sign.pem"]),
            most_unsettled=16,
        )
        self.uplink = Uplink(
            peer,
            broker,
            self.outbox,
            self.thread,
            SystemClock(),
            self.events.append,
            Backoff(0.05, 0.2, Random(1).uniform),
        )
        self._epoch: Epoch | None = None

    async def seal(self, count: int, stream: Stream = Stream.DATA) -> None:
        """Put so many batches into the outbox, each in a commit of its own."""
        if self._epoch is None:
            self._epoch = epoch()
            await self.thread.submit(self.outbox.add_epoch, self._epoch, 0)
        for _ in range(count):
            await self.thread.submit(self.outbox.add, [(stream, self._epoch, body())])
        self.uplink.committed()

    def kept(self, stream: Stream = Stream.DATA) -> int:
        """Return how many batches of a stream wait."""
        return sum(c.newest + 1 - c.oldest for c in self.outbox.channels if c.stream is stream)


@asynccontextmanager
async def running(folder: Path, authority: Authority, broker: Broker) -> AsyncIterator[Gateway]:
    gateway = Gateway(folder, authority, broker)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(gateway.uplink.run())
        try:
            yield gateway
        finally:
            task.cancel()
    await gateway.thread.submit(gateway.outbox.close)
    gateway.thread.close()


def plain(port: int) -> Broker:
    return Broker("127.0.0.1", port, 5, 5.0, None)


def more_acks(gateway: Gateway, than: int) -> bool:
    return gateway.uplink.traffic.acks > than


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event to set
            await asyncio.sleep(0.01)


@pytest.fixture
def broker(mosquitto: Brokers) -> Mosquitto:
    return mosquitto(config="max_inflight_messages 20")


@pytest.fixture
def platform(broker: Mosquitto, authority: Authority) -> Iterator[UnsurePlatform]:
    with UnsurePlatform(broker.port, GATEWAY, authority.folder / "city-sign.key") as listening:
        yield listening


async def wait(platform: UnsurePlatform, condition: Callable[[], bool]) -> None:
    await asyncio.to_thread(platform.wait, condition)


async def test_hello_comes_first_then_the_epoch_record_then_its_batches_in_order(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await gateway.seal(3)
        await wait(platform, lambda: len(platform.sequences) == 3)

    assert platform.topics == ["hello", "epoch", "data", "data", "data"]
    assert platform.sequences == [("data", 1), ("data", 2), ("data", 3)]


async def test_nothing_is_deleted_before_the_platform_says_so(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await gateway.seal(4)
        await wait(platform, lambda: len(platform.sequences) == 4)
        kept_after_puback = gateway.kept()
        platform.acknowledge([[3, OPERATIONS, 3, []]])
        await until(lambda: gateway.kept() == 1)

    assert kept_after_puback == 4


async def test_no_more_goes_out_than_the_window_allows_but_an_alarm_does(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await gateway.seal(40)
        await wait(platform, lambda: len(platform.sequences) == 16)
        await gateway.seal(1, Stream.ALARM)
        await wait(platform, lambda: ("alarm", 1) in platform.sequences)

        assert len(platform.sequences) == 17


async def test_any_bytes_from_the_platform_change_nothing(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    chance = Random(os.environ["MAYAK_SEED"])
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await gateway.seal(2)
        await wait(platform, lambda: len(platform.sequences) == 2)
        for _ in range(30):
            platform.send(chance.randbytes(chance.randrange(300)))
        for what in ("command", "config", "keys"):
            platform.send(chance.randbytes(100), what)
        await until(lambda: gateway.uplink.traffic.not_acks == 30)
        kept = gateway.kept()
        platform.acknowledge([[3, OPERATIONS, 2, []]])
        await until(lambda: gateway.kept() == 0)

    assert kept == 2


async def test_what_is_missing_is_sent_again_and_only_that(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await gateway.seal(5)
        await wait(platform, lambda: len(platform.sequences) == 5)
        platform.acknowledge([[3, OPERATIONS, 1, [[2, 3]]]])
        await wait(platform, lambda: len(platform.sequences) == 7)

    again = [batch for batch, times in platform.arrivals.items() if times == 2]
    assert again == [("data", 2), ("data", 3)]


async def test_a_wanted_epoch_record_is_sent_again_with_the_batches_after_it(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await gateway.seal(2)
        await wait(platform, lambda: len(platform.sequences) == 2)
        platform.acknowledge(wanted=[platform.epochs[0]])
        await wait(platform, lambda: len(platform.sequences) == 4)

    assert platform.topics == ["hello", "epoch", "data", "data", "epoch", "data", "data"]


async def test_a_batch_refused_three_times_is_told_as_a_gap_and_blocks_nothing(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await gateway.seal(3)
        await wait(platform, lambda: len(platform.sequences) == 3)
        for _ in range(3):
            platform.acknowledge(refused=[[3, OPERATIONS, 2, 2]])
            seen = gateway.uplink.traffic.acks
            await until(partial(more_acks, gateway, seen))
        gaps = await gateway.thread.submit(gateway.outbox.untold_gaps)

    assert [(gap.stream, gap.first, gap.last) for _, gap in gaps] == [(3, 2, 2)]


async def test_after_a_cut_only_what_was_not_settled_comes_again(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with (
        link_proxy(("127.0.0.1", broker.port)) as link,
        running(tmp_path, authority, plain(link.port)) as gateway,
    ):
        await gateway.seal(4)
        await wait(platform, lambda: len(platform.sequences) == 4)
        platform.acknowledge([[3, OPERATIONS, 2, []]])
        await until(lambda: gateway.kept() == 2)
        await link.set_mode(Cut())
        await until(lambda: not gateway.uplink.traffic.connected)
        await link.set_mode(Pass())
        await wait(platform, lambda: len(platform.sequences) == 6)

    assert platform.sequences[4:] == [("data", 3), ("data", 4)]
    assert [event.key for event in gateway.events] == ["link-lost", "link-back"]


async def test_a_broker_that_restarts_is_found_again(
    tmp_path: Path, authority: Authority, broker: Mosquitto
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await until(lambda: gateway.uplink.traffic.connected)
        broker.kill()
        await until(lambda: not gateway.uplink.traffic.connected)
        broker.start()
        await until(lambda: gateway.uplink.traffic.connected)

    assert gateway.uplink.traffic.connects == 2


async def test_a_gateway_that_starts_again_goes_on_where_the_platform_is(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await gateway.seal(3)
        await wait(platform, lambda: len(platform.sequences) == 3)
        platform.acknowledge([[3, OPERATIONS, 1, []]])
        await until(lambda: gateway.kept() == 2)
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await wait(platform, lambda: len(platform.sequences) == 5)

    assert platform.sequences[3:] == [("data", 2), ("data", 3)]
    assert platform.hellos[0][3] == platform.hellos[1][3]


async def test_a_stop_says_good_bye_when_all_is_settled(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await gateway.seal(1)
        await wait(platform, lambda: len(platform.sequences) == 1)
        gateway.uplink.stop()
        platform.acknowledge([[3, OPERATIONS, 1, []]])
        await wait(platform, lambda: platform.hellos[-1][8] == 2)

    assert platform.hellos[-1][6] == [[3, OPERATIONS, 2, 1, 10, 0]]


async def test_over_mutual_tls_the_certificate_says_who_we_are(
    tmp_path: Path, authority: Authority, mosquitto: Brokers
) -> None:
    secured = mosquitto(authority)
    keys = authority.folder / "gateways" / GATEWAY
    tls = client_context(authority.folder / "ca.pem", keys / "device.pem", keys / "device.key")
    broker = Broker("localhost", secured.port, 5, 5.0, tls)

    async with running(tmp_path, authority, broker) as gateway:
        await until(lambda: gateway.uplink.traffic.connected)

    assert "TLSv1.3" in secured.log or GATEWAY in secured.log


async def test_nobody_listening_is_told_once_with_its_cause(
    tmp_path: Path, authority: Authority, broker: Mosquitto
) -> None:
    broker.stop()
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await until(lambda: bool(gateway.events))
        await asyncio.sleep(0.5)

    (event,) = gateway.events
    assert (event.key, "refuses the connection" in str(event.args["reason"])) == ("link-lost", True)
