"""Readings that wait in memory for the card: which go, which stay, what is counted."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model.clock import Instant, Trust
from gateway.model.ids import OPERATIONS, PERSONAL, DeviceId, PointId
from gateway.model.reading import Cause, Flag, Point, PointTable, Quality, Reading
from gateway.store.waiting import (
    KEPT,
    READINGS_MOST,
    VALUES_MOST,
    Losses,
    Missed,
    counts_of,
    thinned,
    too_many,
)

METER = DeviceId("meter-1")
BAD = Flag(Quality.BAD, Cause.NO_VALUE)
TWO = PointTable(Point(PointId("power")), Point(PointId("door")))
MIXED = PointTable(
    Point(PointId("badge"), audience=PERSONAL), Point(PointId("door")), Point(PointId("lamp"))
)
WIDE = PointTable(*(Point(PointId(f"p{place}")) for place in range(50)))


def reading(number: int, table: PointTable = TWO, cells: tuple[int | None, ...] = ()) -> Reading:
    at = Instant(number, 1_000_000 + number, Trust.SYNCED)
    return Reading(METER, table, at, cells or (number,) * len(table))


def test_wide_readings_are_bounded_by_their_values() -> None:
    few = [reading(number, WIDE) for number in range(VALUES_MOST // 50)]
    assert not too_many(few)

    kept, gone = thinned([*few, reading(VALUES_MOST, WIDE)])
    assert too_many([*few, reading(VALUES_MOST, WIDE)])
    assert sum(len(each.cells) for each in kept) == KEPT * VALUES_MOST
    assert [each.at.mono_ms for each in gone] == list(range(len(gone)))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(0, 9)),
            st.one_of(st.none(), st.integers(0, 9)),
            st.booleans(),
        ),
        max_size=30,
    )
)
def test_nothing_is_lost_uncounted_and_the_newest_word_of_each_point_stays(
    rows: list[tuple[int | None, int | None, bool]],
) -> None:
    readings = [
        Reading(METER, TWO, Instant(n - 40, n - 40, Trust.SYNCED), (a, b), {1: BAD} if bad else {})
        for n, (a, b, bad) in enumerate(rows)
    ] + [reading(n, cells=(n, None)) for n in range(READINGS_MOST)]
    kept, gone = thinned(readings)

    assert sorted(map(id, kept + gone)) == sorted(map(id, readings))
    assert [r.at for r in kept] == sorted(r.at for r in kept)
    assert not too_many(kept)
    says_door = [r for r in readings if r.cells[1] is not None or 1 in r.flags]
    assert all(any(each is r for r in kept) for each in says_door[-1:])


def test_each_audience_is_told_what_it_would_have_got() -> None:
    told = Reading(METER, MIXED, Instant(0, 0, Trust.SYNCED), (7, None, 1), {1: BAD})
    assert counts_of(told) == {PERSONAL: 1, OPERATIONS: 2}
    assert counts_of(reading(1)) == {OPERATIONS: 2}


def test_losses_are_joined_with_their_bounds_and_told_once() -> None:
    losses = Losses()
    assert losses.add([reading(5), reading(2)]) == 4
    taken = losses.take()
    assert taken == [Missed(OPERATIONS, 1_000_002, 1_000_005, 4)]
    assert losses.take() == []

    losses.add([reading(9)])
    losses.put_back(taken)
    assert losses.take() == [Missed(OPERATIONS, 1_000_002, 1_000_009, 6)]
