"""The newest state of every source, merged from readings that tell only what has moved."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.clock import Instant, Trust
from gateway.model.ids import DeviceId, PointId
from gateway.model.reading import Cause, Flag, Kind, Point, PointTable, Quality, Reading
from gateway.store.newest import Newest

METER = DeviceId("meter-1")
TABLE = PointTable(*(Point(PointId(name), kind=Kind.NUMBER) for name in ("u", "i", "p")))
BAD = Flag(Quality.BAD, Cause.NO_RESPONSE)
DOUBT = Flag(Quality.UNCERTAIN, Cause.STALE)

cells = st.tuples(*(st.sampled_from([None, 1, 2, BAD, DOUBT]) for _ in TABLE))


def reading(at_ms: int, *told: int | Flag | None) -> Reading:
    """Return a reading; BAD is a cell without value, DOUBT one with the value 9."""
    flags = {place: each for place, each in enumerate(told) if isinstance(each, Flag)}
    values = tuple(None if each is BAD else 9 if each is DOUBT else each for each in told)
    return Reading(METER, TABLE, Instant(at_ms, at_ms, Trust.SYNCED), values, flags)  # type: ignore[arg-type]


def after(*readings: Reading) -> Reading:
    newest = Newest()
    for each in readings:
        newest.take(each)
    (only,) = newest.readings()
    return only


def test_what_has_not_moved_is_what_was_told_before() -> None:
    state = after(reading(1, 230, 5, 7), reading(2, None, 6, None), reading(3, 231, None, None))

    assert (state.cells, state.flags, state.at.mono_ms) == ((231, 6, 7), {}, 3)


def test_a_bad_point_has_no_value_until_it_is_told_again() -> None:
    lost = after(reading(1, 230, 5, 7), reading(2, BAD, None, None))
    back = after(reading(1, 230, 5, 7), reading(2, BAD, None, None), reading(3, 231, None, None))

    assert (lost.cells, lost.flags) == ((None, 5, 7), {0: BAD})
    assert (back.cells, back.flags) == ((231, 5, 7), {})


def test_sources_are_in_order_of_their_own_time() -> None:
    newest = Newest()
    other = PointTable(Point(PointId("t"), kind=Kind.NUMBER))
    newest.take(reading(1, 1, 1, 1))
    newest.take(Reading(METER, other, Instant(2, 2, Trust.SYNCED), (20,)))
    newest.take(reading(3, 2, None, None))

    assert [each.at.mono_ms for each in newest.readings()] == [2, 3]


@given(st.lists(cells, min_size=1, max_size=8))
def test_each_point_has_what_was_told_last_of_it(told: list[tuple[int | Flag | None, ...]]) -> None:
    state = after(*(reading(at, *each) for at, each in enumerate(told)))

    for place in range(len(TABLE)):
        last = next((each[place] for each in reversed(told) if each[place] is not None), None)
        assert state.flags.get(place) == (last if isinstance(last, Flag) else None)
        assert state.cells[place] == (None if last is BAD else 9 if last is DOUBT else last)
