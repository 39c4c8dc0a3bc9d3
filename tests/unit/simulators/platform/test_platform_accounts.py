from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.platform.accounts import Account, Range, Statement, holes, settle, total


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)).map(sorted), max_size=8),
    st.integers(1, 30),
    st.integers(0, 30),
)
def test_holes_are_what_no_range_covers(pairs: list[list[int]], first: int, last: int) -> None:
    covered = {n for begin, end in pairs for n in range(begin, end + 1)}
    found = holes([(begin, end) for begin, end in pairs], first, last)
    assert [n for begin, end in found for n in range(begin, end + 1)] == [
        n for n in range(first, last + 1) if n not in covered
    ]


@dataclass
class Case:
    """One channel: what is known, and what the account must say."""

    batches: list[Range]
    gaps: list[Range]
    said: Statement | None
    produced: int
    stored: int
    pending: int
    lost: int
    balances: bool = True


def ones(*sequences: int, count: int = 10) -> list[Range]:
    return [Range(n, n, count) for n in sequences]


CASES = {
    "nothing at all": Case([], [], None, 0, 0, 0, 0),
    "all stored": Case(ones(1, 2, 3), [], Statement(4, 3, 30, 0), 30, 30, 0, 0),
    "the end is still at the gateway": Case(ones(1), [], Statement(2, 3, 30, 20), 30, 10, 20, 0),
    "a hole in the middle still comes": Case(
        ones(1, 3), [], Statement(2, 3, 30, 20), 30, 20, 10, 0
    ),
    "stored beyond the newest hello": Case(
        ones(1, 2, 3), [], Statement(2, 2, 20, 10), 30, 30, 0, 0
    ),
    "no hello yet, nothing missing": Case(ones(1, 2), [], None, 20, 20, 0, 0),
    "no hello yet, one missing": Case(ones(1, 3), [], None, 20, 20, 0, 0, balances=False),
    "missing beyond the newest hello": Case(
        ones(1, 3), [], Statement(1, 1, 10, 10), 20, 20, 0, 0, balances=False
    ),
    "told as a gap": Case(ones(3), [Range(1, 2, 20, 1)], Statement(3, 3, 30, 10), 30, 10, 0, 20),
    "told as a gap and come all the same": Case(
        ones(1, 3), [Range(1, 2, 20, 1)], Statement(3, 3, 30, 10), 30, 20, 0, 10
    ),
    "told as a gap beyond the newest hello": Case(
        ones(1, 3), [Range(2, 2, 10, 2)], Statement(1, 1, 10, 10), 30, 20, 0, 10
    ),
    "missing below the oldest": Case(
        ones(2, 3), [], Statement(2, 3, 30, 20), 30, 20, 0, 10, balances=False
    ),
    "missing below and above the oldest": Case(
        ones(2), [], Statement(2, 3, 30, 15), 30, 10, 15, 5, balances=False
    ),
    "more stored than produced": Case(
        ones(1, 2), [], Statement(3, 2, 15, 0), 15, 20, 0, 0, balances=False
    ),
    "more produced than sequences stand for": Case(
        ones(1, 2), [], Statement(3, 2, 25, 0), 25, 20, 0, 0, balances=False
    ),
    "pending that nobody keeps": Case(
        ones(1), [], Statement(2, 2, 20, 5), 20, 10, 5, 0, balances=False
    ),
    "a batch of no values is still to come": Case(
        ones(1), [], Statement(2, 2, 10, 0), 10, 10, 0, 0
    ),
    "a batch across the newest of the hello": Case(
        [Range(1, 4, 40)], [], Statement(1, 3, 25, 25), 40, 40, 0, 0
    ),
    "a batch across it that cannot hold the difference": Case(
        [Range(1, 4, 40)], [], Statement(1, 3, 45, 45), 55, 40, 0, 0, balances=False
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_account_of_a_channel(case: Case) -> None:
    account = settle("channel", case.batches, case.gaps, case.said)
    numbers = (account.produced, account.stored, account.pending, account.lost)
    assert numbers == (case.produced, case.stored, case.pending, case.lost)
    assert account.balances is case.balances


FATES = st.lists(
    st.tuples(st.integers(0, 50), st.sampled_from(["stored", "pending", "gap"])), max_size=20
)


@given(FATES, st.integers(0, 20))
def test_an_honest_channel_always_balances(fates: list[tuple[int, str]], hello_at: int) -> None:
    """Whatever was stored, is kept or was told, and whenever within the life the hello came."""
    newest = min(hello_at, len(fates))
    every = list(enumerate(fates, start=1))
    later = {n for n, (_, fate) in every if n > newest and fate == "pending"}
    if later:  # nobody can know of what was sealed after the hello and has not come
        newest = len(fates)
    kept = [(n, count) for n, (count, fate) in every if n <= newest and fate != "gap"]
    oldest = kept[0][0] if kept else newest + 1
    said = Statement(
        oldest,
        newest,
        sum(count for n, (count, _) in every if n <= newest),
        sum(count for _, count in kept),
    )
    account = settle(
        "channel",
        [Range(n, n, count) for n, (count, fate) in every if fate == "stored"],
        [Range(n, n, count, 1) for n, (count, fate) in every if fate == "gap"],
        said,
    )
    assert account.balances, account.objections
    sums = {
        fate: sum(count for count, f in fates if f == fate) for fate in ("stored", "pending", "gap")
    }
    assert (account.stored, account.pending, account.lost) == tuple(sums.values())
    assert account.produced == sum(sums.values())


def test_the_sum_keeps_reasons_and_objections() -> None:
    one = Account(10, 5, 0, 5, {"no_room": 5}, 1, ("a",))
    two = Account(10, 8, 0, 2, {"no_room": 1, "damaged": 1}, 1)
    both = total([one, two])
    assert both == Account(20, 13, 0, 7, {"no_room": 6, "damaged": 1}, 2, ("a",))
    assert not both.balances
    assert two.balances
