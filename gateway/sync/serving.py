"""One connection at work: sends what is next, settles what is said, repeats what is missing."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from gateway.model.clock import Clock
from gateway.model.errors import KeyUnavailableError, StoreCorruptError, StoreFullError
from gateway.model.stream import Stream
from gateway.store.batches import GapRecord
from gateway.store.entitlement import Beginning
from gateway.store.outbox import Outbox, Parcel, Settled
from gateway.store.store import StoreThread
from gateway.store.tray import Tray
from gateway.sync.budget import Budget
from gateway.sync.causes import LinkLostError, Step
from gateway.sync.peer import Peer, Traffic
from gateway.sync.platform_time import PlatformTime
from gateway.sync.session import Session
from gateway.sync.window import Window
from gateway.sync.wire import (
    Ack,
    ChannelState,
    Hello,
    NotAnAckError,
    Why,
    parse_ack,
    sign_hello,
    topic_up,
)

_log = logging.getLogger(__name__)

HEARTBEAT_S: Final = 60.0
TICK_S: Final = 0.5
"""How often to look what time has brought, while something is under way or waits for its time."""
SETTLE_WITHIN_S: Final = 5.0
"""What is acknowledged rides on the next commit; without one it is noted after so long."""
PUBACK_TIMEOUT_S: Final = 15.0
"""A broker that has not taken a message for so long is gone, whatever TCP says."""
ASK_FIRST_S: Final = 0.5
"""When the broker says that nobody hears us, we ask again after this, then later each time."""
ASK_MOST_S: Final = 15.0
GOODBYE_S: Final = 1.0
FETCH_BYTES: Final = 256 * 1024
INFLIGHT_MOST: Final = 64
"""Messages that may be with the broker without its PUBACK; its own receive maximum may be less."""
URGENT: Final = Stream.STATE
"""This stream and the more urgent ones wait for neither the window nor the budget of history."""


@dataclass(slots=True)
class Serving:
    """The work of one connection."""

    peer: Peer
    session: Session
    outbox: Outbox
    thread: StoreThread
    clock: Clock
    traffic: Traffic
    window: Window
    budget: Budget
    delivered: set[int]
    """Numbers of the epochs whose records the platform has, or that went out on this connection."""
    time: PlatformTime | None = None
    """Asks the platform for the time where nothing sets our clock."""
    straight: bool = False
    """Whether batches go out as they are committed: none waits to be put together with others."""
    settle_within_s: float = SETTLE_WITHIN_S
    """After so long what was acknowledged is noted even when no commit comes that would do it."""
    tray: Tray = field(init=False)
    doubted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while the broker takes its time over a message: does the connection stand still?"""
    _ask_wait_s: float = 0.0
    """How long the last wait was for somebody who hears us; 0 while there is somebody."""
    _ask_at_s: float = 0.0
    _said_not_ack: bool = False
    _settle_by_s: float = math.inf

    def __post_init__(self) -> None:
        """Make the tray."""
        self.tray = Tray(self.peer.audiences)

    async def run(self, wake: asyncio.Event, stopping: Callable[[], bool]) -> None:
        """Serve until the connection ends, or until all is settled once `stopping()`.

        Raises:
            LinkLostError: the connection is gone.
            RefusedError: the broker ended it because of who we are.
        """
        self.outbox.add_tray(self.tray)
        try:
            await self._serve(wake, stopping)
        finally:
            self.outbox.drop_tray(self.tray)

    async def _serve(self, wake: asyncio.Event, stopping: Callable[[], bool]) -> None:
        await self._say_hello(Why.CONNECTED)
        if self.time is not None and (question := self.time.question()) is not None:
            self._put("time", question)
        said_s = self.clock.monotonic_s()
        while True:
            wake.clear()
            self._check_alive()
            await self._take_acks()
            await self._settle_when_due()
            idle = await self._heard() and await self._send(stopping=stopping())
            self.traffic.unsettled = self.window.unsettled
            if stopping() and idle and not self.window.unsettled:
                break
            now_s = self.clock.monotonic_s()
            if now_s - said_s >= HEARTBEAT_S and self._free():
                said_s = now_s
                await self._say_hello(Why.HEARTBEAT)
            await waited(wake, self._rest_s(said_s + HEARTBEAT_S - now_s, idle=idle))
        await self._say_hello(Why.STOPPING)
        deadline_s = self.clock.monotonic_s() + GOODBYE_S
        self.session.wants_room = True
        while self.session.inflight and self.clock.monotonic_s() < deadline_s:
            wake.clear()
            await waited(wake, GOODBYE_S)

    async def _settle_when_due(self) -> None:
        """Let what was acknowledged be noted by itself when no commit has come that did it."""
        now_s = self.clock.monotonic_s()
        if not self.outbox.has_hearsay:
            self._settle_by_s = now_s + self.settle_within_s
        elif now_s >= self._settle_by_s:
            self._settle_by_s = now_s + self.settle_within_s
            await self.thread.submit(self._note_settled)

    def _note_settled(self) -> None:
        """Bring it into the file; what the card does not take now comes with a later commit."""
        with suppress(StoreFullError, StoreCorruptError):
            self.outbox.settle_now()

    def _rest_s(self, heartbeat_s: float, *, idle: bool) -> float:
        """Return how long nothing can happen that does not wake us."""
        if self._ask_wait_s:
            return min(TICK_S, max(0.0, self._ask_at_s - self.clock.monotonic_s()))
        if (
            idle
            and self.window.at_rest
            and not self.session.inflight
            and not self.outbox.holds_back(self.clock.monotonic_s())
        ):
            self.tray.open = self.straight
            settling_s = self.settle_within_s if self.outbox.has_hearsay else math.inf
            return max(TICK_S, min(heartbeat_s, settling_s))
        return TICK_S

    def _check_alive(self) -> None:
        if self.session.ended is not None:
            raise self.session.ended
        oldest_s = self.session.oldest_inflight_s
        waits_s = 0.0 if oldest_s is None else asyncio.get_running_loop().time() - oldest_s
        if waits_s < TICK_S:
            self.doubted.clear()
        else:
            self.doubted.set()
        if waits_s > PUBACK_TIMEOUT_S:
            msg = f"the broker has taken nothing for {PUBACK_TIMEOUT_S:.0f} s"
            raise LinkLostError(msg, Step.SILENT)

    async def _take_acks(self) -> None:
        """Settle what the platform says it holds; many that wait become one transaction."""
        acks = []
        while self.session.inbox:
            message = self.session.inbox.popleft()
            try:
                acks.append(
                    parse_ack(
                        message, self.peer.gateway, self.outbox.incarnation, self.peer.signers
                    )
                )
            except NotAnAckError as error:
                if self.time is not None and await self.time.heard(message):
                    continue
                self.traffic.not_acks += 1
                if not self._said_not_ack:
                    self._said_not_ack = True
                    _log.warning("not-an-ack", extra={"error": str(error)})
        acks = [ack for ack in acks if ack.consumer == self.peer.consumer]
        if not acks:
            return
        self.traffic.acks += len(acks)
        now_s = self.clock.monotonic_s()
        for ack in acks:
            self.window.acknowledged(ack.channels, now_s)
        await self._settle(acks)
        await self._resolve(acks)

    async def _settle(self, acks: list[Ack]) -> None:
        highest = {(c.stream, c.audience): c.contiguous for c in acks[-1].channels}
        for ack in acks:
            for c in ack.channels:
                key = (c.stream, c.audience)
                highest[key] = max(highest.get(key, 0), c.contiguous)
        settled = [Settled(*key, up_to) for key, up_to in highest.items()]
        epochs = {epoch for ack in acks for epoch in ack.epochs}
        wanted = {epoch for ack in acks for epoch in ack.wanted}
        if not wanted:
            self.outbox.settle_soon(self.peer.consumer, settled, epochs)
            return
        await self.thread.submit(self.outbox.settle, self.peer.consumer, settled, epochs, wanted)

    async def _resolve(self, acks: list[Ack]) -> None:
        """Send again what the platform lacks the key of; give up what it refuses each time."""
        if any(ack.wanted for ack in acks):
            self.delivered = await self.thread.submit(
                self.outbox.delivered_epochs, self.peer.consumer
            )
            self.window.send_again(self.window.sent)
        for batch in {refused for ack in acks for refused in ack.refused}:
            if self.window.refused(batch):
                extra = {"stream": batch.stream.topic, "sequence": batch.sequence}
                _log.error("batch-refused", extra=extra)
                await self.thread.submit(
                    self.outbox.give_up,
                    batch.stream,
                    batch.audience,
                    batch.sequence,
                    GapRecord.REFUSED,
                )

    async def _heard(self) -> bool:
        """Say whether the broker has somebody to hear us; one that just started may have nobody.

        What it took meanwhile is gone. Until a hello is heard nothing else is sent; then all of it.
        """
        now_s = self.clock.monotonic_s()
        if not self.session.unheard:
            if self._ask_wait_s:
                self._ask_wait_s = 0.0
                self.window.send_again(self.window.sent)
                self.delivered = await self.thread.submit(
                    self.outbox.delivered_epochs, self.peer.consumer
                )
            return True
        if not self._ask_wait_s:
            _log.info("nobody-listens")
            self._ask_wait_s, self._ask_at_s = ASK_FIRST_S, now_s + ASK_FIRST_S
        elif now_s >= self._ask_at_s and self._free():
            self._ask_wait_s = min(2 * self._ask_wait_s, ASK_MOST_S)
            self._ask_at_s = now_s + self._ask_wait_s
            await self._say_hello(Why.HEARTBEAT)
        return False

    async def _send(self, *, stopping: bool) -> bool:
        """Hand batches to the broker as far as there is room; say whether there is nothing more."""
        now_s = self.clock.monotonic_s()
        if self.window.silent(now_s):
            await self._begin_again()
        if not await self._repeat(now_s):
            return False
        while room := self._free():
            affordable = self.budget.left(now_s)
            all_may_go = bool(self.window.room) and affordable > 0
            parcels = await self._next(
                min(room, self.window.room or room),
                affordable,
                Stream.MEDIA if all_may_go else URGENT,
                math.inf if stopping else now_s,
            )
            if not parcels:
                return all_may_go
            for parcel in parcels:
                if not await self._publish(parcel):
                    return False
                self.window.went_out((parcel.stream, parcel.audience), parcel.sequence, now_s)
                self._spend(parcel, now_s)
        return False

    async def _repeat(self, now_s: float) -> bool:
        """Send again what is missing and due; say whether there was room for all of it."""
        for (stream, audience), first, last in self.window.repeats(now_s):
            for parcel in await self.thread.submit(
                self.outbox.parcel, stream, audience, first, last
            ):
                if not await self._publish(parcel):
                    return False  # what of the hole is left comes again when it is due again
                self.traffic.repeats += 1
                self._spend(parcel, now_s)
        return True

    async def _next(
        self, count: int, affordable: float, least_urgent: Stream, until_s: float
    ) -> list[Parcel]:
        """Return what goes out next: from the tray while we have all else, or from the file."""
        after = self.window.sent
        if not self.outbox.more(self.peer.audiences, after, least_urgent, until_s):
            return []
        if least_urgent is Stream.MEDIA and affordable == math.inf:
            parcels = self.tray.take(after, self.outbox.channels)
            if 0 < len(parcels) <= count:
                return parcels
        self.tray.open = False
        return await self.thread.submit(
            self.outbox.parcels,
            self.peer.audiences,
            after,
            count,
            round(min(FETCH_BYTES, max(affordable, 1))),
            least_urgent,
            until_s,
        )

    def _spend(self, parcel: Parcel, now_s: float) -> None:
        """Charge history to its budget; what is urgent costs nothing."""
        if parcel.stream > URGENT:
            self.budget.spend(len(parcel.body), now_s)

    async def _begin_again(self) -> None:
        """Take it that nothing that is out arrived, neither records nor the hello."""
        _log.warning("ack-silence")
        self.delivered = await self.thread.submit(self.outbox.delivered_epochs, self.peer.consumer)
        if self._free():
            await self._say_hello(Why.HEARTBEAT)

    def _free(self) -> int:
        most = min(INFLIGHT_MOST, self.session.receive_maximum)
        room = max(0, most - self.session.inflight)
        self.session.wants_room = not room
        return room

    async def _publish(self, parcel: Parcel) -> bool:
        """Send a batch, its epoch record before it when the platform has that not yet.

        Returns:
            Whether there was room for it; the record may have gone out alone.
        """
        if parcel.epoch not in self.delivered:
            record = await self.thread.submit(self.outbox.epoch_record, parcel.epoch)
            if not self._free():
                return False
            if record is not None:
                self._put("epoch", record)
            self.delivered.add(parcel.epoch)
        if not self._free():
            return False
        self._put(parcel.stream.topic, parcel.body)
        self.traffic.sent_batches += 1
        return True

    def _put(self, what: str, payload: bytes) -> None:
        self.session.publish(topic_up(self.peer.gateway, what), payload)
        self.traffic.sent_bytes[what] += len(payload)

    async def _say_hello(self, why: Why) -> None:
        greeting = Hello(
            self.peer.gateway,
            self.outbox.incarnation,
            self.peer.boot,
            self.clock.now(),
            await self.thread.submit(self._channel_states),
            self.peer.version,
            why,
        )
        try:  # a token or a TPM takes its time: not on the loop
            hello = await asyncio.to_thread(sign_hello, greeting, self.peer.key)
        except KeyUnavailableError:
            return  # the key store has said so; batches go on under epochs that are signed
        self._put("hello", hello)

    def _channel_states(self) -> list[ChannelState]:
        self._note_settled()
        began = self.outbox.beginnings(self.peer.consumer)
        states = []
        for c in self.outbox.channels:
            if c.audience in self.peer.audiences:
                begin = began.get(c.key, Beginning())
                oldest, produced = max(c.oldest, begin.sequence + 1), c.produced - begin.produced
                kept = min(c.kept, produced)
                states.append(ChannelState(c.stream, c.audience, oldest, c.newest, produced, kept))
        return states


async def waited(wake: asyncio.Event, most_s: float) -> None:
    """Wait until woken, but no longer than so many seconds."""
    try:
        async with asyncio.timeout(most_s):
            await wake.wait()
    except TimeoutError:
        return
