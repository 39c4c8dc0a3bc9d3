"""The uplink on a real broker, with a platform that does not always do what it should."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sized
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest

from gateway.keys.device import load_device_key
from gateway.keys.platform import load_signers
from gateway.model.clock import SystemClock
from gateway.model.event import Event, Severity
from gateway.model.ids import OPERATIONS, Audience, ConsumerId, GatewayId
from gateway.model.stream import Stream
from gateway.store.outbox import Outbox
from gateway.store.sealing import Epoch
from gateway.store.store import StoreThread
from gateway.sync.backoff import Backoff
from gateway.sync.budget import Budget
from gateway.sync.peer import Peer
from gateway.sync.session import Broker, Session, client_context
from gateway.sync.uplink import STATE_FROM, Uplink
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

    task: asyncio.Task[None]

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
            tell_newest=self._tell_newest,
            settle_within_s=0.1,
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

    def _tell_newest(self, audiences: Collection[Audience]) -> int:
        """Put a batch into the outbox in the place of a sealer."""
        if self._epoch is None or OPERATIONS not in audiences:
            return 0
        return len(self.outbox.add([(Stream.STATE, self._epoch, body())]))

    def kept(self, stream: Stream = Stream.DATA) -> int:
        """Return how many batches of a stream wait."""
        return sum(c.newest + 1 - c.oldest for c in self.outbox.channels if c.stream is stream)


@asynccontextmanager
async def running(folder: Path, authority: Authority, broker: Broker) -> AsyncIterator[Gateway]:
    gateway = Gateway(folder, authority, broker)
    async with asyncio.TaskGroup() as group:
        gateway.task = group.create_task(gateway.uplink.run())
        try:
            yield gateway
        finally:
            gateway.task.cancel()
    await gateway.thread.submit(gateway.outbox.close)
    gateway.thread.close()


def plain(port: int) -> Broker:
    return Broker("127.0.0.1", port, 5, 5.0, None)


def more_acks(gateway: Gateway, than: int) -> bool:
    return gateway.uplink.traffic.acks > than


def more(found: Sized, than: int) -> bool:
    return len(found) > than


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


async def sent(gateway: Gateway, platform: UnsurePlatform, count: int) -> None:
    """Seal the first batches and wait until they are at the platform."""
    await gateway.seal(count)
    await wait(platform, lambda: len(platform.sequences) == count)


async def test_hello_comes_first_then_the_epoch_record_then_its_batches_in_order(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await sent(gateway, platform, 3)

    assert platform.topics == ["hello", "epoch", "data", "data", "data"]
    assert platform.sequences == [("data", 1), ("data", 2), ("data", 3)]


async def test_nothing_is_deleted_before_the_platform_says_so(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await sent(gateway, platform, 4)
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
        await sent(gateway, platform, 2)
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
        await sent(gateway, platform, 5)
        platform.acknowledge([[3, OPERATIONS, 1, [[2, 3]]]])
        await wait(platform, lambda: len(platform.sequences) == 7)

    again = [batch for batch, times in platform.arrivals.items() if times == 2]
    assert again == [("data", 2), ("data", 3)]


async def test_a_wanted_epoch_record_is_sent_again_with_the_batches_after_it(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await sent(gateway, platform, 2)
        platform.acknowledge(wanted=[platform.epochs[0]])
        await wait(platform, lambda: len(platform.sequences) == 4)

    assert platform.topics == ["hello", "epoch", "data", "data", "epoch", "data", "data"]


async def test_a_batch_refused_three_times_is_told_as_a_gap_and_blocks_nothing(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await sent(gateway, platform, 3)
        for _ in range(3):
            platform.acknowledge(refused=[[3, OPERATIONS, 2, 2]])
            seen = gateway.uplink.traffic.acks
            await until(partial(more_acks, gateway, seen))
        gaps = await gateway.thread.submit(gateway.outbox.untold_gaps)

    assert [(gap.stream, gap.first, gap.last) for _, gap in gaps] == [(3, 2, 2)]


async def test_after_an_outage_alarms_come_first_then_the_newest_state_then_history(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with (
        link_proxy(("127.0.0.1", broker.port)) as link,
        running(tmp_path, authority, plain(link.port)) as gateway,
    ):
        await until(lambda: gateway.uplink.traffic.connected)
        await link.set_mode(Cut())
        await until(lambda: not gateway.uplink.traffic.connected)
        await gateway.seal(STATE_FROM + 1)
        await gateway.seal(1, Stream.EVENT)
        await gateway.seal(1, Stream.ALARM)
        await link.set_mode(Pass())
        await wait(platform, lambda: len(platform.sequences) == STATE_FROM + 4)

    streams = [stream for stream, _ in platform.sequences]
    assert streams[:4] == ["alarm", "event", "state", "data"]
    assert platform.sequences[3:] == [("data", n) for n in range(1, STATE_FROM + 2)]


async def test_with_little_to_catch_up_with_no_state_is_told(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        await gateway.seal(STATE_FROM)
        await wait(platform, lambda: len(platform.sequences) == STATE_FROM)

    assert {stream for stream, _ in platform.sequences} == {"data"}


async def test_history_keeps_its_budget_and_nothing_urgent_waits_for_it(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        gateway.uplink.budget = Budget(2_000)
        await gateway.seal(10)
        await wait(platform, lambda: bool(platform.sequences))
        for stream in (Stream.EVENT, Stream.ALARM, Stream.STATE):
            await gateway.seal(3, stream)
        await wait(platform, lambda: platform.arrivals.total() >= 10)

        sent = gateway.uplink.traffic.sent_bytes["data"]
        assert sent - len(body().packed) < 1_000  # a tenth of a minute's and what comes in seconds
        assert gateway.kept() == 10


async def test_after_a_cut_only_what_was_not_settled_comes_again(
    tmp_path: Path, authority: Authority, broker: Mosquitto, platform: UnsurePlatform
) -> None:
    async with (
        link_proxy(("127.0.0.1", broker.port)) as link,
        running(tmp_path, authority, plain(link.port)) as gateway,
    ):
        await sent(gateway, platform, 4)
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
        await sent(gateway, platform, 3)
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
        await sent(gateway, platform, 1)
        gateway.uplink.stop()
        platform.acknowledge([[3, OPERATIONS, 1, []]])
        await wait(platform, lambda: platform.hellos[-1][8] == 2)

    assert platform.hellos[-1][6] == [[3, OPERATIONS, 2, 1, 10, 0]]


@pytest.mark.parametrize("most", [1, 2])
async def test_never_more_is_out_than_the_broker_takes(
    tmp_path: Path,
    authority: Authority,
    mosquitto: Brokers,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
) -> None:
    out: list[int] = []
    publish = Session.publish

    def watched(session: Session, topic: str, payload: bytes) -> None:
        publish(session, topic, payload)
        out.append(session.inflight)

    monkeypatch.setattr(Session, "publish", watched)
    slow = mosquitto(config=f"max_inflight_messages {most}")
    with UnsurePlatform(slow.port, GATEWAY, authority.folder / "city-sign.key") as platform:
        async with running(tmp_path, authority, plain(slow.port)) as gateway:
            await sent(gateway, platform, 6)
            platform.acknowledge([[3, OPERATIONS, 3, [[4, 6]]]], wanted=[platform.epochs[0]])
            await wait(platform, lambda: len(platform.epochs) == 2)

    assert max(out) <= most


async def test_a_broker_that_refuses_our_certificate_is_an_alarm_and_no_storm(
    tmp_path: Path, authority: Authority, mosquitto: Brokers
) -> None:
    folder = tmp_path / "stranger"
    stranger = Authority.create(folder, SystemClock(), gateways=[GATEWAY])
    secured = mosquitto(authority)
    keys = stranger.folder / "gateways" / GATEWAY
    tls = client_context(authority.folder / "ca.pem", keys / "device.pem", keys / "device.key")
    broker = Broker("localhost", secured.port, 5, 5.0, tls)

    async with running(tmp_path, authority, broker) as gateway:
        await until(lambda: "identity-rejected" in [event.key for event in gateway.events])

    alarm = next(event for event in gateway.events if event.key == "identity-rejected")
    assert alarm.severity is Severity.ALARM
    assert "certificate" in str(alarm.args["reason"])
    assert [event.key for event in gateway.events] == ["link-lost", "identity-rejected"]


async def test_a_broker_that_hangs_up_at_once_is_tried_later_each_time(
    tmp_path: Path, authority: Authority
) -> None:
    """As when a second gateway has our name: each takes the connection from the other."""
    tries: list[float] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tries.append(asyncio.get_running_loop().time())
        await reader.read(1000)
        writer.write(bytes.fromhex("20 03 00 00 00"))  # CONNACK, MQTT 5.0 §3.2
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, running(tmp_path, authority, plain(port)) as gateway:
        waits: list[float] = []

        def drawn(_low: float, high: float) -> float:
            waits.append(high)
            return min(high, 0.02)

        gateway.uplink.backoff = Backoff(0.001, 100, drawn)
        await until(lambda: len(waits) >= 8)

    assert waits[:8] == [0.001 * 2**n for n in range(8)]


async def test_a_broker_that_never_answers_leaves_neither_threads_nor_sockets(
    tmp_path: Path, authority: Authority
) -> None:
    tries: list[asyncio.StreamWriter] = []

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tries.append(writer)
        await reader.read()
        writer.close()

    def threads() -> int:
        return sum("paho" in thread.name for thread in threading.enumerate())

    def open_files() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    broker = Broker("127.0.0.1", server.sockets[0].getsockname()[1], 5, 0.05, None)
    async with server, running(tmp_path, authority, broker):
        await until(lambda: len(tries) >= 3)
        few = threads(), open_files()
        await until(lambda: len(tries) >= 9)
        many = threads(), open_files()
    await until(lambda: threads() == 0)

    assert many[0] <= 1
    assert many[1] <= few[1] + 4  # one connection that comes, one that goes


async def test_a_stop_does_not_wait_for_the_next_try(tmp_path: Path, authority: Authority) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with running(tmp_path, authority, plain(taken.getsockname()[1])) as gateway:
            gateway.uplink.backoff = Backoff(60, 60, lambda _low, high: high)
            await until(lambda: bool(gateway.events))
            begun_s = asyncio.get_running_loop().time()
            gateway.uplink.stop()
            await asyncio.wait([gateway.task])
            lasted_s = asyncio.get_running_loop().time() - begun_s

    assert lasted_s < 2


async def test_a_stop_while_it_connects_leaves_no_socket_behind(
    tmp_path: Path, authority: Authority
) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # the queue is full: SYNs are dropped
            broker = Broker("127.0.0.1", port, 5, 0.5, None)
            async with running(tmp_path, authority, broker) as gateway:
                await asyncio.sleep(0.05)
                gateway.uplink.stop()

    assert gateway.task.cancelled()


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


async def test_what_a_broker_took_while_nobody_listened_comes_at_once_when_somebody_does(
    tmp_path: Path, authority: Authority, broker: Mosquitto
) -> None:
    async with running(tmp_path, authority, plain(broker.port)) as gateway:
        gateway.uplink.patience_s = 1000.0
        await gateway.seal(3)
        await gateway.seal(1, Stream.ALARM)
        await until(lambda: gateway.uplink.traffic.sent_bytes["hello"] > 0)
        unheard = gateway.uplink.traffic.sent_batches
        with UnsurePlatform(broker.port, GATEWAY, authority.folder / "city-sign.key") as platform:
            await wait(platform, lambda: len(set(platform.sequences)) >= 4)

    assert unheard <= 4
    assert {("data", n) for n in (1, 2, 3)} | {("alarm", 1)} == set(platform.sequences)
    assert platform.epochs


async def test_a_link_that_flaps_is_not_taken_for_a_broker_that_shows_us_out(
    tmp_path: Path, authority: Authority, broker: Mosquitto
) -> None:
    waits: list[float] = []
    knocks: list[float] = []

    def drawn(_low: float, high: float) -> float:
        waits.append(high)
        return 0.02

    def knocked(low: float, _high: float) -> float:
        knocks.append(low)
        return 0.02

    async with (
        link_proxy(("127.0.0.1", broker.port)) as link,
        running(tmp_path, authority, plain(link.port)) as gateway,
    ):
        gateway.uplink.backoff = Backoff(1, 120, drawn)
        gateway.uplink.knocks.uniform = knocked
        for _ in range(6):
            await until(lambda: gateway.uplink.traffic.connected)
            await link.set_mode(Cut())
            before = len(knocks)
            await until(partial(more, knocks, before))
            await link.set_mode(Pass())

    assert gateway.uplink.traffic.connects >= 6
    assert max(waits) <= 10  # never the bound of a broker that turns us away
