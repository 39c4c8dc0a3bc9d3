from __future__ import annotations

import asyncio
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.bench import usage
from simulators.bench.neighbour import scene, share
from simulators.bench.site_file import Load
from simulators.bench.tap import Tap
from simulators.scene import parse_scene
from simulators.truth import Served


def answer(unit: int, function: int) -> bytes:
    return struct.pack(">HHHBBB", 1, 0, 3, unit, function, 4)


def test_the_cpu_clock_of_a_process_is_that_of_its_stat() -> None:
    before, clock = os.times(), usage.cpu_s(os.getpid())
    after = os.times()
    assert before.user + before.system - 0.02 <= clock <= after.user + after.system + 0.02


def test_memory_and_written_bytes_are_those_of_the_process(tmp_path: Path) -> None:
    memory = usage.memory(os.getpid())
    assert 1 < memory.pss <= memory.rss
    before = usage.written_bytes(os.getpid())
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    assert usage.written_bytes(os.getpid()) >= before


def test_a_process_that_is_gone_has_used_nothing_that_can_be_told() -> None:
    with pytest.raises(OSError, match=r"."):
        usage.cpu_s(2**22 + 1)


@given(
    answers=st.lists(st.tuples(st.integers(1, 247), st.sampled_from([3, 0x83])), max_size=20),
    cuts=st.lists(st.integers(1, 30), min_size=1, max_size=50),
)
def test_the_tap_sees_every_exception_however_the_stream_is_cut(
    answers: list[tuple[int, int]], cuts: list[int]
) -> None:
    async def run() -> set[int]:
        seen, waiting = Tap(("", 0)), bytearray()
        wire = b"".join(answer(unit, function) for unit, function in answers)
        for cut in [*cuts, len(wire)]:
            waiting += wire[:cut]
            wire = wire[cut:]
            seen._note(waiting)
        waiting += wire
        seen._note(waiting)
        assert not waiting
        return set(seen.refused)

    assert asyncio.run(run()) == {unit for unit, function in answers if function & 0x80}


def test_a_share_compares_rates_not_counts() -> None:
    served = [Served("bank-2", n, 1000 * n, 0, certain=True) for n in range(10)]
    served += [Served("bank-2", n, 10_000 + 2000 * n, 0, certain=True) for n in range(10)]
    served += [Served("bank-9", n, n, 0, certain=True) for n in range(100)]
    assert share(served, ["bank-2"], (0, 10_000, 30_000)) == pytest.approx(50)
    assert share(served, ["bank-3"], (0, 10_000, 30_000)) == 0


@given(devices=st.integers(1, 40), work=st.sampled_from([1, 2, 4, 8]), separate=st.booleans())
def test_so_many_times_the_work_fits_the_units_there_are(
    devices: int, work: int, separate: bool
) -> None:
    load = Load(devices, 50, separate=separate)
    more = load.times(work)
    assert more.values / more.period_s == pytest.approx(work * load.values)
    assert separate or more.devices <= 247
    assert len({(device.line, device.unit) for device in more.placed}) == more.devices


def test_the_scene_of_the_dead_device_can_be_played() -> None:
    text, placed = scene(10)
    played = parse_scene(text, "bus")
    assert [twin.id for twin in played.twin] == [device.name for device in placed]
    assert sum(twin.line == "bus" for twin in played.twin) == 10
