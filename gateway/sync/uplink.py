"""The task that keeps one consumer supplied: connects, serves, and connects again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from gateway.model.clock import Clock
from gateway.model.errors import IdentityRejectedError, LinkDownError
from gateway.model.event import Event, Severity
from gateway.store.outbox import Outbox
from gateway.store.store import StoreThread
from gateway.sync.backoff import Backoff
from gateway.sync.serving import Peer, Serving, Traffic, waited
from gateway.sync.session import Broker, Session
from gateway.sync.window import Window
from gateway.sync.wire import topic_down

_log = logging.getLogger(__name__)

WELL_AFTER_S: Final = 10.0
"""A connection that lasted so long was a success; one that is ended at once must not be a storm."""


class Uplink:
    """The task that keeps one consumer supplied."""

    def __init__(
        self,
        peer: Peer,
        broker: Broker,
        outbox: Outbox,
        thread: StoreThread,
        clock: Clock,
        happened: Callable[[Event], None],
        backoff: Backoff,
    ) -> None:
        """Take everything that is needed; `happened` gets what people should know."""
        self._peer = peer
        self._broker = broker
        self._outbox = outbox
        self._thread = thread
        self._clock = clock
        self._happened = happened
        self._backoff = backoff
        self._wake = asyncio.Event()
        self._lost_at_s: float | None = None
        self._told_identity = False
        self._stopped = asyncio.Event()
        self.traffic = Traffic()

    def committed(self) -> None:
        """Say that there is something new in the store."""
        self._wake.set()

    def stop(self) -> None:
        """Send what is left while the link is up, say good-bye, and let `run` return."""
        self._stopped.set()
        self._wake.set()

    async def run(self) -> None:
        """Connect, serve, and connect again, until `stop`."""
        while not self._stopped.is_set():
            try:
                await self._one_connection()
            except LinkDownError as error:
                self._note_lost(error)
            except IdentityRejectedError as error:
                self._note_lost(error)
                if not self._told_identity:
                    self._told_identity = True
                    now = self._clock.now()
                    args = {"reason": str(error)}
                    self._happened(Event("identity-rejected", now, Severity.ALARM, args=args))
            await waited(self._stopped, self._backoff.next_s())

    async def _one_connection(self) -> None:
        gateway, consumer = self._peer.gateway, self._peer.consumer
        session = await Session.connect(
            self._broker, gateway, [topic_down(gateway, "ack")], self._wake.set
        )
        try:
            settled = await self._thread.submit(self._outbox.cursors, consumer)
            has = await self._thread.submit(self._outbox.delivered_epochs, consumer)
            serving = Serving(
                self._peer,
                session,
                self._outbox,
                self._thread,
                self._clock,
                self.traffic,
                Window(self._peer.most_unsettled, settled),
                has,
            )
            self._note_back()
            since_s = self._clock.monotonic_s()
            try:
                await serving.run(self._wake, self._stopped.is_set)
            finally:
                if self._clock.monotonic_s() - since_s >= WELL_AFTER_S:
                    self._backoff.reset()
        finally:
            self.traffic.connected = False
            await session.close()

    def _note_lost(self, error: LinkDownError | IdentityRejectedError) -> None:
        """Say once that the link is gone."""
        if self._lost_at_s is None:
            self._lost_at_s = self._clock.monotonic_s()
            _log.warning("link-lost", extra={"error": str(error)})
            args = {"reason": str(error)}
            self._happened(Event("link-lost", self._clock.now(), Severity.WARNING, args=args))

    def _note_back(self) -> None:
        """Say once that it is back, and for how long it was gone."""
        self._told_identity = False
        self.traffic.connected = True
        self.traffic.connects += 1
        if self._lost_at_s is not None:
            gone_s = round(self._clock.monotonic_s() - self._lost_at_s, 1)
            self._lost_at_s = None
            _log.info("link-back", extra={"duration_s": gone_s})
            self._happened(Event("link-back", self._clock.now(), args={"duration_s": gone_s}))
