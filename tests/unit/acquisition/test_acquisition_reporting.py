"""What is told of a poll, and what is left out."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.acquisition.reporting import Reporter
from gateway.model.ids import PointId
from gateway.model.reading import (
    NO_FLAGS,
    Cause,
    Deadband,
    Flag,
    Kind,
    Point,
    PointTable,
    Quality,
    Sample,
    Value,
    all_bad,
)

SILENT = Flag(Quality.BAD, Cause.NO_RESPONSE)
NOISE = Flag(Quality.BAD, Cause.FRAME)
NO_VALUE = Flag(Quality.BAD, Cause.NO_VALUE)
DOUBT = Flag(Quality.UNCERTAIN, Cause.OUT_OF_RANGE)


def table(*deadbands: Deadband | None, kind: Kind = Kind.FLOAT64) -> PointTable:
    return PointTable(
        *(
            Point(PointId(f"p{n}"), kind=kind, deadband=deadband)
            for n, deadband in enumerate(deadbands)
        )
    )


def told(reporter: Reporter, *cells: Value | None, **flags: Flag) -> Sample | None:
    return reporter.select(Sample(cells, {int(k[1:]): f for k, f in flags.items()}), 0)


def test_a_table_without_deadband_passes_through_as_the_very_same_object() -> None:
    reporter = Reporter(table(None, None))
    sample = Sample((1.0, 2.0))
    assert reporter.select(sample, 0) is sample
    assert reporter.select(sample, 1000) is sample


def test_the_first_value_is_told_whatever_the_deadband() -> None:
    assert told(Reporter(table(Deadband(absolute=100))), 0.0) == Sample((0.0,))


def test_what_has_not_moved_is_not_told() -> None:
    reporter = Reporter(table(Deadband(), Deadband()))
    told(reporter, 1.0, 2.0)
    assert told(reporter, 1.0, 2.0) is None


def test_only_the_cell_that_moved_is_told() -> None:
    reporter = Reporter(table(Deadband(), Deadband()))
    told(reporter, 1.0, 2.0)
    assert told(reporter, 1.0, 2.5) == Sample((None, 2.5), NO_FLAGS)


def test_a_point_without_deadband_is_told_each_time_beside_one_that_rests() -> None:
    reporter = Reporter(table(None, Deadband()))
    told(reporter, 1.0, 2.0)
    assert told(reporter, 1.0, 2.0) == Sample((1.0, None))


@pytest.mark.parametrize(
    ("deadband", "first", "second", "moved"),
    [
        pytest.param(Deadband(absolute=0.5), 10.0, 10.4, False, id="absolute-within"),
        pytest.param(Deadband(absolute=0.5), 10.0, 10.5, True, id="absolute-reached"),
        pytest.param(Deadband(absolute=0.5), 10.0, 9.5, True, id="absolute-downwards"),
        pytest.param(Deadband(absolute=0.1), 23.0, 23.1, True, id="absolute-binary-rounding"),
        pytest.param(Deadband(percent=5), 200.0, 209.0, False, id="percent-within"),
        pytest.param(Deadband(percent=5), 200.0, 210.0, True, id="percent-reached"),
        pytest.param(Deadband(percent=5), -200.0, -210.0, True, id="percent-of-a-negative"),
        pytest.param(Deadband(percent=5), 0.0, 0.001, True, id="percent-of-zero"),
        pytest.param(Deadband(2.0, 5), 10.0, 11.0, False, id="the-larger-of-both"),
        pytest.param(Deadband(), 1.0, 1.0000001, True, id="each-change"),
        pytest.param(Deadband(absolute=5), 1.0, math.nan, True, id="not-a-number"),
        pytest.param(Deadband(absolute=5), 1.0, math.inf, True, id="infinite"),
        pytest.param(Deadband(absolute=5), 2**63, 2**63 + 4, False, id="large-counter"),
    ],
)
def test_a_number_is_told_when_it_has_moved_by_its_deadband(
    deadband: Deadband, first: Value, second: Value, *, moved: bool
) -> None:
    reporter = Reporter(table(deadband))
    told(reporter, first)
    assert (told(reporter, second) is not None) is moved


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [(Kind.BOOL, False, True), (Kind.STATE, 1, 2), (Kind.TEXT, "a", "b")],
)
def test_a_state_a_switch_or_a_text_is_told_at_each_change_whatever_the_deadband(
    kind: Kind, first: Value, second: Value
) -> None:
    reporter = Reporter(table(Deadband(absolute=100), kind=kind))
    told(reporter, first)
    assert told(reporter, first) is None
    assert told(reporter, second) == Sample((second,))


def test_a_slow_drift_is_told_once_it_adds_up() -> None:
    reporter = Reporter(table(Deadband(absolute=1.0)))
    values = [20.0 + n * 0.25 for n in range(9)]
    assert [told(reporter, v) is not None for v in values] == [
        True, False, False, False, True, False, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("deadband", [None, Deadband(), Deadband(absolute=9)])
def test_bad_is_told_once_and_again_when_its_cause_changes(deadband: Deadband | None) -> None:
    reporter = Reporter(table(deadband))
    told(reporter, 1.0)
    assert told(reporter, None, _0=SILENT) == Sample((None,), {0: SILENT})
    assert told(reporter, None, _0=SILENT) is None
    assert told(reporter, None, _0=NOISE) == Sample((None,), {0: NOISE})


@pytest.mark.parametrize("deadband", [None, Deadband(), Deadband(absolute=9)])
def test_a_value_after_bad_is_told_also_when_it_is_the_old_one(deadband: Deadband | None) -> None:
    reporter = Reporter(table(deadband))
    told(reporter, 1.0)
    told(reporter, None, _0=SILENT)
    assert told(reporter, 1.0) == Sample((1.0,))


def test_a_doubt_that_comes_or_goes_is_told_although_the_value_rests() -> None:
    reporter = Reporter(table(Deadband(absolute=9)))
    told(reporter, 1.0)
    assert told(reporter, 1.0, _0=DOUBT) == Sample((1.0,), {0: DOUBT})
    assert told(reporter, 1.0, _0=DOUBT) is None
    assert told(reporter, 1.0) == Sample((1.0,))


def test_a_doubtful_value_without_deadband_keeps_its_flag_each_time() -> None:
    reporter = Reporter(table(None, None))
    told(reporter, 1.0, 2.0, _0=DOUBT)
    assert told(reporter, 1.0, 2.0, _0=DOUBT) == Sample((1.0, 2.0), {0: DOUBT})


def test_one_bad_point_of_a_table_without_deadband_is_told_once_and_the_others_each_time() -> None:
    reporter = Reporter(table(None, None))
    assert told(reporter, None, 2.0, _0=NO_VALUE) == Sample((None, 2.0), {0: NO_VALUE})
    assert told(reporter, None, 2.0, _0=NO_VALUE) == Sample((None, 2.0))


@pytest.mark.parametrize("deadband", [None, Deadband(absolute=9)])
def test_the_heartbeat_tells_bad_again_after_its_time(deadband: Deadband | None) -> None:
    points = table(deadband)
    reporter = Reporter(points, heartbeat_s=60)
    bad = all_bad(points, Cause.NO_RESPONSE)
    times = [ms for ms in range(0, 200_000, 10_000) if reporter.select(bad, ms) is not None]
    assert times == [0, 60_000, 120_000, 180_000]


def test_the_heartbeat_tells_everything_moved_or_not() -> None:
    reporter = Reporter(table(Deadband(absolute=9), None), heartbeat_s=60)
    samples = [reporter.select(Sample((1.0, 2.0)), ms) for ms in range(0, 120_000, 20_000)]
    assert [s and s.cells[0] for s in samples] == [1.0, None, None, 1.0, None, None]


def test_after_a_heartbeat_the_deadband_counts_from_what_it_told() -> None:
    reporter = Reporter(table(Deadband(absolute=1.0)), heartbeat_s=10)
    reporter.select(Sample((1.0,)), 0)
    assert reporter.select(Sample((1.9,)), 10_000) == Sample((1.9,))
    assert reporter.select(Sample((2.1,)), 11_000) is None


CELL = st.one_of(
    st.tuples(st.floats(-50, 50), st.sampled_from([None, DOUBT])),
    st.tuples(st.none(), st.sampled_from([SILENT, NOISE])),
)
DEADBAND = st.one_of(
    st.none(), st.builds(Deadband, st.floats(0, 20), st.floats(0, 50)), st.just(Deadband())
)


@given(st.lists(DEADBAND, min_size=1, max_size=4), st.data(), st.sampled_from([None, 5.0]))
def test_whoever_listens_knows_every_quality_and_each_value_within_its_deadband(
    deadbands: list[Deadband | None], data: st.DataObject, heartbeat_s: float | None
) -> None:
    reporter = Reporter(table(*deadbands), heartbeat_s)
    rows = data.draw(
        st.lists(st.tuples(*[CELL] * len(deadbands)), min_size=1, max_size=12), label="polls"
    )
    heard: list[tuple[float | None, Flag | None] | None] = [None] * len(deadbands)
    for second, row in enumerate(rows):
        cells = tuple(value for value, _ in row)
        flags = {place: flag for place, (_, flag) in enumerate(row) if flag is not None}
        sample = reporter.select(Sample(cells, flags), second * 1000)
        beat = second == 0 or (heartbeat_s is not None and second % heartbeat_s == 0)
        for place, (value, flag) in enumerate(row):
            before = heard[place]
            if sample is not None and (sample.cells[place] is not None or place in sample.flags):
                assert sample.cells[place] == value
                assert sample.flags.get(place) == flag
                heard[place] = (value, flag)
            else:
                assert not beat
            now = heard[place]
            assert now is not None
            assert now[1] == flag
            deadband = deadbands[place]
            if value is None or deadband is None:
                assert now[0] == value
                continue
            assert now[0] is not None
            reach = max(deadband.absolute, abs(now[0]) * deadband.percent / 100)
            assert now[0] == value or abs(now[0] - value) < reach
            if heard[place] is not before and before is not None and not beat:
                was, was_flag = before
                assert (
                    was_flag != flag
                    or was is None
                    or abs(was - value)
                    >= max(deadband.absolute, abs(was) * deadband.percent / 100) * (1 - 1e-8)
                )
