"""A clock that was told the time: when that counts, and how sure it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.clock import (
    APART_MS,
    EARLIEST_TRUE_MS,
    Instant,
    LearnedClock,
    SystemClock,
    Trust,
    drift_ms,
)
from tests.clock import START_WALL_MS, HandClock

TRUE_MS = START_WALL_MS + 9_000_000_000


def told(board: HandClock, wall_ms: int = TRUE_MS, uncertainty_ms: int = 40) -> LearnedClock:
    clock = LearnedClock(board)
    clock.learn(Instant(board.mono_ms, wall_ms, Trust.HOLDOVER), uncertainty_ms)
    return clock


def test_without_anything_told_it_is_the_clock_of_the_board(clock: HandClock) -> None:
    clock.error_ms = 7
    learned = LearnedClock(clock)

    assert learned.now() == clock.now()
    assert (learned.boot, learned.monotonic_s()) == (clock.boot, clock.monotonic_s())
    assert (learned.overrides, learned.uncertainty_ms()) == (False, 7)


def test_a_board_of_1970_goes_by_what_it_was_told(clock: HandClock) -> None:
    clock.set_wall(0, Trust.UNSET)
    learned = told(clock)
    clock.advance(3600)

    assert learned.now() == (clock.mono_ms, TRUE_MS + 3_600_000, Trust.HOLDOVER)
    assert learned.overrides
    assert learned.uncertainty_ms() == 40 + 360  # 100 ppm of an hour


@pytest.mark.parametrize(
    ("trust", "off_ms", "overrides"),
    [
        (Trust.HOLDOVER, APART_MS + 1, True),
        (Trust.HOLDOVER, -APART_MS - 1, True),
        (Trust.HOLDOVER, APART_MS, False),
        (Trust.SYNCED, 366 * 86_400_000, False),
        (Trust.UNSET, 0, True),
    ],
)
def test_what_was_told_counts_where_the_board_does_not_know_better(
    clock: HandClock, trust: Trust, off_ms: int, *, overrides: bool
) -> None:
    learned = told(clock)
    clock.set_wall(TRUE_MS + off_ms, trust)

    assert learned.overrides is overrides
    assert learned.now().wall_ms == (TRUE_MS if overrides else TRUE_MS + off_ms)
    assert learned.now().trust is (Trust.HOLDOVER if overrides else trust)


@given(steps=st.lists(st.tuples(st.floats(0, 1e6), st.sampled_from(Trust)), max_size=20))
def test_monotonic_time_is_that_of_the_board_whatever_is_told(
    steps: list[tuple[float, Trust]],
) -> None:
    board = HandClock(trust=Trust.UNSET, wall_ms=0)
    learned, before = told(board), -1
    for seconds, trust in steps:
        board.advance(seconds)
        board.set_wall(TRUE_MS + round(seconds), trust)
        now = learned.now()
        assert now.mono_ms == board.mono_ms >= before
        assert now.trust is not Trust.UNSET
        before = now.mono_ms


def test_drift_is_a_hundred_ppm() -> None:
    assert [drift_ms(seconds) for seconds in (0, 10, 86_400)] == [0, 1, 8640]


def test_the_clock_of_this_machine_says_how_sure_it_is_or_that_it_cannot() -> None:
    system = SystemClock()
    now, error_ms = system.now(), system.uncertainty_ms()

    assert now.wall_ms > EARLIEST_TRUE_MS
    assert error_ms is None if now.trust is Trust.HOLDOVER else error_ms is not None
