"""The composition root: builds every room, joins their mailboxes, runs them in one TaskGroup.

A reading's way: a poller delivers it, `Mailboxes` puts it before the recorder and the local view at
once, the recorder seals and commits it, the uplink is woken and settles it with the platform.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any, Final

from gateway import __version__, supervise
from gateway.acquisition.devices import PolledDevice
from gateway.acquisition.poller import Poller
from gateway.acquisition.reporting import Reporter
from gateway.health.loop_latency import LoopLatency
from gateway.health.self_metrics import (
    GATEWAY,
    SelfMetrics,
)
from gateway.health.store_watch import StoreWatch
from gateway.health.watchdog import Notifier, feed, watchdog_interval_s
from gateway.keys.ending import CertificateWatch
from gateway.keys.opening import open_device_key
from gateway.keys.steady import SteadyKeyStore
from gateway.local_api.charts import Charts
from gateway.local_api.control import control_path, serve_control
from gateway.local_api.handlers import Handlers
from gateway.local_api.latest import Latest
from gateway.model.clock import Clock, LearnedClock
from gateway.model.errors import GatewayError, KeyUnavailableError
from gateway.model.event import Event, Severity
from gateway.model.ids import DeviceId
from gateway.model.reading import Reading
from gateway.plugins.assembly import Assembly
from gateway.rooms import Mailboxes, Rooms, status
from gateway.store.consumers import Consumers
from gateway.store.history import Minutes
from gateway.store.outbox import Outbox
from gateway.store.recorder import Recorder, Written
from gateway.store.sealer import Sealer
from gateway.store.sealing import Identity
from gateway.store.store import StoreThread, memories_of, open_outbox
from gateway.store.waiting import Missed
from gateway.sync.backoff import Backoff
from gateway.sync.budget import Budget
from gateway.sync.peer import Peer
from gateway.sync.platform_time import PlatformTime
from gateway.sync.uplink import Uplink
from gateway.sync.ways import Way, ways

log = logging.getLogger(__name__)

GOODBYE_WITHIN_S: Final = 5.0
"""How long a stop waits for the platform to take what is left; it all stays on the card anyway."""
HEARTBEAT_S: Final = 60.0
"""After so long the gateway tells all of its own points, moved or not."""
RECONNECT_FIRST_S: Final = 1.0
RECONNECT_MOST_S: Final = 120.0


class Agent:
    """A site at work."""

    def __init__(
        self, assembly: Assembly, clock: Clock, dropped_logs: Callable[[], int] = lambda: 0
    ) -> None:
        """Load every key; nothing is opened yet.

        Args:
            assembly: the checked site.
            clock: tells every time in the agent.
            dropped_logs: how many log records found no room.

        Raises:
            ConfigError: a key or certificate cannot be used.
            KeyUnavailableError: the token or TPM with the device key is not there, or busy.
        """
        self._assembly = assembly
        self._site = assembly.site
        self._clock = LearnedClock(clock)
        self._dropped_logs = dropped_logs
        self._key = SteadyKeyStore(open_device_key(self._site), clock.monotonic_s)
        self._consumers = Consumers.of(self._site)
        self._ways = ways(self._site)
        self._gather_s = min(way.options.gather_s for way in self._ways)
        self._thread = StoreThread()
        self._mailboxes = Mailboxes()
        self._latest = Latest()
        self._minutes = Minutes(self._latest.readings, self._clock)
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Let `run` end in order."""
        self._stop.set()

    async def run(self) -> None:
        """Run until `stop`; then the last batch is committed, and sent while the link is up.

        Raises:
            ConfigError: a task found that the configuration cannot be used, or the store is of a
                newer version.
            GatewayError: another agent works on this store.
        """
        store = self._site.store
        try:
            outbox = await self._thread.submit(
                open_outbox, store.path, self._consumers.entitled, store.max_mib * 2**20
            )
            outbox.history_days = store.history_days
            try:
                await self._run(outbox)
            finally:
                await self._thread.submit(outbox.close)
        except BaseExceptionGroup as group:
            ours, others = group.split(GatewayError)
            if ours is None or others is not None:
                raise
            raise _first(ours) from group
        finally:
            self._thread.close()

    async def _run(self, outbox: Outbox) -> None:
        rooms = await self._build(outbox)
        self._say_start()
        loop = asyncio.get_running_loop()
        self._key.changed = lambda why: loop.call_soon_threadsafe(self._say_key, why)
        notifier = Notifier.from_environment()
        with LoopLatency() as latency:
            async with asyncio.TaskGroup() as group:
                begin = partial(supervise.start, group, clock=self._clock)
                recording = begin("recorder", rooms.recorder.run)
                sending = [
                    begin(f"uplink:{uplink.peer.consumer}", uplink.run) for uplink in rooms.uplinks
                ]
                acting = [begin(f"poller:{poller.line.id}", poller.run) for poller in rooms.pollers]
                acting.append(begin("control", partial(self._open_door, rooms)))
                acting.append(begin("certificates", self._certificates().run))
                acting.append(begin("store-watch", rooms.watch.run))
                acting.append(begin("minutes", self._minutes.run))
                acting.append(begin("watchdog", partial(self._feed, notifier, rooms)))
                if self._site.health.enabled:
                    acting.append(begin("health", self._metrics(rooms, latency).run))
                notifier.ready(f"{len(rooms.pollers)} lines")
                await self._stop.wait()
                notifier.stopping()
                await supervise.finish(acting)
                self._mailboxes.happened(Event("agent-stopping", self._clock.now()))
                rooms.recorder.stop()
                await asyncio.wait([recording])
                for uplink in rooms.uplinks:
                    uplink.stop()
                await asyncio.wait(sending, timeout=GOODBYE_WITHIN_S)
                for task in sending:
                    task.cancel()
                await asyncio.wait(sending)
                await rooms.recorder.run()  # what the uplink had to say on its way out

    async def _build(self, outbox: Outbox) -> Rooms:
        recorder, sealer = self._recorder(outbox)
        uplinks = [self._uplink(way, outbox, sealer) for way in self._ways]

        def committed() -> None:
            for uplink in uplinks:
                uplink.committed()

        recorder.committed = committed
        recorder.alone = lambda: not any(uplink.traffic.connected for uplink in uplinks)
        memories = await self._thread.submit(memories_of, outbox)
        pollers = self._pollers(outbox, memories, sealer)
        self._mailboxes.readings += [recorder.deliver, self._latest.deliver]
        self._mailboxes.events.append(recorder.happened)
        watch = StoreWatch(
            self._site.store,
            outbox,
            self._thread,
            self._clock,
            self._mailboxes.happened,
            lambda: recorder.counters.bytes_per_s,
        )
        return Rooms(outbox, recorder, sealer, uplinks, pollers, watch)

    def _open_door(self, rooms: Rooms) -> Coroutine[None, None, None]:
        handlers = Handlers(
            {device: poller for poller in rooms.pollers for device in poller.counters},
            self._latest,
            self._clock,
            partial(status, self._site.gateway.id, rooms),
            Charts(self._site.store.path, self._minutes, self._clock),
        )
        return serve_control(control_path(self._site.store.path), handlers.by_name())

    def _feed(self, notifier: Notifier, rooms: Rooms) -> Coroutine[None, None, None]:
        def silent() -> list[str]:
            names = [str(p.line.id) for p in rooms.pollers if not p.shows_life()]
            return names if rooms.recorder.shows_life() else [*names, "store"]

        return feed(notifier, silent, watchdog_interval_s())

    def _metrics(self, rooms: Rooms, latency: LoopLatency) -> SelfMetrics:
        health = self._site.health
        sources = rooms.sources(latency, self._site.store.path, self._dropped_logs)
        metrics = SelfMetrics(
            sources,
            self._clock,
            self._mailboxes.deliver,
            select=lambda table: Reporter(table, HEARTBEAT_S).select,
            period_s=health.period_s,
        )
        rooms.sealer.expect(GATEWAY, metrics.table)
        return metrics

    def _recorder(self, outbox: Outbox) -> tuple[Recorder, Sealer]:
        site = self._site
        identity = Identity(site.gateway.id, outbox.incarnation, self._clock.boot, self._key)
        sealer = Sealer(
            outbox,
            identity,
            self._consumers.recipients,
            self._clock,
            epoch_s=site.store.epoch_hours * 3600,
            gather_s=self._gather_s,
        )

        def write(
            readings: Sequence[Reading], events: Sequence[Event], missed: Sequence[Missed]
        ) -> Written:
            return self._thread.submit(sealer.write, readings, events, missed)

        recorder = Recorder(write, self._clock, site.store.seal_every_s)
        recorder.saving = lambda: outbox.renewing
        return recorder, sealer

    def _uplink(self, way: Way, outbox: Outbox, sealer: Sealer) -> Uplink:
        peer = Peer(
            self._site.gateway.id,
            self._clock.boot,
            self._key,
            __version__,
            way.consumer,
            way.audiences,
            way.signers,
            way.options.window,
        )
        backoff = Backoff(RECONNECT_FIRST_S, RECONNECT_MOST_S, Random().uniform)  # noqa: S311
        return Uplink(
            peer,
            way.broker,
            outbox,
            self._thread,
            self._clock,
            self._mailboxes.happened,
            backoff,
            Budget(way.options.history_kib_per_min * 1024),
            sealer.tell_newest,
            time=self._platform_time(way, outbox),
            straight=not self._gather_s,
        )

    def _platform_time(self, way: Way, outbox: Outbox) -> PlatformTime:
        return PlatformTime(
            self._site.gateway.id,
            way.consumer,
            way.signers,
            way.broker,
            self._clock,
            partial(self._thread.submit, outbox.newest_time_ms),
            self._mailboxes.happened,
        )

    def _certificates(self) -> CertificateWatch:
        files = [way.broker.files.certificate for way in self._ways if way.broker.files]
        files.insert(0, self._site.keys.device_certificate)
        return CertificateWatch.over(files, self._clock, self._mailboxes.happened)

    def _pollers(self, outbox: Outbox, memories: Mapping[str, str], sealer: Sealer) -> list[Poller]:
        def remember(device: DeviceId, memory: Mapping[str, Any]) -> None:
            kept = self._thread.submit(outbox.remember, device, json.dumps(memory))
            kept.add_done_callback(partial(_note_forgotten, device))

        pollers = []
        for line in self._assembly.lines:
            medium = line.manifest.build(line.id, line.config)
            devices = [
                PolledDevice(
                    device.id,
                    device.manifest.build(device.prepared, medium),
                    retries=device.retries,
                    heartbeat_s=device.heartbeat_s,
                    memory=json.loads(memories.get(device.id, "null")),
                )
                for device in self._assembly.devices
                if device.line == line.id
            ]
            for device in devices:
                for group in device.driver.groups:
                    sealer.expect(device.id, group.table)
            pollers.append(
                Poller(
                    medium,
                    devices,
                    clock=self._clock,
                    deliver=self._mailboxes.deliver,
                    happened=self._mailboxes.happened,
                    remember=remember,
                )
            )
        return pollers

    def _say_key(self, failure: KeyUnavailableError | None) -> None:
        key, now = ("device-key-lost" if failure else "device-key-back"), self._clock.now()
        log.warning(key, extra={"error": str(failure)} if failure else {})
        severity = Severity.ALARM if failure else Severity.INFO
        self._mailboxes.happened(Event(key, now, severity))

    def _say_start(self) -> None:
        now = self._clock.now()
        args = {"version": __version__}
        self._mailboxes.happened(Event("agent-started", now, args=args))


def _first(group: BaseExceptionGroup[GatewayError]) -> GatewayError:
    """Return one error of a group of groups: that is what decides the exit code."""
    error: GatewayError | BaseExceptionGroup[GatewayError] = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _note_forgotten(device: DeviceId, kept: asyncio.Future[None]) -> None:
    """Say that what a driver learned is not on the card; it learns it again after a restart."""
    if not kept.cancelled() and (error := kept.exception()) is not None:
        log.warning("memory-not-kept", extra={"device": device, "error": str(error)})


async def run_agent(
    assembly: Assembly, clock: Clock, dropped_logs: Callable[[], int] = lambda: 0
) -> None:
    """Run a site until SIGTERM or SIGINT."""
    agent = Agent(assembly, clock, dropped_logs)
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, agent.stop)
    await agent.run()
