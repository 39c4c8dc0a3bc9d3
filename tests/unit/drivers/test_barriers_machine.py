"""What a barrier does, told from its contacts and its orders: every state, no wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.barriers.machine import (
    Barrier,
    Habits,
    Inputs,
    Occurrence,
    Order,
    State,
    may_close,
)

OPEN = Inputs(opened=True, closed=False)
CLOSED = Inputs(opened=False, closed=True)
BETWEEN = Inputs(opened=False, closed=False)
BOTH = Inputs(opened=True, closed=True)
CAR = Inputs(opened=False, closed=False, loop=True)
HABITS = Habits(travel_timeout_s=5.0)


def after(*seen: Inputs, barrier: Barrier | None = None, now_s: float = 0.0) -> Barrier:
    known = barrier or Barrier(HABITS)
    for inputs in seen:
        known, _ = known.see(inputs, now_s)
    return known


def test_what_was_found_at_the_start_is_no_occurrence() -> None:
    for inputs, state in ((OPEN, State.OPEN), (CLOSED, State.CLOSED), (BETWEEN, State.UNKNOWN)):
        known, told = Barrier(HABITS).see(inputs, 0.0)
        assert (known.state, told) == (state, ())


def test_it_opens_by_order_and_says_how_long_it_took() -> None:
    known = after(CLOSED).told(Order.OPEN, CLOSED, 10.0)
    states = []
    for inputs, now_s in ((CLOSED, 10.1), (BETWEEN, 10.5), (OPEN, 11.4)):
        known, told = known.see(inputs, now_s)
        states.append(known.state)
        assert not told
    assert states == [State.OPENING, State.OPENING, State.OPEN]
    assert known.travel_s == pytest.approx(1.4)
    assert known.order is Order.NONE


def test_it_closes_by_order() -> None:
    known = after(OPEN).told(Order.CLOSE, OPEN, 0.0)
    assert after(BETWEEN, barrier=known).state is State.CLOSING
    assert after(BETWEEN, CLOSED, barrier=known).state is State.CLOSED


def test_an_order_that_is_done_already_takes_no_time() -> None:
    known = after(OPEN).told(Order.OPEN, OPEN, 3.0)
    assert (known.state, known.order, known.travel_s) == (State.OPEN, Order.NONE, 0.0)


@pytest.mark.parametrize("inputs", [CLOSED, BETWEEN])
def test_it_is_blocked_when_its_time_is_over(inputs: Inputs) -> None:
    known = after(CLOSED).told(Order.OPEN, CLOSED, 0.0)
    known, told = known.see(inputs, 4.9)
    assert (known.state, told) == (State.OPENING, ())
    known, told = known.see(inputs, 5.0)
    assert (known.state, told) == (State.BLOCKED, (Occurrence.BLOCKED,))
    again, told = known.see(BETWEEN, 6.0)
    assert (again.state, told) == (State.BLOCKED, ())
    assert after(OPEN, barrier=again).state is State.OPEN


@pytest.mark.parametrize("inputs", [OPEN, BETWEEN])
def test_opened_without_an_order_is_forced_once_until_it_is_closed(inputs: Inputs) -> None:
    known, told = after(CLOSED).see(inputs, 1.0)
    assert (known.state, told) == (State.FORCED, (Occurrence.FORCED,))
    known, told = known.see(OPEN, 2.0)
    assert (known.state, told) == (State.FORCED, ())
    known, told = known.see(CLOSED, 3.0)
    assert (known.state, told) == (State.CLOSED, (Occurrence.SHUT_AGAIN,))


def test_an_order_makes_a_forced_barrier_ours_again() -> None:
    known = after(CLOSED, BETWEEN).told(Order.CLOSE, BETWEEN, 0.0)
    known, told = known.see(CLOSED, 1.0)
    assert (known.state, told) == (State.CLOSED, ())


def test_others_may_open_it_where_that_is_so() -> None:
    known, told = after(CLOSED, barrier=Barrier(Habits(5.0, moved_by_others=True))).see(OPEN, 1.0)
    assert (known.state, told) == (State.OPEN, ())


def test_leaving_the_open_end_without_an_order_is_unknown() -> None:
    assert after(OPEN, BETWEEN).state is State.UNKNOWN
    assert after(OPEN, BETWEEN, CLOSED).state is State.CLOSED


def test_what_comes_under_it_while_it_closes_is_told_once() -> None:
    known = after(OPEN).told(Order.CLOSE, OPEN, 0.0)
    known, told = known.see(CAR, 0.5)
    assert told == (Occurrence.OBSTACLE,)
    known, told = known.see(CAR, 0.6)
    assert told == ()
    assert not may_close(CAR)
    assert may_close(BETWEEN)


def test_a_car_under_an_opening_barrier_is_nothing() -> None:
    known = after(CLOSED).told(Order.OPEN, CLOSED, 0.0)
    assert known.see(CAR, 0.5)[1] == ()


def test_both_limit_switches_at_once_contradict_and_end_an_order() -> None:
    known = after(CLOSED).told(Order.OPEN, CLOSED, 0.0)
    known, told = known.see(BOTH, 0.5)
    assert (known.state, known.order) == (State.UNKNOWN, Order.NONE)
    assert told == (Occurrence.CONTRADICTS,)
    assert known.see(BOTH, 0.6)[1] == ()


def test_stopped_between_the_ends_nothing_is_known() -> None:
    known = after(CLOSED).told(Order.OPEN, CLOSED, 0.0)
    known = after(BETWEEN, barrier=known, now_s=0.5).told(Order.STOP, BETWEEN, 0.6)
    assert (known.state, known.order) == (State.UNKNOWN, Order.NONE)
    assert after(BETWEEN, barrier=known, now_s=99.0).state is State.UNKNOWN


INPUTS = st.builds(Inputs, st.booleans(), st.booleans(), st.booleans(), st.booleans())
STEPS = st.lists(
    st.tuples(INPUTS, st.sampled_from([None, Order.OPEN, Order.CLOSE, Order.STOP])), max_size=40
)


@given(STEPS)
def test_whatever_happens_no_state_lies(steps: list[tuple[Inputs, Order | None]]) -> None:
    known = Barrier(HABITS)
    forced = False
    for number, (inputs, order) in enumerate(steps):
        if order is not None:
            known = known.told(order, inputs, float(number))
        known, told = known.see(inputs, float(number))
        forced = (forced or Occurrence.FORCED in told) and known.state is State.FORCED
        assert not (known.state is State.OPEN and not inputs.opened)
        assert not (known.state is State.CLOSED and not inputs.closed)
        assert (known.state in {State.OPENING, State.CLOSING}) == (known.order is not Order.NONE)
        assert known.state is not State.FORCED or forced
        if known.order is not Order.NONE:
            assert number - known.ordered_s < HABITS.travel_timeout_s
