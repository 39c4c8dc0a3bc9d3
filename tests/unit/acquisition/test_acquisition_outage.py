"""Which losses and returns are told."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.acquisition.outage import HOLD_S, LONGEST_HOLD_S, Outage


def test_a_first_loss_is_told_at_once_and_only_once() -> None:
    outage = Outage()
    assert outage.lost(100.0)
    assert not outage.lost(101.0)
    assert outage.since_s == 100.0


def test_a_return_says_how_long_it_was_lost() -> None:
    outage = Outage()
    outage.lost(100.0)
    assert outage.back(130.0) == 30.0
    assert outage.since_s is None


def test_a_return_of_what_was_never_lost_is_not_told() -> None:
    assert Outage().back(1.0) is None


def test_a_loss_soon_after_another_is_told_at_the_end_of_the_hold_if_it_lasts() -> None:
    outage = Outage()
    outage.lost(0.0)
    outage.back(10.0)
    assert not outage.lost(20.0)
    assert not outage.lost(59.0)
    assert outage.lost(HOLD_S)
    assert outage.times == 1
    assert outage.back(100.0) == 80.0


def test_a_short_loss_within_the_hold_is_told_by_nobody_but_counted() -> None:
    outage = Outage()
    outage.lost(0.0)
    outage.back(10.0)
    outage.lost(20.0)
    assert outage.back(25.0) is None
    assert outage.lost(HOLD_S)
    assert outage.times == 2


def test_after_a_quiet_time_a_loss_is_told_at_once_again() -> None:
    outage = Outage()
    outage.lost(0.0)
    outage.back(10.0)
    assert outage.lost(3 * HOLD_S)


@given(st.lists(st.floats(0.1, 200), min_size=2, max_size=300))
def test_however_it_comes_and_goes_losses_and_returns_alternate_and_stay_few(
    steps: list[float],
) -> None:
    outage = Outage()
    now = 0.0
    told: list[tuple[float, str]] = []
    for place, step in enumerate(steps):
        now += step
        if place % 2 == 0:
            if outage.lost(now):
                told.append((now, "lost"))
        elif outage.back(now) is not None:
            told.append((now, "back"))
    assert [what for _, what in told] == ["lost", "back"] * (len(told) // 2) + ["lost"] * (
        len(told) % 2
    )
    losses = [at for at, what in told if what == "lost"]
    assert all(b - a >= HOLD_S for a, b in pairwise(losses))


def test_who_never_rests_is_told_once_an_hour_in_the_end() -> None:
    outage = Outage()
    losses = []
    for second in range(0, 100_000, 10):
        if outage.lost(second):
            losses.append(second)
        outage.back(second + 5)
    assert losses[-1] - losses[-2] >= LONGEST_HOLD_S
