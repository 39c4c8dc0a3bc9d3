"""The budget of history: what goes out in any minute, and that nothing is held for ever."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from gateway.sync.budget import Budget

steps = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 5_000)), max_size=60)


def test_without_a_budget_there_is_no_bound() -> None:
    budget = Budget(0)
    budget.spend(10**9, 5.0)

    assert budget.left(5.0) == math.inf


def test_what_was_spent_comes_back_in_time() -> None:
    budget = Budget(6_000)
    first = budget.left(100.0)
    budget.spend(600, 100.0)

    assert (first, budget.left(100.0)) == (600, 0)
    assert round(budget.left(101.0)) == 90


def test_a_batch_larger_than_the_bucket_goes_out_and_is_paid_for() -> None:
    budget = Budget(6_000)
    budget.left(0.0)
    budget.spend(6_000, 0.0)

    assert budget.left(59.9) < 0 < budget.left(60.1)


@given(steps, st.integers(1_000, 100_000))
def test_no_minute_sees_more_than_its_budget_but_for_the_last_batch(
    tries: list[tuple[float, int]], per_minute: int
) -> None:
    budget, now_s = Budget(per_minute), 0.0
    spent: list[tuple[float, int]] = []
    for wait_s, size in tries:
        now_s += wait_s
        if budget.left(now_s) > 0:
            budget.spend(size, now_s)
            spent.append((now_s, size))

    for begin_s, _ in spent:
        minute = [size for at_s, size in spent if begin_s <= at_s < begin_s + 60]
        assert sum(minute[:-1]) <= per_minute + 1
