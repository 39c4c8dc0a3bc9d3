"""The window: what is out, what is settled, what is due again. No clock but numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.ids import OPERATIONS
from gateway.model.stream import Stream
from gateway.sync.backoff import Backoff, Knocks
from gateway.sync.window import REPEAT_FIRST_S, SILENCE_FIRST_S, Window
from gateway.sync.wire import AckedChannel, RefusedBatch

DATA = (Stream.DATA, OPERATIONS)


def acked(contiguous: int, *missing: tuple[int, int]) -> list[AckedChannel]:
    return [AckedChannel(Stream.DATA, OPERATIONS, contiguous, missing)]


def window(settled: int = 0, out: int = 0, most: int = 64) -> Window:
    made = Window(most, {DATA: settled})
    for sequence in range(settled + 1, out + 1):
        made.went_out(DATA, sequence, 0.0)
    return made


def test_a_connection_begins_after_what_is_settled() -> None:
    made = Window(10, {DATA: 41})

    assert made.sent == {DATA: 41}
    assert made.unsettled == 0


def test_there_is_room_for_so_many_and_no_more() -> None:
    made = window(out=7, most=10)

    assert made.room == 3


def test_an_acknowledgement_makes_room() -> None:
    made = window(out=10, most=10)

    moved = made.acknowledged(acked(4), 1.0)

    assert moved
    assert made.room == 4


def test_an_old_acknowledgement_changes_nothing() -> None:
    made = window(out=10)
    made.acknowledged(acked(8), 1.0)

    assert not made.acknowledged(acked(3), 2.0)
    assert made.settled == {DATA: 8}


def test_a_hole_is_repeated_later_and_later_until_it_is_filled() -> None:
    made = window(out=10)
    made.acknowledged(acked(3, (4, 5)), 0.0)

    at_once = made.repeats(0.1)
    first = made.repeats(REPEAT_FIRST_S)
    too_soon = made.repeats(REPEAT_FIRST_S + 0.1)
    second = made.repeats(REPEAT_FIRST_S * 3)
    made.acknowledged(acked(10), 10.0)

    assert (at_once, first, too_soon, second) == ([], [(DATA, 4, 5)], [], [(DATA, 4, 5)])
    assert made.repeats(1e6) == []


def test_a_hole_beyond_what_was_sent_is_none() -> None:
    made = window(out=3)

    made.acknowledged(acked(1, (7, 9)), 0.0)

    assert made.repeats(1e6) == []


def test_silence_of_the_platform_sends_everything_again_with_growing_patience() -> None:
    made = window(settled=2, out=9)

    early = made.silent(SILENCE_FIRST_S - 1)
    first = made.silent(SILENCE_FIRST_S)
    begins_anew_at = dict(made.sent)
    made.went_out(DATA, 9, SILENCE_FIRST_S)
    patient = made.silent(2 * SILENCE_FIRST_S)
    second = made.silent(3 * SILENCE_FIRST_S)

    assert (early, first, patient, second) == (False, True, False, True)
    assert begins_anew_at == {DATA: 2}


def test_silence_with_nothing_out_is_peace() -> None:
    assert not window(settled=5).silent(1e9)


def test_the_third_refusal_of_a_batch_gives_it_up() -> None:
    made, refused = window(out=5), RefusedBatch(Stream.DATA, OPERATIONS, 4, 2)

    assert [made.refused(refused) for _ in range(3)] == [False, False, True]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))))
def test_nothing_ever_moves_back_whatever_is_acknowledged(
    acks: list[tuple[int, int, int]],
) -> None:
    made = window(out=20)
    before = 0
    for number, (contiguous, first, last) in enumerate(acks):
        made.acknowledged(acked(contiguous, (first, last)), float(number))
        assert made.settled[DATA] >= before
        assert made.sent[DATA] >= made.settled[DATA]
        assert all(last <= made.sent[DATA] for _, _, last in made.repeats(1e9))
        before = made.settled[DATA]


@given(st.integers(1, 60), st.floats(0, 1))
def test_waits_double_up_to_a_bound_with_full_jitter(tries: int, drawn: float) -> None:
    backoff = Backoff(1.0, 120.0, lambda low, high: low + (high - low) * drawn)

    waits = [backoff.next_s() for _ in range(tries)]
    backoff.reset()

    bounds = [min(120.0, 2.0**n) for n in range(tries)]
    assert waits == [bound * drawn for bound in bounds]
    assert backoff.next_s() == drawn


@given(st.integers(1, 60), st.floats(0.01, 100))
def test_a_hurry_bounds_a_wait_and_counts_as_a_try(tries: int, hurry_s: float) -> None:
    backoff = Backoff(1.0, 120.0, lambda _low, high: high)

    hurried = [backoff.next_s(hurry_s) for _ in range(tries)]

    assert max(hurried) <= hurry_s
    assert backoff.next_s() == min(120.0, 2.0**tries)


@given(st.floats(0, 1e7), st.floats(0, 1))
def test_knocks_are_every_second_for_ten_minutes_then_rarer_and_never_all_at_once(
    since_s: float, drawn: float
) -> None:
    knocks = Knocks(lambda low, high: low + (high - low) * drawn)

    wait_s = knocks.next_s(since_s)

    assert 0.5 <= wait_s <= (1.0 if since_s <= 600 else 15.0)
    assert wait_s >= min(15.0, since_s / 600) / 2
