"""The task that keeps one consumer supplied: connects, serves, and connects again."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.model.clock import Clock, Trust
from gateway.model.errors import StoreCorruptError, StoreFullError
from gateway.model.event import Event, Scalar, Severity
from gateway.model.ids import Audience
from gateway.model.stream import Stream
from gateway.store.outbox import Outbox
from gateway.store.store import StoreThread
from gateway.sync.backoff import Backoff, Knocks
from gateway.sync.budget import Budget
from gateway.sync.causes import FOR_A_PERSON, LinkLostError, RefusedError, Step
from gateway.sync.door import Door, NetworkNews
from gateway.sync.peer import Peer, Traffic
from gateway.sync.platform_time import PlatformTime
from gateway.sync.serving import SETTLE_WITHIN_S, Serving, waited
from gateway.sync.session import Broker, Session
from gateway.sync.window import SILENCE_FIRST_S, ChannelKey, Window
from gateway.sync.wire import topic_down

_log = logging.getLogger(__name__)

WELL_AFTER_S: Final = 10.0
"""A connection that lasted so long was a success; one that is ended at once must not be a storm."""

STATE_FROM: Final = 10
"""With more batches of readings than this to catch up with, the newest state goes ahead of them."""
STATE_EVERY_S: Final = 60.0
"""A link that comes and goes gets no newer state within this time."""
SHORT_MOST: Final = 4
"""After so many connections in a row that were ended soon, somebody else may have our name: some
brokers end the first of two clients with one id without a word."""
ALARM_AGAIN_S: Final = 3600.0
"""A second gateway of our name is told again after so long."""
HURRY_S: Final = 1.0
"""An alarm that waits lets no more than this pass between two tries to connect ..."""
HURRY_FOR_S: Final = 120.0
"""... but only so long: whom a broker turns away time and again does not hurry."""
SPREAD_MOST_S: Final = 10.0
"""Who has no alarm comes back within this after an outage: a city does not come all at once."""
STORE_S: Final = 1.0
"""How often one looks whether the card lets us open the store."""
THERE_S: Final = 2.0
"""A broker that shows us out is still there; when nobody answers for so long, the link went."""
WATCH_S: Final = 0.5
GRACE_S: Final = 0.3
"""What a connection that stands still has to move again once the way is open."""


@dataclass(eq=False)
class Uplink:
    """The task that keeps one consumer supplied."""

    peer: Peer
    """Who we are and with whom we settle."""
    broker: Broker
    outbox: Outbox
    thread: StoreThread
    """On which the outbox is used."""
    clock: Clock
    happened: Callable[[Event], None]
    """Gets what people should know."""
    backoff: Backoff
    budget: Budget = field(default_factory=lambda: Budget(0))
    """What history may take."""
    tell_newest: Callable[[Collection[Audience]], int] = lambda _: 0
    """`Sealer.tell_newest`, called on the store's thread after an outage."""
    patience_s: float = SILENCE_FIRST_S
    """After so long without a new acknowledgement what is out is sent again."""
    straight: bool = True
    """Whether batches go out as they are committed: none waits to be put together with others."""
    settle_within_s: float = SETTLE_WITHIN_S
    """After so long what was acknowledged is noted even when no commit comes that would do it."""
    yield_s: float = 60.0
    """How much longer to wait after somebody else connected under our name."""
    time: PlatformTime | None = None
    """Asks the platform for the time where the board has none."""
    knocks: Knocks = field(init=False)
    """When to try again where nobody answers."""
    traffic: Traffic = field(default_factory=Traffic)
    _door: Door = field(init=False)
    _settled: Mapping[ChannelKey, int] = field(default_factory=dict)
    """As far as the last connection knew."""
    _alarms: int = 0
    """How many alarms there were when it was looked last."""
    _alarm_at_s: float = -math.inf
    """When the last alarm came to wait."""
    _afar: bool = True
    """Whether nobody answered, or a connection that was well went, since the last try."""
    _told_newest_s: float = -math.inf
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _lost_at_s: float | None = None
    _short: int = 0
    """How many connections in a row came up and ended soon."""
    _told: set[Step] = field(default_factory=set)
    _alarm_again_s: float = -math.inf
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        """Look at nothing yet."""
        self.knocks = Knocks(self.backoff.uniform)
        self._door = Door(self.broker.host, self.broker.port, self.broker.connect_timeout_s)

    def committed(self) -> None:
        """Say that there is something new in the store."""
        self._wake.set()

    def stop(self) -> None:
        """Send what is left while the link is up, say good-bye, and let `run` return."""
        self._stopped.set()
        self._wake.set()

    async def run(self) -> None:
        """Connect, serve, and connect again, until `stop`."""
        changed = asyncio.Event()

        def hear() -> None:
            changed.set()
            self._wake.set()

        with NetworkNews(hear):
            while not self._stopped.is_set():
                if not self.outbox.is_open:  # nothing to deliver, and no name for what there is
                    await self._pause(STORE_S, lambda: self.outbox.is_open)
                    continue
                try:
                    changed.clear()
                    connection = await self._way_in()
                except LinkLostError as error:
                    self._afar = True
                    self._note_lost(error)
                    await self._pause(self.knocks.next_s(self._waiting_s()), changed.is_set)
                else:
                    await self._try(connection)

    async def _way_in(self) -> socket.socket:
        """Return a connection to the broker, at once for an alarm, else not all at once.

        Raises:
            LinkLostError: nobody answers.
        """
        every_s = self.knocks.bound_s(self._waiting_s())
        connection = await self._door.open(every_s)
        if self._afar and self._lost_at_s is not None and not self._alarm_waits():
            connection.close()
            gone_s = self.clock.monotonic_s() - self._lost_at_s
            spread_s = self.backoff.uniform(0.0, min(SPREAD_MOST_S, gone_s))
            await self._pause(spread_s, self._alarm_waits)
            connection = await self._door.open(every_s)
        self._afar = False
        return connection

    async def _try(self, connection: socket.socket) -> None:
        """Use a connection until it ends, then wait as long as befits how it ended."""
        connects, wait_s, may_hurry = self.traffic.connects, 0.0, True
        try:
            await self._one_connection(connection)
        except (LinkLostError, RefusedError) as error:
            self._note_lost(error)
            came_up = self.traffic.connects > connects
            self._afar = came_up and not self._short
            may_hurry = isinstance(error, LinkLostError) and came_up is self._afar
            if error.step is Step.TAKEN_OVER:
                # Two that take the connection from each other at once would do so for ever.
                may_hurry, wait_s = False, self.yield_s
            elif came_up and not self._afar and not await self._door.answers(THERE_S):
                self._afar = True  # the link went: it is not the broker that shows us out
                return
            if self._afar and may_hurry and self._hurries():
                return
        hurried = may_hurry and self._hurries()
        wait_s += self.backoff.next_s(HURRY_S if hurried else math.inf)
        if may_hurry and not hurried:
            await self._pause(wait_s, self._hurries)
            wait_s = self.backoff.uniform(0.0, HURRY_S) if self._hurries() else 0.0
        await self._pause(wait_s)

    async def _pause(self, for_s: float, enough: Callable[[], bool] = bool) -> None:
        """Wait, at most until a stop or until it is enough."""
        until_s = self.clock.monotonic_s() + for_s
        while not self._stopped.is_set() and not enough():
            left_s = until_s - self.clock.monotonic_s()
            if left_s <= 0:
                return
            self._wake.clear()
            await waited(self._wake, left_s)

    def _alarm_waits(self) -> bool:
        """Say whether the consumer lacks an alarm, and note when there came one more."""
        mine = [
            (channel.newest, max(self._settled.get(channel.key, 0), channel.oldest - 1))
            for channel in self.outbox.channels
            if channel.stream is Stream.ALARM and channel.audience in self.peer.audiences
        ]
        alarms = sum(newest for newest, _ in mine)
        if alarms != self._alarms:
            self._alarms, self._alarm_at_s = alarms, self.clock.monotonic_s()
        return any(newest > settled for newest, settled in mine)

    def _hurries(self) -> bool:
        """Say whether an alarm waits that has not hurried us for long."""
        return self._alarm_waits() and self._waiting_s() < HURRY_FOR_S

    def _waiting_s(self) -> float:
        """Return for how long the link is gone, or since a new alarm waits for it."""
        begun_s = self.clock.monotonic_s() if self._lost_at_s is None else self._lost_at_s
        if self._alarm_waits():
            begun_s = max(begun_s, self._alarm_at_s)
        return self.clock.monotonic_s() - begun_s

    async def _watch(self, session: Session, doubted: asyncio.Event) -> None:
        """End a connection that stands still although the way is open: it may do so for minutes.

        The kernel waits twice as long each time before it repeats what was not answered.
        """
        while True:
            await doubted.wait()
            await asyncio.sleep(WATCH_S)
            if not session.stalled:
                continue
            if not await self._door.answers():
                continue
            await asyncio.sleep(GRACE_S)
            if session.stalled:
                session.give_up(LinkLostError("the link is open again, the connection stood still"))

    async def _session(self, connection: socket.socket) -> Session:
        """Connect, with the checks that the clock allows."""
        broker: Broker = self.broker
        left: socket.socket | None = connection
        try:
            if self.time is not None:
                broker, left = await self.time.prepare(connection)
            return await Session.connect(
                broker,
                broker.client_id or self.peer.gateway,
                [topic_down(self.peer.gateway, what) for what in ("ack", "time")],
                self._wake.set,
                clock_is_set=self.clock.now().trust is Trust.SYNCED
                or (self.time is not None and self.time.learned),
                connection=left,
            )
        except BaseException as error:
            connection.close()  # it may not have been taken over yet
            if self.time is not None and isinstance(error, LinkLostError):
                self.time.refused(error)
            raise

    async def _one_connection(self, connection: socket.socket) -> None:
        consumer = self.peer.consumer
        session = await self._session(connection)
        lost: LinkLostError | RefusedError | None = None
        try:
            settled = await self.thread.submit(self.outbox.cursors, consumer)
            has = await self.thread.submit(self.outbox.delivered_epochs, consumer)
            window = Window(self.peer.most_unsettled, settled, self.patience_s)
            self._settled = window.settled
            serving = Serving(
                self.peer,
                session,
                self.outbox,
                self.thread,
                self.clock,
                self.traffic,
                window,
                self.budget,
                has,
                self.time,
                straight=self.straight,
                settle_within_s=self.settle_within_s,
            )
            self._note_back()
            await self._catch_up(settled)
            since_s = self.clock.monotonic_s()
            async with asyncio.TaskGroup() as group:
                watch = group.create_task(self._watch(session, serving.doubted), name="watch")
                try:
                    await serving.run(self._wake, self._stopped.is_set)
                except (LinkLostError, RefusedError) as error:
                    lost = error
                finally:
                    watch.cancel()
                    self._short += 1
                    if self.clock.monotonic_s() - since_s >= WELL_AFTER_S:
                        self._short = 0
                    self.backoff.reset(max(0, self._short - 1))
        except LinkLostError as error:
            lost = error
        finally:
            self.traffic.connected = False
            await session.close()
        if isinstance(lost, RefusedError):
            raise lost
        if lost is not None:
            raise session.why(lost)

    async def _catch_up(self, settled: Mapping[ChannelKey, int]) -> None:
        """After an outage have the newest state told, so that it need not wait for history."""
        behind = {
            channel.audience
            for channel in self.outbox.channels
            if channel.stream is Stream.DATA
            and channel.audience in self.peer.audiences
            and channel.newest - max(settled.get(channel.key, 0), channel.oldest - 1) > STATE_FROM
        }
        now_s = self.clock.monotonic_s()
        if not behind or now_s - self._told_newest_s < STATE_EVERY_S:
            return
        try:
            await self.thread.submit(self.tell_newest, behind)
        except (StoreFullError, StoreCorruptError) as error:
            _log.warning("newest-not-told", extra={"error": str(error)})
        else:
            self._told_newest_s = now_s

    def _note_lost(self, error: LinkLostError | RefusedError) -> None:
        """Say once that the link is gone, and again where only a person can help."""
        now_s, now = self.clock.monotonic_s(), self.clock.now()
        first = self._lost_at_s is None
        if self._lost_at_s is None:
            self._lost_at_s = now_s
        consumer, step = self.peer.consumer, error.step.value
        args = {"consumer": consumer, "step": step, "reason": str(error)}
        if error.step not in self._told:
            self._told.add(error.step)
            if first or error.step in FOR_A_PERSON:
                _log.warning("link-lost", extra=args)
                self.happened(Event("link-lost", now, Severity.WARNING, args=args))
            if isinstance(error, RefusedError):
                self.happened(Event("identity-rejected", now, Severity.ALARM, args=args))
        if error.step is Step.LINK and self._short >= SHORT_MOST:
            args["reason"] = f"{error}; {self._short} times in a row soon after it came up"
        elif error.step is not Step.TAKEN_OVER:
            return
        if now_s >= self._alarm_again_s:
            self._alarm_again_s = now_s + ALARM_AGAIN_S
            self.happened(Event("session-taken-over", now, Severity.ALARM, args=args))

    def _note_back(self) -> None:
        """Say once that it is back, and for how long it was gone."""
        self._told.clear()
        self.traffic.connected = True
        self.traffic.connects += 1
        if self._lost_at_s is not None:
            gone_s = round(self.clock.monotonic_s() - self._lost_at_s, 1)
            self._lost_at_s = None
            args: dict[str, Scalar] = {"consumer": self.peer.consumer, "duration_s": gone_s}
            _log.info("link-back", extra=args)
            self.happened(Event("link-back", self.clock.now(), args=args))
