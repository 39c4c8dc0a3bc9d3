"""The total of a pulse counter: what counts, what rolls over, what is a reset, what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.media.pulse_total import Kept, Look, PulseTotal

TOP = 65_536


def u16(kept: Kept | None = None, rate_hz: float = 10.0) -> PulseTotal:
    return PulseTotal(TOP, rate_hz, kept)


def total_of(counter: PulseTotal) -> int:
    assert counter.kept is not None
    return counter.kept.total


def test_the_first_look_counts_nothing() -> None:
    counter = u16()
    assert counter.take(4711, None) is Look.FIRST
    assert total_of(counter) == 0


LOOKS = {
    "pulses came": ([100, 150], 60.0, [Look.FIRST, Look.COUNTED], 50),
    "nothing came": ([100, 100], 60.0, [Look.FIRST, Look.COUNTED], 0),
    "over the top": ([TOP - 10, 5], 60.0, [Look.FIRST, Look.ROLLED_OVER], 15),
    "the module was without power": ([30_000, 7], 60.0, [Look.FIRST, Look.RESET], 7),
    "it fell back and is far from 0": ([30_000, 20_000], 60.0, [Look.FIRST, Look.DOUBTFUL], 0),
    "a jump": ([100, 9000], 60.0, [Look.FIRST, Look.DOUBTFUL], 0),
    "a jump that was none": ([100, 9000, 120], 60.0, [Look.FIRST, Look.DOUBTFUL, Look.COUNTED], 20),
    "another module": (
        [100, 9000, 9100],
        60.0,
        [Look.FIRST, Look.DOUBTFUL, Look.REPLACED],
        100,
    ),
    "two jumps to different places": (
        [100, 9000, 29_000],
        60.0,
        [Look.FIRST, Look.DOUBTFUL, Look.DOUBTFUL],
        0,
    ),
    "at the rate and a pulse at both edges": ([0, 602], 60.0, [Look.FIRST, Look.COUNTED], 602),
}


@pytest.mark.parametrize("case", LOOKS)
def test_looks(case: str) -> None:
    raws, elapsed_s, looks, total = LOOKS[case]
    counter = u16()
    assert [counter.take(raw, elapsed_s) for raw in raws] == looks
    assert total_of(counter) == total


RESTARTS = {
    "the counter went on": (Kept(1000, 50), 1400, Look.COUNTED, Kept(1400, 450)),
    "it rolled over meanwhile": (Kept(TOP - 100, 50), 200, Look.ROLLED_OVER, Kept(200, 350)),
    "it was reset meanwhile": (Kept(30_000, 50), 200, Look.RESET, Kept(200, 250, 1)),
}


@pytest.mark.parametrize("case", RESTARTS)
def test_after_a_restart_the_total_goes_on(case: str) -> None:
    kept, raw, look, after = RESTARTS[case]
    counter = u16(kept)
    assert counter.take(raw, None) is look
    assert counter.kept == after


@given(
    start=st.integers(0, TOP - 1),
    steps=st.lists(st.integers(0, 600), max_size=60),
    restarts=st.sets(st.integers(0, 60)),
)
def test_nothing_is_lost_or_counted_twice(start: int, steps: list[int], restarts: set[int]) -> None:
    counter = u16()
    counter.take(start, None)
    raw, true = start, 0
    for place, step in enumerate(steps):
        restarted = place in restarts
        if restarted:
            assert counter.kept is not None
            counter = u16(Kept.load(counter.kept.dump()))
        raw, true = (raw + step) % TOP, true + step
        counter.take(raw, None if restarted else 60.0)
        assert total_of(counter) == true


@given(st.lists(st.tuples(st.integers(0, TOP - 1), st.none() | st.floats(0, 1e9)), max_size=40))
def test_a_total_never_falls(looks: list[tuple[int, float | None]]) -> None:
    counter = u16()
    last = 0
    for raw, elapsed_s in looks:
        counter.take(raw, elapsed_s)
        assert total_of(counter) >= last
        last = total_of(counter)


KEPT: dict[str, dict[str, object]] = {
    "nothing": {},
    "a number missing": {"raw": 1, "total": 2},
    "below zero": {"raw": -1, "total": 2, "resets": 0},
    "no number": {"raw": "1", "total": 2, "resets": 0},
    "a boolean": {"raw": True, "total": 2, "resets": 0},
}


@pytest.mark.parametrize("case", KEPT)
def test_what_is_no_memory_is_not_taken_for_one(case: str) -> None:
    assert Kept.load(KEPT[case]) is None


def test_impossible_counters_are_refused() -> None:
    for size, rate_hz, kept in ((1, 1.0, None), (2**64 + 1, 1.0, None), (TOP, 0.0, None)):
        with pytest.raises(ValueError, match=r"no counter has|nothing"):
            PulseTotal(size, rate_hz, kept)
    with pytest.raises(ValueError, match="cannot have been"):
        u16(Kept(TOP, 0))
    with pytest.raises(ValueError, match="cannot be at"):
        u16().take(TOP, None)
