"""Sealing and store of a site without devices and uplink; beside it the raw SQLite of the same."""

from __future__ import annotations

import argparse
import json
import secrets
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from gateway.config.loading import read
from gateway.keys.opening import open_device_key
from gateway.model.clock import Instant, SystemClock
from gateway.model.ids import BootId, DeviceId
from gateway.model.reading import PointTable, Reading
from gateway.plugins.assembling import assemble
from gateway.plugins.assembly import Assembly
from gateway.store.consumers import Consumers
from gateway.store.outbox import Outbox
from gateway.store.sealer import Sealer
from gateway.store.sealing import Identity

STRIDE = 7
"""How far a value moves in a second, at most: as the registers of `mayak sim load` do."""
WARM_UP = 10
"""Seconds of the site that are not measured."""
IO_FILE = Path("/proc/self/io")


class PastClock:
    """The board's clock, set back; it moves when told: the last second recorded is about now."""

    def __init__(self, back_s: int) -> None:
        """Begin so many seconds ago."""
        board = SystemClock()
        self.boot: BootId = board.boot
        self._now = board.now()
        self.advance(-back_s)

    def advance(self, seconds: int) -> None:
        """Move on."""
        mono_ms, wall_ms, trust = self._now
        self._now = Instant(mono_ms + 1000 * seconds, wall_ms + 1000 * seconds, trust)

    def now(self) -> Instant:
        """Return this moment."""
        return self._now

    def monotonic_s(self) -> float:
        """Return seconds since boot."""
        return self._now.mono_ms / 1000

    def uncertainty_ms(self) -> int | None:
        """Return that nobody can say how far the wall time is off."""
        return None


@dataclass(slots=True)
class Cost:
    """What some work took."""

    cpu_s: float = 0.0
    wall_s: float = 0.0
    written: int = 0
    """Bytes handed to the block layer."""

    def of(self, work: Callable[[], None]) -> None:
        """Do it and add what it took."""
        written, cpu_s, begun_s = bytes_written(), time.process_time(), time.monotonic()
        work()
        self.cpu_s += time.process_time() - cpu_s
        self.wall_s += time.monotonic() - begun_s
        self.written += bytes_written() - written

    def as_json(self) -> dict[str, float]:
        """Return it as plain values."""
        return {"cpu_s": self.cpu_s, "wall_s": self.wall_s, "written": self.written}


def bytes_written() -> int:
    """Return how many bytes this process has caused to be written to a card so far (proc(5))."""
    lines = IO_FILE.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


@dataclass(slots=True)
class Load:
    """The devices of a site with values that wander."""

    assembly: Assembly
    rng: Random = field(default_factory=lambda: Random(1))  # noqa: S311 - physics, no secret
    _values: dict[tuple[DeviceId, PointTable], list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Ask each driver for its points; opens nothing."""
        media = {line.id: line.manifest.build(line.id, line.config) for line in self.assembly.lines}
        for device in self.assembly.devices:
            driver = device.manifest.build(device.prepared, media[device.line])
            for group in driver.groups:
                start = [self.rng.randrange(1000, 60000) for _ in group.table]
                self._values[device.id, group.table] = start

    @property
    def sources(self) -> Sequence[tuple[DeviceId, PointTable]]:
        """Return every device with its points."""
        return list(self._values)

    def second(self, at: Instant) -> list[Reading]:
        """Return the readings of the next second."""
        return list(self._second(at))

    def _second(self, at: Instant) -> Iterator[Reading]:
        width = 2 * STRIDE + 1
        for (device, table), values in self._values.items():
            steps = self.rng.randbytes(len(values))
            values[:] = [
                value + step % width - STRIDE for value, step in zip(values, steps, strict=True)
            ]
            yield Reading(device, table, at, tuple(values))


def seal(assembly: Assembly, seconds: int, warm_up: int) -> dict[str, object]:
    """Record so many seconds of a site and return what that took.

    Raises:
        StoreFullError: there is no room.
    """
    site = assembly.site
    clock = PastClock(seconds + warm_up)
    consumers = Consumers.of(site)
    load = Load(assembly)
    outbox = Outbox(site.store.path, consumers.entitled, site.store.max_mib * 2**20)
    with closing(outbox):
        key = open_device_key(site)
        identity = Identity(site.gateway.id, outbox.incarnation, clock.boot, key)
        epoch_s = site.store.epoch_hours * 3600
        sealer = Sealer(outbox, identity, consumers.recipients, clock, epoch_s=epoch_s)
        for source in load.sources:
            sealer.expect(*source)
        cost, sizes, values = Cost(), list[int](), 0

        def write(readings: list[Reading]) -> None:
            sizes.append(sealer.write(readings, ()).bytes)

        for second in range(warm_up + seconds):
            clock.advance(1)
            readings = load.second(clock.now())
            if second < warm_up:
                sealer.write(readings, ())
                continue
            values += sum(reading.count for reading in readings)
            cost.of(lambda readings=readings: write(readings))  # type: ignore[misc]
    raw = insert_raw(site.store.path.with_name("raw.db"), sizes)
    return {"values": values, "sealed": sum(sizes), **cost.as_json(), "raw": raw.as_json()}


def insert_raw(file: Path, sizes: Sequence[int]) -> Cost:
    """Insert blobs of these sizes, one durable commit each, and return what that took."""
    cost = Cost()
    file.unlink(missing_ok=True)
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE raw (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        for size in sizes:
            body = secrets.token_bytes(size)
            cost.of(lambda body=body: _insert(db, body))  # type: ignore[misc]
    return cost


def _insert(db: sqlite3.Connection, body: bytes) -> None:
    db.execute("BEGIN")
    db.execute("INSERT INTO raw (body) VALUES (?)", (body,))
    db.execute("COMMIT")


def main(argv: Sequence[str]) -> int:
    """Run the program; the last line is one JSON object."""
    parser = argparse.ArgumentParser(description="Sealing and store alone.")
    parser.add_argument("site", type=Path)
    parser.add_argument("--seconds", type=int, default=120, help="of the site, recorded at once")
    parser.add_argument("--warm-up", type=int, default=WARM_UP, help="seconds before, not measured")
    options = parser.parse_args(argv)
    site: Path = options.site
    assembly = assemble(read(site))
    assembly.site.store.path.parent.mkdir(parents=True, exist_ok=True)
    told = seal(assembly, options.seconds, options.warm_up)
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
