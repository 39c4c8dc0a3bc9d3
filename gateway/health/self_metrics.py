"""The gateway as a device: what it measures of itself, as ordinary points of the device `gateway`.

`Snapshot.take` reads the counters, `sample_of` makes the values of two snapshots and is pure.
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from gateway.health.device_counts import NONE, RESTLESS, DeviceCounts, counts_of, names_of
from gateway.model.clock import Clock, Trust
from gateway.model.driver import LineStatistics
from gateway.model.ids import DeviceId, LineId, PointId
from gateway.model.reading import (
    Cause,
    Deadband,
    Flag,
    Kind,
    Point,
    PointTable,
    Quality,
    Reading,
    Sample,
    Value,
)
from gateway.model.stream import Stream

GATEWAY: Final = DeviceId("gateway")
"""The device id under which all this is told."""
PERIOD_S: Final = 10.0
_MIB: Final = 2**20
_STATM: Final = Path("/proc/self/statm")
_NAME_LENGTH: Final = 63
_RESTLESS: Final = 5.0
"""Per cent by which a counter must move that moves all the time; a heartbeat tells it anyway."""
_NO_VALUE: Final = Flag(Quality.BAD, Cause.NO_VALUE)


class ProcessUse(NamedTuple):
    """What the process takes."""

    cpu_s: float
    """Processor time since its start."""
    rss_bytes: int


class StoreUse(NamedTuple):
    """What the store holds."""

    size_bytes: int
    batches: int
    """Kept because the platform has not confirmed them."""
    hours_left: float | None
    """Until room runs short when the link stays away; None: not known yet."""


def process_use() -> ProcessUse | None:
    """Return what this process takes; None where there is no /proc."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    try:
        resident = int(_STATM.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return ProcessUse(used.ru_utime + used.ru_stime, resident * resource.getpagesize())


def disk_free_bytes(path: Path) -> int | None:
    """Return the room on the file system of `path`; None when it cannot be asked."""
    try:
        room = os.statvfs(path)
    except OSError:
        return None
    return room.f_bavail * room.f_frsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the numbers come from. All are called in the loop and must not block.

    `streams` names those whose bytes are told; what `sent_bytes` has beside them is left out.
    """

    loop_latency_ms: Callable[[], float]
    readings: Callable[[], int]
    """Values told since the start."""
    polls_late: Callable[[], int]
    polls_skipped: Callable[[], int]
    devices_lost: Callable[[], int]
    store: Callable[[], StoreUse]
    disk_free: Callable[[], int | None]
    sent_bytes: Callable[[], Mapping[str, int]]
    sealed_bytes: Callable[[], Mapping[DeviceId, int]]
    """By device; for those that `devices` names."""
    uplink_connected: Callable[[], bool]
    log_dropped: Callable[[], int]
    devices: Sequence[DeviceId] = ()
    counters: Callable[[], Mapping[DeviceId, DeviceCounts]] = dict
    """What became of asking each device; for those that `devices` names."""
    telling: Collection[DeviceId] = ()
    """Of the devices, those that tell by themselves."""
    queues: Mapping[str, Callable[[], int]] = field(default_factory=dict)
    lines: Mapping[LineId, LineStatistics] = field(default_factory=dict)
    streams: Sequence[str] = tuple(stream.topic for stream in Stream)
    process: Callable[[], ProcessUse | None] = process_use
    card_left: Callable[[], float | None] | None = None
    """Life of the memory card in per cent; without it there is no such point."""


class LineCount(NamedTuple):
    """The counters of a line at one moment."""

    exchanges: int
    errors: int
    bytes: int
    """Both ways."""
    busy_s: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All counters at one moment."""

    at_s: float
    """Monotonic seconds."""
    trust: Trust
    process: ProcessUse | None
    loop_latency_ms: float
    readings: int
    polls_late: int
    polls_skipped: int
    devices_lost: int
    store: StoreUse
    disk_free: int | None
    uplink_connected: bool
    log_dropped: int
    queues: tuple[int, ...]
    sent_bytes: tuple[int, ...]
    sealed_bytes: tuple[int, ...]
    lines: tuple[LineCount, ...]
    devices: tuple[tuple[int, ...], ...] = ()
    card_left: tuple[float | None, ...] = ()

    @classmethod
    def take(cls, sources: Sources, clock: Clock) -> Snapshot:
        """Ask every source."""
        sent, sealed = sources.sent_bytes(), sources.sealed_bytes()
        counters = sources.counters()
        return cls(
            clock.monotonic_s(),
            clock.now().trust,
            sources.process(),
            sources.loop_latency_ms(),
            sources.readings(),
            sources.polls_late(),
            sources.polls_skipped(),
            sources.devices_lost(),
            sources.store(),
            sources.disk_free(),
            sources.uplink_connected(),
            sources.log_dropped(),
            tuple(depth() for depth in sources.queues.values()),
            tuple(sent.get(stream, 0) for stream in sources.streams),
            tuple(sealed.get(device, 0) for device in sources.devices),
            tuple(
                LineCount(
                    line.exchanges, line.errors, line.bytes_sent + line.bytes_received, line.busy_s
                )
                for line in sources.lines.values()
            ),
            tuple(
                counts_of(counters.get(device, NONE), tells=device in sources.telling)
                for device in sources.devices
            ),
            () if sources.card_left is None else (sources.card_left(),),
        )


def _number(name: str, unit: str, *, scale: float = 1.0, deadband: Deadband | None = None) -> Point:
    return Point(
        PointId(name),
        unit=unit,
        kind=Kind.NUMBER,
        scale=scale,
        deadband=Deadband() if deadband is None else deadband,
    )


def _counter(name: str, unit: str = "{count}", *, percent: float = 0.0) -> Point:
    return Point(PointId(name), unit=unit, kind=Kind.COUNTER, deadband=Deadband(percent=percent))


_FIXED: Final = (
    _number("cpu", "%", scale=0.1, deadband=Deadband(absolute=1.0)),
    _number("rss", "MiBy", scale=0.1, deadband=Deadband(absolute=1.0)),
    _number("loop_latency", "ms", scale=0.1, deadband=Deadband(absolute=5.0)),
    _number("readings_per_s", "Hz", scale=0.1, deadband=Deadband(percent=5.0)),
    _counter("polls_late"),
    _counter("polls_skipped"),
    _number("devices_lost", "{count}"),
    _number("store_size", "MiBy", scale=0.1, deadband=Deadband(absolute=1.0)),
    _number("store_batches", "{count}", deadband=Deadband(percent=5.0)),
    _number("store_left", "h", scale=0.1, deadband=Deadband(percent=5.0)),
    _number("disk_free", "MiBy", deadband=Deadband(absolute=10.0)),
    Point(PointId("uplink_connected"), kind=Kind.BOOL, deadband=Deadband()),
    Point(
        PointId("clock_trust"),
        kind=Kind.STATE,
        states={int(trust): trust.name.lower() for trust in Trust},
        deadband=Deadband(),
    ),
    _counter("log_dropped"),
)


def table_of(sources: Sources) -> PointTable:
    """Return the points: the fixed ones, those of queues, streams, devices, lines, the card."""
    points = list(_FIXED)
    taken = {str(point.name) for point in points}
    points += [_number(_free_name(f"queue_{q}", taken), "{count}") for q in sources.queues]
    points += [_counter(_free_name(f"sent_{stream}", taken), "By") for stream in sources.streams]
    points += [_counter(_free_name(f"sealed_{device}", taken), "By") for device in sources.devices]
    for line in sources.lines:
        points += [
            _counter(_free_name(f"line_{line}_exchanges", taken)),
            _counter(_free_name(f"line_{line}_errors", taken)),
            _counter(_free_name(f"line_{line}_bytes", taken), "By", percent=_RESTLESS),
            _number(
                _free_name(f"line_{line}_busy", taken),
                "%",
                scale=0.1,
                deadband=Deadband(absolute=1.0),
            ),
        ]
    for device in sources.devices:
        names = names_of(tells=device in sources.telling)
        points += [
            _counter(
                _free_name(f"{name}_{device}", taken),
                percent=_RESTLESS if name == RESTLESS else 0.0,
            )
            for name in names
        ]
    if sources.card_left is not None:
        points.append(_number(_free_name("card_left", taken), "%", deadband=Deadband()))
    return PointTable(*points)


def sample_of(before: Snapshot, now: Snapshot) -> Sample:
    """Return the values between two snapshots of the same sources, in the order of `table_of`.

    What cannot be told is BAD with the cause NO_VALUE.
    """
    elapsed_s = now.at_s - before.at_s
    cpu: float | None = None
    if now.process is not None and before.process is not None:
        cpu = _rate(now.process.cpu_s - before.process.cpu_s, elapsed_s, 100.0)
    cells: list[Value | None] = [
        cpu,
        None if now.process is None else round(now.process.rss_bytes / _MIB, 1),
        round(now.loop_latency_ms, 1),
        _rate(now.readings - before.readings, elapsed_s),
        now.polls_late,
        now.polls_skipped,
        now.devices_lost,
        round(now.store.size_bytes / _MIB, 1),
        now.store.batches,
        None if now.store.hours_left is None else round(now.store.hours_left, 1),
        None if now.disk_free is None else round(now.disk_free / _MIB),
        now.uplink_connected,
        int(now.trust),
        now.log_dropped,
        *now.queues,
        *now.sent_bytes,
        *now.sealed_bytes,
    ]
    for was, line in zip(before.lines, now.lines, strict=True):
        busy = _rate(line.busy_s - was.busy_s, elapsed_s, 100.0)
        cells += [line.exchanges, line.errors, line.bytes, busy]
    cells += [count for counts in now.devices for count in counts]
    cells += [None if left is None else round(left) for left in now.card_left]
    flags = {place: _NO_VALUE for place, value in enumerate(cells) if value is None}
    return Sample(tuple(cells), flags)


class SelfMetrics:
    """Measures each `period_s` seconds and delivers it as a reading of the device `gateway`."""

    def __init__(
        self,
        sources: Sources,
        clock: Clock,
        deliver: Callable[[Reading], None],
        *,
        select: Callable[[PointTable], Callable[[Sample, int], Sample | None]] | None = None,
        period_s: float = PERIOD_S,
    ) -> None:
        """Take the sources and where readings go.

        Args:
            sources: what to ask.
            clock: tells the time of each reading.
            deliver: takes readings; must not block.
            select: makes what picks the values worth telling for a table; None tells all.
            period_s: seconds.
        """
        self.table: Final = table_of(sources)
        self._sources: Final = sources
        self._clock: Final = clock
        self._deliver: Final = deliver
        self._select: Final = None if select is None else select(self.table)
        self._period_s: Final = period_s

    async def run(self) -> None:
        """Measure until cancelled."""
        before = Snapshot.take(self._sources, self._clock)
        while True:
            await asyncio.sleep(self._period_s)
            now = Snapshot.take(self._sources, self._clock)
            self._tell(sample_of(before, now))
            before = now

    def _tell(self, sample: Sample) -> None:
        at = self._clock.now()
        told = sample if self._select is None else self._select(sample, at.mono_ms)
        if told is not None:
            self._deliver(Reading(GATEWAY, self.table, at, told.cells, told.flags))


def _rate(amount: float, elapsed_s: float, factor: float = 1.0) -> float | None:
    """Return the amount per second times `factor`, to one decimal; None when no time has passed."""
    return round(amount / elapsed_s * factor, 1) if elapsed_s > 0 else None


def _free_name(wanted: str, taken: set[str]) -> str:
    """Return a point name made of any text, other than those taken, and take it."""
    base = re.sub(r"[^a-z0-9_]", "_", wanted.lower())[:_NAME_LENGTH]
    name, number = base, 2
    while name in taken:
        ending = f"_{number}"
        name, number = base[: _NAME_LENGTH - len(ending)] + ending, number + 1
    taken.add(name)
    return name
