"""Ticks that begin anew every 71.6 minutes, continued."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.gpio.ramp import Ramp
from drivers.gpio.ticks import WRAP_US, Microseconds


def test_ticks_go_on_where_the_counter_begins_anew() -> None:
    ticks = Microseconds()
    before = ticks.ns(WRAP_US - 5)
    assert ticks.ns(3) - before == 8000


def test_ticks_a_little_out_of_order_stay_so() -> None:
    ticks = Microseconds()
    at = ticks.ns(2)
    assert ticks.ns(WRAP_US - 3) - at == -5000
    assert ticks.ns(2) == at


@given(
    st.integers(min_value=0, max_value=WRAP_US - 1),
    st.lists(st.integers(min_value=0, max_value=WRAP_US // 2 - 1), max_size=50),
)
def test_ticks_add_up(start: int, steps: list[int]) -> None:
    ticks = Microseconds()
    first = ticks.ns(start)
    assert first >= 0
    now = start
    for step in steps:
        now += step
        assert ticks.ns(now % WRAP_US) - first == (now - start) * 1000


@given(
    st.floats(min_value=0, max_value=100),
    st.floats(min_value=0, max_value=100),
    st.floats(min_value=0, max_value=60),
    st.floats(min_value=-1, max_value=100),
)
def test_ramp_stays_between_its_ends(
    start: float, end: float, full_s: float, elapsed_s: float
) -> None:
    ramp = Ramp(start, end, full_s)
    low, high = sorted((start, end))
    assert low - 1e-9 <= ramp.at(elapsed_s) <= high + 1e-9
    assert ramp.at(ramp.takes_s) == end


def test_ramp_is_even() -> None:
    ramp = Ramp(20, 80, 10)
    assert ramp.takes_s == 6
    assert [ramp.at(second) for second in (0, 3, 6, 9)] == [20, 50, 80, 80]
