"""The last word of every point, and how it is shown to whoever stands at the cabinet."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.local_api.latest import Latest, as_rows
from gateway.model.ids import PERSONAL, DeviceId, PointId
from gateway.model.reading import (
    Cause,
    Cells,
    Flag,
    Kind,
    Point,
    PointTable,
    Quality,
    Reading,
    all_bad,
)
from tests.clock import HandClock

METER = DeviceId("meter-1")
TABLE = PointTable(
    Point(PointId("power"), "W"),
    Point(PointId("mode"), kind=Kind.STATE, states={0: "off", 7: "auto"}, writable=True),
    Point(PointId("label"), kind=Kind.TEXT),
)
BAD = Flag(Quality.BAD, Cause.NO_VALUE)
DOUBT = Flag(Quality.UNCERTAIN, Cause.OUT_OF_RANGE)


def told(clock: HandClock, *readings: tuple[Cells, dict[int, Flag]]) -> dict[str, tuple[Any, str]]:
    """Deliver readings a second apart; return value and quality of each point after them."""
    latest = Latest()
    for cells, flags in readings:
        clock.advance(1)
        latest.deliver(Reading(METER, TABLE, clock.now(), cells, flags))
    (last,) = latest.of(METER)
    return {row["point"]: (row["value"], row["quality"]) for row in as_rows(last, clock)}


def test_a_point_that_was_not_told_keeps_what_was_told_before(clock: HandClock) -> None:
    shown = told(clock, ((5.0, 7, "a"), {}), ((6.0, None, None), {}))

    assert shown == {"power": (6.0, "good"), "mode": (7, "good"), "label": ("a", "good")}


def test_a_point_that_went_bad_loses_its_value(clock: HandClock) -> None:
    shown = told(clock, ((5.0, 7, "a"), {}), ((None, None, None), {0: BAD}))

    assert shown == {"power": (None, "bad"), "mode": (7, "good"), "label": ("a", "good")}


def test_a_point_stays_bad_while_nothing_is_told_of_it(clock: HandClock) -> None:
    shown = told(clock, ((None, 7, "a"), {0: BAD}), ((None, 0, None), {}))

    assert (shown["power"], shown["mode"]) == ((None, "bad"), (0, "good"))


def test_a_value_that_is_told_again_is_good_again(clock: HandClock) -> None:
    shown = told(clock, ((None, 7, "a"), {0: BAD}), ((3.0, None, None), {}))

    assert shown["power"] == (3.0, "good")


def test_a_doubt_stays_with_the_value_it_belongs_to(clock: HandClock) -> None:
    shown = told(clock, ((5.0, 7, "a"), {0: DOUBT}), ((None, 0, None), {}))

    assert shown["power"] == (5.0, "uncertain")


def test_a_lost_device_is_bad_in_every_point(clock: HandClock) -> None:
    lost = all_bad(TABLE, Cause.NO_RESPONSE)

    shown = told(clock, ((5.0, 7, "a"), {1: DOUBT}), (lost.cells, dict(lost.flags)))

    assert set(shown.values()) == {(None, "bad")}


CELLS = st.tuples(
    st.none() | st.floats(0, 9), st.none() | st.integers(0, 9), st.none() | st.text(max_size=2)
)


@given(st.lists(CELLS, min_size=1, max_size=12), st.data())
def test_each_point_shows_what_was_told_of_it_last(
    history: list[Cells], data: st.DataObject
) -> None:
    expected: dict[int, tuple[Any, str]] = {}
    readings = []
    for cells in history:
        flags = {}
        for place, value in enumerate(cells):
            if value is None and data.draw(st.booleans()):
                flags[place] = BAD
                expected[place] = (None, "bad")
            elif value is not None:
                expected[place] = (value, "good")
        readings.append((cells, flags))

    shown = told(HandClock(), *readings)

    assert shown == {TABLE.points[place].name: what for place, what in expected.items()}


def test_groups_of_a_device_are_kept_apart(clock: HandClock) -> None:
    other = PointTable(Point(PointId("energy"), "W.h"))
    latest = Latest()
    latest.deliver(Reading(METER, TABLE, clock.now(), (1.0, 0, "a")))
    latest.deliver(Reading(METER, other, clock.now(), (9.0,)))
    latest.deliver(Reading(DeviceId("meter-2"), other, clock.now(), (8.0,)))

    assert latest.devices() == ["meter-1", "meter-2"]
    assert [reading.cells for reading in latest.of(METER)] == [(1.0, 0, "a"), (9.0,)]


def test_a_row_names_unit_state_age_and_whether_it_can_be_set(clock: HandClock) -> None:
    reading = Reading(METER, TABLE, clock.now(), (1.5, 7, None))
    clock.advance(2.5)

    power, mode = as_rows(reading, clock)

    assert (power["unit"], power["age_s"], power["writable"]) == ("W", 2.5, False)
    assert (mode["value"], mode["state"], mode["writable"]) == (7, "auto", True)


def test_a_personal_point_shows_that_it_is_there_and_nothing_of_what_it_says(
    clock: HandClock,
) -> None:
    table = PointTable(
        Point(PointId("badge"), kind=Kind.TEXT, audience=PERSONAL),
        Point(PointId("holder"), kind=Kind.STATE, states={3: "Ivanov"}, audience=PERSONAL),
        Point(PointId("door"), kind=Kind.BOOL),
    )
    latest = Latest()
    latest.deliver(Reading(METER, table, clock.now(), ("04:A2:19", 3, True)))
    latest.deliver(Reading(METER, table, clock.now(), (None, None, False)))

    (reading,) = latest.of(METER)
    rows = as_rows(reading, clock)

    assert [(row["point"], row["value"], row["quality"]) for row in rows] == [
        ("badge", None, "good"),
        ("holder", None, "good"),
        ("door", False, "good"),
    ]
    assert "Ivanov" not in str(rows)
    assert "04:A2:19" not in str(rows)
