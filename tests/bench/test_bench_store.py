"""What recording costs, from a reading in memory to a sealed batch committed with synchronous=FULL.

Twenty devices of fifty points, each point told every second: values wander by a few units of their
resolution, two in five stand still, counters grow. No deadband: every value is packed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.keys.device import load_device_key
from gateway.keys.platform import load_recipient
from gateway.model.ids import OPERATIONS, ConsumerId, DeviceId, PointId
from gateway.model.reading import Kind, Point, PointTable, Reading
from gateway.store.outbox import Outbox
from gateway.store.sealer import Sealer
from gateway.store.sealing import Identity
from provisioning.authority import Authority
from tests.clock import HandClock
from tests.conftest import GATEWAYS

DEVICES = 20
POINTS = 50
SECONDS = 300
STEADY_AFTER = 120
"""Seconds: by then the epoch knows the values from which differences start."""

VALUES_PER_CPU_SECOND = 100_000
"""Promised for one core and for the whole journey; this is one part of it."""
BYTES_PER_READING = 2.0

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]


class Device:
    """A made-up meter: three kinds of points in the proportions of a cabinet."""

    def __init__(self, number: int, rng: random.Random) -> None:
        self.id = DeviceId(f"meter-{number}")
        self.rng = rng
        self.table = PointTable(
            *(
                Point(PointId(f"p{place}"), unit="W", kind=Kind.NUMBER, scale=0.1)
                if place % 5
                else Point(PointId(f"p{place}"), unit="W.h", kind=Kind.COUNTER, scale=10.0)
                for place in range(POINTS)
            )
        )
        self.steps = [rng.randrange(500, 5000) for _ in range(POINTS)]

    def read(self, clock: HandClock) -> Reading:
        for place in range(POINTS):
            match place % 5:
                case 0:
                    self.steps[place] += self.rng.randrange(3)
                case 1 | 2:
                    self.steps[place] += self.rng.randint(-4, 4)
                case _:
                    pass
        cells = tuple(
            step * 0.1 if place % 5 else step * 10.0 for place, step in enumerate(self.steps)
        )
        return Reading(self.id, self.table, clock.now(), cells)


def test_recording_stays_within_its_budget(
    authority: Authority,
    clock: HandClock,
    rng: random.Random,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    city = ConsumerId("city")
    gateway = authority.folder / "gateways" / GATEWAYS[0]
    outbox = Outbox(
        tmp_path / "store.db", {OPERATIONS: frozenset({city})}, max_bytes=256 * 1024 * 1024
    )
    sealer = Sealer(
        outbox,
        Identity(
            GATEWAYS[0],
            outbox.incarnation,
            clock.boot,
            load_device_key(gateway / "device.key", gateway / "device.pem"),
        ),
        {OPERATIONS: [load_recipient(city, authority.folder / "city-hpke.pub")]},
        clock,
        epoch_s=4 * 3600,
    )
    devices = [Device(number, rng) for number in range(DEVICES)]
    sizes, cpu_s, wall_s, values = [], 0.0, 0.0, 0
    for _ in range(SECONDS):
        clock.advance(1)
        readings = [device.read(clock) for device in devices]
        begin, cpu_begin = time.perf_counter(), time.process_time()
        sizes.append(sealer.write(readings, ()).bytes)
        cpu_s += time.process_time() - cpu_begin
        wall_s += time.perf_counter() - begin
        values += sum(reading.count for reading in readings)
    outbox.close()

    per_reading = sum(sizes[STEADY_AFTER:]) / (DEVICES * POINTS * (SECONDS - STEADY_AFTER))
    measured = {
        "values": values,
        "CPU s per 100,000 values": round(cpu_s / values * 100_000, 3),
        "values per CPU second": round(values / cpu_s),
        "ms per commit": round(wall_s / SECONDS * 1000, 2),
        "sealed bytes per reading, steady": round(per_reading, 2),
    }
    with capsys.disabled():
        for name, value in measured.items():
            record_property(name, value)
            print(f"\n  {name}: {value}", end="")  # noqa: T201 - a benchmark prints what it found
    assert values == DEVICES * POINTS * SECONDS
    assert values / cpu_s > VALUES_PER_CPU_SECOND
    assert per_reading < BYTES_PER_READING
