"""What of a bouncing contact counts, decided by ticks alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.gpio.debounce import Change, Debounce

MS = 1_000_000


def begun(steady_ms: float, *, level: bool = False) -> Debounce:
    debounce = Debounce(round(steady_ms * MS))
    debounce.begin(0, level)
    return debounce


def test_debounce_counts_a_level_that_holds() -> None:
    debounce = begun(20)
    assert debounce.edge(5 * MS, True) == []
    assert debounce.settles_ns == 25 * MS
    assert debounce.settle(24 * MS) == []
    assert debounce.settle(25 * MS) == [Change(level=True, since_ns=5 * MS)]
    assert (debounce.level, debounce.since_ns) == (True, 5 * MS)


def test_debounce_counts_from_the_last_bounce() -> None:
    debounce = begun(20)
    for tick, level in ((5, True), (6, False), (7, True), (8, False), (9, True)):
        assert debounce.edge(tick * MS, level) == []
    assert debounce.settle(40 * MS) == [Change(level=True, since_ns=9 * MS)]


def test_debounce_forgets_a_touch_that_was_too_short() -> None:
    debounce = begun(20)
    debounce.edge(5 * MS, True)
    assert debounce.edge(10 * MS, False) == []
    assert debounce.settles_ns is None
    assert debounce.settle(1000 * MS) == []


def test_debounce_counts_what_was_steady_between_two_edges_seen_late() -> None:
    debounce = begun(20)
    debounce.edge(5 * MS, True)
    assert debounce.edge(30 * MS, False) == [Change(level=True, since_ns=5 * MS)]
    assert debounce.settle(60 * MS) == [Change(level=False, since_ns=30 * MS)]


def test_debounce_passes_over_an_edge_from_before() -> None:
    debounce = begun(20)
    debounce.edge(50 * MS, True)
    assert debounce.edge(49 * MS, False) == []
    assert debounce.settle(70 * MS) == [Change(level=True, since_ns=50 * MS)]


def test_debounce_without_a_time_counts_every_edge() -> None:
    debounce = begun(0)
    assert debounce.edge(1, True) == [Change(level=True, since_ns=1)]
    assert debounce.edge(2, False) == [Change(level=False, since_ns=2)]


def test_debounce_without_a_time_counts_both_edges_when_one_was_missed() -> None:
    debounce = begun(0)
    assert debounce.edge(7, False) == [
        Change(level=True, since_ns=7),
        Change(level=False, since_ns=7),
    ]
    assert debounce.repeated == 1


def test_debounce_begins_the_time_anew_after_a_missed_edge() -> None:
    debounce = begun(20)
    debounce.edge(5 * MS, True)
    debounce.edge(20 * MS, True)
    assert debounce.repeated == 1
    assert debounce.settle(30 * MS) == []
    assert debounce.settle(40 * MS) == [Change(level=True, since_ns=20 * MS)]


def test_debounce_begins_anew_when_the_chip_is_back() -> None:
    debounce = begun(20)
    debounce.edge(5 * MS, True)
    debounce.begin(9 * MS, True)
    assert (debounce.level, debounce.since_ns, debounce.settles_ns) == (True, 9 * MS, None)


def by_the_millisecond(levels: list[bool], steady: int) -> list[tuple[bool, int]]:
    """Count level by level, one a millisecond, as somebody with a strip chart would."""
    counted, last, since, found = levels[0], levels[0], 0, []
    for now, level in enumerate(levels):
        if last != counted and now - since >= steady:
            counted = last
            found.append((counted, since))
        if level != last:
            last, since = level, now
    return found


@given(
    st.lists(st.booleans(), min_size=1, max_size=120),
    st.integers(min_value=1, max_value=8),
)
def test_debounce_agrees_with_a_strip_chart(levels: list[bool], steady: int) -> None:
    debounce = Debounce(steady)
    debounce.begin(0, levels[0])
    changes: list[Change] = []
    for now, level in enumerate(levels):
        if now and level != levels[now - 1]:
            changes += debounce.edge(now, level)
    changes += debounce.settle(len(levels) - 1)
    assert [(change.level, change.since_ns) for change in changes] == by_the_millisecond(
        levels, steady
    )


@given(
    st.lists(st.tuples(st.integers(min_value=0, max_value=10**12), st.booleans()), max_size=60),
    st.sampled_from([0, 1, 1000, 10**9]),
    st.integers(min_value=0, max_value=60),
)
def test_debounce_any_edges_give_changes_that_alternate(
    edges: list[tuple[int, bool]], steady: int, doubled: int
) -> None:
    debounce = Debounce(steady)
    debounce.begin(0, False)
    levels = [False]
    for place, (tick, level) in enumerate(edges):
        for _ in range(2 if place == doubled else 1):
            levels += [change.level for change in debounce.edge(tick, level)]
    assert all(one != other for one, other in pairwise(levels))
    assert levels[-1] == debounce.level


@pytest.mark.parametrize("steady_ms", [0, 20])
def test_debounce_says_how_long_a_level_must_hold(steady_ms: int) -> None:
    assert Debounce(steady_ms * MS).steady_s == steady_ms / 1000
