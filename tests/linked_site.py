"""A sealer, its file and uplinks on one side, real receivers on the other, brokers between them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from gateway.keys.device import load_device_key
from gateway.keys.platform import load_recipient, load_signers
from gateway.model.clock import SystemClock
from gateway.model.event import Event, Severity
from gateway.model.ids import OPERATIONS, ConsumerId, GatewayId
from gateway.model.reading import Reading
from gateway.store.outbox import Outbox
from gateway.store.sealer import Sealer
from gateway.store.sealing import Identity
from gateway.store.store import StoreThread
from gateway.sync.backoff import Backoff
from gateway.sync.peer import Peer
from gateway.sync.session import Broker
from gateway.sync.uplink import Uplink
from provisioning.authority import Authority
from simulators.platform.audit import Report, audit
from simulators.platform.databases import open_ledger
from simulators.platform.intake import Intake
from simulators.platform.keys import Opener, load_authority, load_opening_key, load_signing_key
from simulators.platform.receiver import Broker as ReceiverBroker
from simulators.platform.receiver import Receiver
from tests.clock import HandClock
from tests.sealing import METER, TABLE

GATEWAY = GatewayId("nvr-lenina-12")
CITY, DESK = ConsumerId("city"), ConsumerId("desk")
WITHIN_S = 20.0
EPOCH_S = 3600.0


@dataclass
class Platform:
    """One consumer's receiver and its ledger."""

    authority: Authority
    consumer: ConsumerId
    port: int
    database: Path
    sign_key: Path | None = None
    """Signs acknowledgements in the place of the consumer's own key."""
    log: list[str] = field(default_factory=list)

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Receive on a thread of its own; the ledger stays."""
        stop, ready = threading.Event(), threading.Event()
        thread = threading.Thread(target=self._run, args=(stop, ready))
        thread.start()
        try:
            ready.wait(WITHIN_S)
            yield
        finally:
            stop.set()
            thread.join()

    def _run(self, stop: threading.Event, ready: threading.Event) -> None:
        keys = self.authority.folder
        ledger = open_ledger(self.database)
        ready.set()
        intake = Intake(
            ledger,
            Opener(self.consumer, [load_opening_key(keys / f"{self.consumer}-hpke.key")]),
            load_authority(keys / "ca.pem"),
            load_signing_key(self.sign_key or keys / f"{self.consumer}-sign.key"),
            wall_ms=lambda: SystemClock().now().wall_ms,
            notice=lambda what, _gateway, sentence: self.log.append(f"{what}: {sentence}"),
        )
        broker = ReceiverBroker("127.0.0.1", self.port)
        Receiver(broker, intake, lambda what, **_: self.log.append(what), stop=stop).run()
        ledger.close()

    def report(self) -> Report:
        """Return what the ledger says."""
        return audit(self.database, late_after_ms=10**9).total


@dataclass
class Site:
    """The side of the gateway; what is read is written by `feed`."""

    outbox: Outbox
    sealer: Sealer
    thread: StoreThread
    clock: HandClock
    uplinks: Sequence[Uplink]
    events: list[Event]
    _fed: int = 0

    async def feed(self, count: int) -> None:
        """Seal so many readings of ten values, each in a commit of its own, and an alarm."""
        await self.read(count)
        alarm = Event("door-open", self.clock.now(), Severity.ALARM)
        await self.thread.submit(self.sealer.write, [], [alarm])
        self.wake()

    async def read(self, count: int) -> None:
        """Seal so many readings of ten values, each in a commit of its own."""
        for _ in range(count):
            self._fed += 1
            reading = Reading(METER, TABLE, self.clock.advance(1), (self._fed,) * len(TABLE))
            await self.thread.submit(self.sealer.write, [reading], [])
        self.wake()

    def wake(self) -> None:
        """Say to all uplinks that there is something new."""
        for uplink in self.uplinks:
            uplink.committed()

    async def until_settled(self, consumer: ConsumerId) -> None:
        """Wait until a consumer has acknowledged everything."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                cursors = await self.thread.submit(self.outbox.cursors, consumer)
                if all(cursors[c.key] == c.newest for c in self.outbox.channels):
                    return
                await asyncio.sleep(0.02)

    @property
    def produced(self) -> int:
        """Return how many values and events were ever sealed."""
        return sum(c.produced for c in self.outbox.channels)

    @property
    def kept(self) -> int:
        """Return how many batches are kept."""
        return sum(c.newest + 1 - c.oldest for c in self.outbox.channels)


def links(*ports: tuple[ConsumerId, int]) -> dict[ConsumerId, Broker]:
    """Return plain ways to consumers."""
    return {
        consumer: Broker("127.0.0.1", port, 5, 2.0, None, f"{GATEWAY}@{consumer}")
        for consumer, port in ports
    }


@asynccontextmanager
async def site(
    folder: Path, authority: Authority, ways: dict[ConsumerId, Broker]
) -> AsyncIterator[Site]:
    """Run a gateway's store and uplinks; the file in `folder` stays."""
    keys = authority.folder
    device_key = load_device_key(
        keys / "gateways" / GATEWAY / "device.key", keys / "gateways" / GATEWAY / "device.pem"
    )
    clock = HandClock(wall_ms=SystemClock().now().wall_ms)
    thread, events = StoreThread(), list[Event]()
    entitled = {OPERATIONS: frozenset(ways)}
    async with AsyncExitStack() as ending:
        outbox = await thread.submit(Outbox, folder / "store.db", entitled, 2**24)
        ending.callback(thread.close)
        ending.push_async_callback(_closed, thread, outbox)
        recipients = [load_recipient(each, keys / f"{each}-hpke.pub") for each in ways]
        identity = Identity(GATEWAY, outbox.incarnation, clock.boot, device_key)
        sealer = Sealer(outbox, identity, {OPERATIONS: recipients}, clock, EPOCH_S)
        uplinks = [
            Uplink(
                Peer(
                    GATEWAY,
                    clock.boot,
                    device_key,
                    "0.1.0",
                    consumer,
                    frozenset({OPERATIONS}),
                    load_signers([keys / f"{consumer}-sign.pem"]),
                    most_unsettled=16,
                ),
                broker,
                outbox,
                thread,
                SystemClock(),
                events.append,
                Backoff(0.05, 0.2, Random(1).uniform),
                tell_newest=sealer.tell_newest,
                patience_s=0.5,
                settle_within_s=0.1,
            )
            for consumer, broker in ways.items()
        ]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(uplink.run()) for uplink in uplinks]
            try:
                yield Site(outbox, sealer, thread, clock, uplinks, events)
            finally:
                for task in tasks:
                    task.cancel()


async def _closed(thread: StoreThread, outbox: Outbox) -> None:
    await thread.submit(outbox.close)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: it did not in time.
    """
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event to set
            await asyncio.sleep(0.02)
