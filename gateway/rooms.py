"""The rooms of a running agent together: where readings and events go, and what is told of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from gateway import __version__
from gateway.acquisition.devices import Counters
from gateway.acquisition.poller import Poller
from gateway.health.loop_latency import LoopLatency
from gateway.health.self_metrics import Sources, StoreUse, disk_free_bytes
from gateway.health.store_watch import StoreWatch
from gateway.local_api.control import Answer
from gateway.model.driver import LineStatistics
from gateway.model.event import Event
from gateway.model.ids import DeviceId, GatewayId
from gateway.model.reading import Reading
from gateway.store.outbox import Outbox
from gateway.store.recorder import Recorder
from gateway.store.sealer import Sealer
from gateway.sync.uplink import Uplink


@dataclass(slots=True)
class Mailboxes:
    """Where readings and events go: to everybody at once, none of whom may make a poller wait."""

    readings: list[Callable[[Reading], None]] = field(default_factory=list)
    events: list[Callable[[Event], None]] = field(default_factory=list)

    def deliver(self, reading: Reading) -> None:
        """Hand a reading to each."""
        for put in self.readings:
            put(reading)

    def happened(self, event: Event) -> None:
        """Hand an event to each."""
        for put in self.events:
            put(event)


@dataclass(frozen=True, slots=True)
class Rooms:
    """What was built, for those who look at more than one of them."""

    outbox: Outbox
    recorder: Recorder
    sealer: Sealer
    uplinks: Sequence[Uplink]
    pollers: Sequence[Poller]
    watch: StoreWatch

    def sources(
        self, latency: LoopLatency, store: Path, dropped_logs: Callable[[], int]
    ) -> Sources:
        """Return where the gateway's own points come from."""

        def polls(what: str) -> int:
            return sum(getattr(counters, what) for counters in self.counters().values())

        return Sources(
            loop_latency_ms=latency.take_ms,
            readings=lambda: self.recorder.counters.values,
            polls_late=partial(polls, "late"),
            polls_skipped=partial(polls, "skipped"),
            devices_lost=lambda: sum(len(poller.lost) for poller in self.pollers),
            store=self._store_use,
            disk_free=partial(disk_free_bytes, store.parent),
            sent_bytes=self.sent_bytes,
            sealed_bytes=lambda: self.recorder.counters.by_device,
            uplink_connected=self.connected,
            log_dropped=dropped_logs,
            devices=[device for poller in self.pollers for device in poller.counters],
            counters=self.counters,
            telling={device for poller in self.pollers for device in poller.telling},
            queues={"recorder": lambda: self.recorder.waiting},
            lines={poller.line.id: poller.line.statistics for poller in self.pollers},
            card_left=(lambda: self.watch.card_left) if self.watch.tells_card else None,
        )

    def counters(self) -> Mapping[DeviceId, Counters]:
        """Return what became of asking each device."""
        return {name: each for poller in self.pollers for name, each in poller.counters.items()}

    def sent_bytes(self) -> Counter[str]:
        """Return what went out on all uplinks, by what it was."""
        return sum((uplink.traffic.sent_bytes for uplink in self.uplinks), Counter())

    def connected(self) -> bool:
        """Say whether all consumers are connected."""
        return all(uplink.traffic.connected for uplink in self.uplinks)

    def _store_use(self) -> StoreUse:
        channels = self.outbox.channels
        return StoreUse(
            sum(channel.size for channel in channels),
            sum(channel.newest + 1 - channel.oldest for channel in channels),
            self.outbox.hours_left(self.recorder.counters.bytes_per_s),
        )


def status(gateway: GatewayId, rooms: Rooms) -> Answer:
    """Return the agent's own counters, for whoever asks at its door."""
    counters = rooms.recorder.counters
    traffic = {uplink.peer.consumer: uplink.traffic for uplink in rooms.uplinks}
    channels = rooms.outbox.channels
    return {
        "gateway": gateway,
        "version": __version__,
        "readings": counters.values,
        "batches": counters.batches,
        "sealed_bytes": counters.bytes,
        "waiting": rooms.recorder.waiting,
        "store": {
            "takes": not rooms.recorder.trouble,
            "error": rooms.recorder.trouble or None,
            "dropped_values": counters.dropped_values,
        },
        "kept_values": sum(channel.kept for channel in channels),
        "kept_bytes": sum(channel.size for channel in channels),
        "connected": rooms.connected(),
        "unsettled": sum(each.unsettled for each in traffic.values()),
        "acks": sum(each.acks for each in traffic.values()),
        "repeats": sum(each.repeats for each in traffic.values()),
        "sent_bytes": dict(rooms.sent_bytes()),
        "uplinks": {
            consumer: {"connected": each.connected, "unsettled": each.unsettled}
            for consumer, each in traffic.items()
        },
        "sealed_bytes_by_device": dict(counters.by_device),
        "lost_devices": [device for poller in rooms.pollers for device in poller.lost],
        "lines": {poller.line.id: _line(poller.line.statistics) for poller in rooms.pollers},
        "devices": {device: asdict(counts) for device, counts in rooms.counters().items()},
    }


def _line(statistics: LineStatistics) -> Answer:
    return {
        "exchanges": statistics.exchanges,
        "errors": statistics.errors,
        "bytes_sent": statistics.bytes_sent,
        "bytes_received": statistics.bytes_received,
        "busy_s": round(statistics.busy_s, 3),
    }
