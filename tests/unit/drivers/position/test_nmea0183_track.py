"""A thinned track keeps its shape; a jump that nothing can make is no position."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.position.nmea0183.track import (
    SLACK_M,
    Passed,
    Plausibility,
    Thinning,
    distance_m,
    offset_m,
)

CORRIDOR_M = 10.0
HOME = (55.75, 37.61)
METRE = math.degrees(1 / 6_371_008.8)


def at(east: float, north: float) -> tuple[float, float]:
    return HOME[0] + north * METRE, HOME[1] + east * METRE / math.cos(math.radians(HOME[0]))


def thin(way: list[tuple[float, float]], corridor_m: float = CORRIDOR_M) -> list[int]:
    """Return which places of a way are told, by number."""
    thinning = Thinning[int](corridor_m)
    found = [thinning.take(Passed(at(*place), number)) for number, place in enumerate(way)]
    return [passed.load for passed in found if passed is not None]


def off_line_m(
    place: tuple[float, float], one: tuple[float, float], other: tuple[float, float]
) -> float:
    """Return how far a place lies from the line between two others, metres."""
    along = (other[0] - one[0], other[1] - one[1])
    length = math.hypot(*along)
    gone = (place[0] - one[0], place[1] - one[1])
    share = (gone[0] * along[0] + gone[1] * along[1]) / length**2 if length else 0.0
    share = min(1.0, max(0.0, share))
    return math.hypot(gone[0] - share * along[0], gone[1] - share * along[1])


def test_a_straight_way_is_its_begin() -> None:
    assert thin([(12.0 * step, 0.5 * (step % 2)) for step in range(200)]) == [0]


def test_a_corner_is_told_where_it_is() -> None:
    way = [(20.0 * step, 0.0) for step in range(10)] + [
        (180.0, 20.0 * step) for step in range(1, 9)
    ]
    assert thin(way) == [0, 9]


def test_turning_back_is_told() -> None:
    way = [(20.0 * step, 0.0) for step in range(10)] + [
        (180 - 20.0 * step, 0.0) for step in range(9)
    ]
    told = thin(way)
    assert len(told) == 2
    assert abs(way[told[1]][0] - 180) <= CORRIDOR_M


def test_what_stands_still_is_told_once() -> None:
    assert thin([(3 * math.sin(step), 3 * math.cos(step)) for step in range(500)]) == [0]


STEP = st.integers(-600, 600).map(lambda number: number / 10)


@given(st.lists(st.tuples(STEP, STEP), min_size=2, max_size=60), st.sampled_from([3.0, 10.0, 40.0]))
def test_every_position_lies_within_the_corridor_of_what_is_told(
    steps: list[tuple[float, float]], corridor_m: float
) -> None:
    way = [(0.0, 0.0)]
    for east, north in steps:
        way.append((way[-1][0] + east, way[-1][1] + north))
    told = [*thin(way, corridor_m), len(way) - 1]  # the last one is told in its time
    assert told == sorted(set(told)) or told[-1] == told[-2]
    for first, second in itertools.pairwise(told):
        for number in range(first, second):
            off_m = off_line_m(way[number], way[first], way[second])
            assert off_m <= corridor_m * 1.001 + 0.01


def test_a_track_that_was_lost_begins_anew() -> None:
    thinning = Thinning[int](CORRIDOR_M)
    assert thinning.take(Passed(at(0, 0), 1)) is not None
    assert thinning.take(Passed(at(1, 0), 2)) is None
    thinning.lost()
    assert thinning.take(Passed(at(2, 0), 3)) is not None


def test_distances_are_those_of_the_earth() -> None:
    # one degree of latitude; Moscow and Saint Petersburg, about 634 km
    assert distance_m((0, 0), (1, 0)) == pytest.approx(111_195, rel=1e-3)
    assert distance_m((55.7558, 37.6173), (59.9386, 30.3141)) == pytest.approx(634_000, rel=5e-3)
    assert offset_m((0, 179.999), (0, -179.999))[0] == pytest.approx(222.4, rel=1e-3)


def test_a_jump_is_doubted_until_it_could_have_been_driven() -> None:
    plausible = Plausibility(50.0)
    assert plausible.jump_m(at(0, 0), 0.0) == 0
    assert plausible.jump_m(at(40, 0), 1.0) == 0
    far = at(5000, 0)
    assert plausible.jump_m(far, 2.0) == pytest.approx(4960, rel=0.01)
    assert plausible.jump_m(at(90, 0), 3.0) == 0
    assert plausible.jump_m(far, 4.0) > 0
    enough = 4.0 + (5000 - SLACK_M) / 50
    assert plausible.jump_m(far, enough) == 0
