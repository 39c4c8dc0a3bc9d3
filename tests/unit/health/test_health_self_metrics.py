"""The gateway as a device."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.acquisition.devices import Counters
from gateway.acquisition.reporting import Reporter
from gateway.health.device_counts import names_of
from gateway.health.self_metrics import (
    GATEWAY,
    LineCount,
    ProcessUse,
    SelfMetrics,
    Snapshot,
    Sources,
    StoreUse,
    disk_free_bytes,
    process_use,
    sample_of,
    table_of,
)
from gateway.model.clock import Trust
from gateway.model.ids import DeviceId, LineId
from gateway.model.reading import Cause, Flag, Quality, Reading, Value
from tests import virtual_time
from tests.scripted_line import Counts
from tests.virtual_time import VirtualClock

README = Path(__file__).parents[3] / "gateway" / "health" / "README.md"
MIB = 2**20


def sources(**changes: object) -> Sources:
    made = Sources(
        loop_latency_ms=lambda: 12.34,
        readings=lambda: 5000,
        polls_late=lambda: 3,
        polls_skipped=lambda: 2,
        devices_lost=lambda: 1,
        store=lambda: StoreUse(5 * MIB, 77, 123.46),
        disk_free=lambda: 900 * MIB,
        sent_bytes=lambda: {"data": 4096, "alarm": 12, "hello": 9},
        sealed_bytes=lambda: {DeviceId("meter-1"): 512, DeviceId("gone"): 1},
        uplink_connected=lambda: True,
        log_dropped=lambda: 4,
        devices=(DeviceId("meter-1"), DeviceId("dust-1")),
        counters=lambda: {
            DeviceId("meter-1"): Counters(polls=90, no_response=3, frame=2, rejected=1),
            DeviceId("dust-1"): Counters(fault=4, heard=50, crowded=6),
        },
        telling={DeviceId("dust-1")},
        queues={"recorder": lambda: 6},
        lines={LineId("cabinet-485"): Counts(100, 7, 800, 3000, 50.0)},
        streams=("alarm", "data"),
        process=lambda: ProcessUse(2.0, 30 * MIB),
    )
    return replace(made, **changes)  # type: ignore[arg-type] # fields of Sources, by name


NOW = Snapshot(
    at_s=110.0,
    trust=Trust.SYNCED,
    process=ProcessUse(2.5, 30 * MIB),
    loop_latency_ms=12.34,
    readings=5000,
    polls_late=3,
    polls_skipped=2,
    devices_lost=1,
    store=StoreUse(5 * MIB, 77, 123.46),
    disk_free=900 * MIB,
    uplink_connected=True,
    log_dropped=4,
    queues=(6,),
    sent_bytes=(12, 4096),
    sealed_bytes=(512, 0),
    lines=(LineCount(100, 7, 3800, 50.0),),
    devices=((3, 2, 1, 0), (0, 0, 0, 4, 50, 6)),
)
BEFORE = replace(
    NOW, at_s=100.0, process=ProcessUse(2.0, 1), readings=0, lines=(LineCount(0, 0, 0, 45.0),)
)


def by_name(before: Snapshot, now: Snapshot) -> dict[str, Value | None]:
    cells = sample_of(before, now).cells
    return {point.name: cell for point, cell in zip(table_of(sources()), cells, strict=True)}


def test_two_snapshots_give_a_value_for_every_point() -> None:
    assert by_name(BEFORE, NOW) == {
        "cpu": 5.0,
        "rss": 30.0,
        "loop_latency": 12.3,
        "readings_per_s": 500.0,
        "polls_late": 3,
        "polls_skipped": 2,
        "devices_lost": 1,
        "store_size": 5.0,
        "store_batches": 77,
        "store_left": 123.5,
        "disk_free": 900,
        "uplink_connected": True,
        "clock_trust": 2,
        "log_dropped": 4,
        "queue_recorder": 6,
        "sent_alarm": 12,
        "sent_data": 4096,
        "sealed_meter_1": 512,
        "sealed_dust_1": 0,
        "line_cabinet_485_exchanges": 100,
        "line_cabinet_485_errors": 7,
        "line_cabinet_485_bytes": 3800,
        "line_cabinet_485_busy": 50.0,
        "no_response_meter_1": 3,
        "frame_meter_1": 2,
        "rejected_meter_1": 1,
        "fault_meter_1": 0,
        "no_response_dust_1": 0,
        "frame_dust_1": 0,
        "rejected_dust_1": 0,
        "fault_dust_1": 4,
        "heard_dust_1": 50,
        "crowded_dust_1": 6,
    }


def test_what_cannot_be_told_is_bad_and_never_zero() -> None:
    now = replace(NOW, process=None, disk_free=None, store=StoreUse(0, 0, None))
    sample = sample_of(BEFORE, now)
    names = [point.name for point in table_of(sources())]
    flagged = {names[place]: flag for place, flag in sample.flags.items()}
    bad = Flag(Quality.BAD, Cause.NO_VALUE)
    assert flagged == dict.fromkeys(["cpu", "rss", "store_left", "disk_free"], bad)
    assert all(sample.cells[names.index(name)] is None for name in flagged)


def test_no_time_between_snapshots_gives_no_rate() -> None:
    assert by_name(NOW, NOW)["readings_per_s"] is None


def test_a_snapshot_asks_every_source() -> None:
    clock = VirtualClock()
    clock.seconds = 110.0
    taken = Snapshot.take(sources(process=lambda: ProcessUse(2.5, 30 * MIB)), clock)
    assert taken == NOW


def test_names_made_of_lines_are_point_names_and_never_alike() -> None:
    lines = {LineId(name): Counts() for name in ("a.b", "a-b", "a_b", "x" * 63)}
    names = [point.name for point in table_of(sources(lines=lines))]
    assert {"line_a_b_errors", "line_a_b_errors_2", "line_a_b_errors_3"} <= set(names)
    assert max(map(len, names)) <= 63


@given(st.lists(st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,62}", fullmatch=True), unique=True))
def test_any_lines_make_a_table(names: list[str]) -> None:
    made = sources(lines={LineId(name): Counts() for name in names})
    clock = VirtualClock()
    snapshot = Snapshot.take(made, clock)
    assert len(table_of(made)) == len(sample_of(snapshot, snapshot).cells)


def test_it_is_delivered_as_a_reading_of_the_gateway_each_period() -> None:
    readings: list[Reading] = []

    async def main(clock: VirtualClock) -> None:
        metrics = SelfMetrics(sources(), clock, readings.append, period_s=10)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(metrics.run(), name="self-metrics")
            await asyncio.sleep(35)
            task.cancel()

    virtual_time.run(main)
    assert [reading.device for reading in readings] == [GATEWAY] * 3
    assert [reading.at.mono_ms for reading in readings] == [1_010_000, 1_020_000, 1_030_000]


def test_what_has_not_moved_is_left_out_when_a_reporter_selects() -> None:
    readings: list[Reading] = []

    async def main(clock: VirtualClock) -> None:
        metrics = SelfMetrics(
            sources(),
            clock,
            readings.append,
            select=lambda table: Reporter(table, heartbeat_s=60).select,
            period_s=10,
        )
        async with asyncio.TaskGroup() as group:
            task = group.create_task(metrics.run(), name="self-metrics")
            await asyncio.sleep(75)
            task.cancel()

    virtual_time.run(main)
    assert [reading.at.mono_ms for reading in readings] == [1_010_000, 1_070_000]


def test_this_process_uses_memory_and_time() -> None:
    used = process_use()
    assert used is not None
    assert used.rss_bytes > MIB
    assert used.cpu_s > 0


def test_a_path_that_is_not_there_has_no_room_to_tell(tmp_path: Path) -> None:
    assert disk_free_bytes(tmp_path / "nowhere") is None
    assert disk_free_bytes(tmp_path)


@pytest.mark.parametrize(
    "point",
    [point.name for point in table_of(sources(queues={}, lines={}, streams=(), devices=()))],
)
def test_the_page_lists_every_point(point: str) -> None:
    assert f"| `{point}` |" in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", names_of(tells=True))
def test_the_page_lists_every_counter_of_a_device(name: str) -> None:
    assert f"`{name}_<device>`" in README.read_text(encoding="utf-8")


def test_a_device_that_nobody_counts_has_counted_nothing() -> None:
    made = sources(counters=dict)
    taken = Snapshot.take(made, VirtualClock())
    assert taken.devices == ((0,) * 4, (0,) * 6)
