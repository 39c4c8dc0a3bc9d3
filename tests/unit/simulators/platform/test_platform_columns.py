from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import cbor2
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from simulators.platform import columns
from simulators.platform.catalogue import Catalogue, Point
from simulators.platform.columns import Contents, parse_contents, running, unpack
from simulators.platform.cose import Encrypt0
from simulators.platform.errors import Reason, WireError
from simulators.platform.wire import Moment, SealedBatch
from tests.unit.simulators.platform.platform_sender import (
    BOOL,
    COUNTER,
    FLOAT32,
    FLOAT64,
    NUMBER,
    STATE,
    TEXT,
    Row,
    block,
    differences,
    pack,
    told,
)

KINDS = [NUMBER, COUNTER, FLOAT32, FLOAT64, BOOL, STATE, TEXT]
CATALOGUE = Catalogue(
    [[Point(f"p{kind}", "1", kind, 1, 0, ()) for kind in KINDS], [Point("u", "V", 0, 0.1, 5, ())]],
    [("a", 0), ("b", 0), ("c", 1)],
    [(0,) * 7, (5, 2**64 - 1, 0, 0, 1, -7, 0), (0,)],
)
NO_BODY = Encrypt0({}, b"", b"")
I64 = st.integers(-(2**63), 2**63 - 1)


def sealed(count: int) -> SealedBatch:
    return SealedBatch(
        "g", "operations", 3, b"8bytes!!", count, 1, 1, Moment(0, 0, 2), 0, b"", NO_BODY, 0
    )


def parse(contents: Any, count: int) -> Contents:
    return parse_contents(zstandard.compress(cbor2.dumps(contents)), CATALOGUE, sealed(count))


@given(st.lists(I64))
def test_unpack_gives_back_what_was_packed(numbers: list[int]) -> None:
    assert unpack(pack(numbers), len(numbers)) == numbers


@given(st.lists(st.integers(0, 2**63 - 1)))
def test_running_gives_back_what_was_packed_as_differences(numbers: list[int]) -> None:
    assert running(pack(differences(numbers)), len(numbers), "n", 2**63) == numbers


@given(st.binary(max_size=60), st.integers(0, 20))
def test_unpack_of_any_bytes_returns_or_raises_wire_error(data: bytes, n: int) -> None:
    with suppress(WireError):
        assert len(unpack(data, n)) == n


@given(st.binary(max_size=40), st.integers(0, 20), st.integers(1, 100))
def test_running_stays_within_its_limit(data: bytes, n: int, below: int) -> None:
    with suppress(WireError):
        assert all(0 <= number < below for number in running(data, n, "n", below))


CELLS: list[st.SearchStrategy[Any]] = [
    I64,
    st.integers(0, 2**64 - 1),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(0, 1),
    I64,
    st.text(max_size=8),
]
FLAG = st.tuples(st.sampled_from([0, 1]), st.integers(0, 9))


@st.composite
def rows(draw: st.DrawFn) -> list[Row]:
    made: list[Row] = []
    for _ in range(draw(st.integers(0, 6))):
        cells = [draw(st.none() | strategy) for strategy in CELLS]
        flags: dict[int | None, tuple[int, int]] = {}
        for place, cell in enumerate(cells):
            if draw(st.booleans()):
                flags[place] = (2, draw(st.integers(1, 9))) if cell is None else draw(FLAG)
        made.append((draw(st.integers(0, 1)), draw(st.integers(0, 2**53 - 1)), cells, flags))
    return made


@given(rows())
def test_a_block_gives_back_the_rows_it_was_made_of(made: list[Row]) -> None:
    [found] = parse({1: [block(0, KINDS, made, CATALOGUE.references)]}, told(made)).blocks
    assert list(found.sources) == [row[0] for row in made]
    assert list(found.times) == [row[1] for row in made]
    cells = {
        (row, column.point): (value, column.flags.get(row, (0, 0)))
        for column in found.columns
        for row, value in zip(column.rows, column.values, strict=True)
    }
    assert cells == {
        (n, place): (cell, row[3].get(place, (0, 0)))
        for n, row in enumerate(made)
        for place, cell in enumerate(row[2])
        if cell is not None or place in row[3]
    }


def test_a_scaled_number_is_scaled_and_shifted() -> None:
    [found] = parse({1: [block(1, [NUMBER], [(2, 0, [2301], {}), (2, 1, [-50], {})])]}, 2).blocks
    assert found.columns[0].values == pytest.approx([235.1, 0.0])


def test_a_row_flag_marks_every_cell_and_a_later_flag_takes_its_place() -> None:
    empty: Row = (0, 0, [None] * 7, {None: (2, 5)})
    [found] = parse({1: [block(0, KINDS, [empty])]}, 7).blocks
    assert [(c.point, c.values, c.flags[0]) for c in found.columns] == [
        (place, [None], (2, 5)) for place in range(7)
    ]
    mixed: Row = (0, 0, [None] * 7, {None: (2, 5), 3: (2, 6)})
    [found] = parse({1: [block(0, KINDS, [mixed])]}, 7).blocks
    assert [column.flags[0][1] for column in found.columns] == [5, 5, 5, 6, 5, 5, 5]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_float_that_is_not_finite_is_bad(value: float) -> None:
    row: Row = (0, 0, [None, None, value, value, None, None, None], {})
    [found] = parse({1: [block(0, KINDS, [row])]}, 2).blocks
    assert [(c.values, c.flags[0]) for c in found.columns] == [([None], (2, 7))] * 2


def test_a_cell_with_a_flag_and_no_value_is_bad_whatever_the_flag_says() -> None:
    row: Row = (0, 0, [None] * 7, {0: (1, 4)})
    [found] = parse({1: [block(0, KINDS, [row])]}, 1).blocks
    assert found.columns[0].flags == {0: (2, 4)}


def whole(**changes: Any) -> list[Any]:
    fields = dict(
        zip(
            ("shape", "rows", "sources", "times", "absent", "flags", "ints", "f32", "f64", "texts"),
            block(1, [NUMBER], [(2, 0, [1], {}), (2, 5, [2], {})]),
            strict=True,
        )
    )
    return list({**fields, **changes}.values())


MALFORMED: dict[str, Any] = {
    "another shape": {1: [whole(shape=2)]},
    "a source of another shape": {1: [whole(sources=pack([0, 0]))]},
    "a source that is not there": {1: [whole(sources=pack([3, 0]))]},
    "a time before the first row": {1: [whole(times=pack([-1, 0]))]},
    "too few integers": {1: [whole(ints=pack([1]))]},
    "a width of nine": {1: [whole(ints=b"\x09" + bytes(18))]},
    "too many floats": {1: [whole(f64=bytes(8))]},
    "too many texts": {1: [whole(texts=["x"])]},
    "a bitmap of another size": {1: [whole(absent=b"\x00\x00")]},
    "a flag of a row that is not there": {1: [whole(flags=[[2, 0, 1, 4]])]},
    "a flag of a column that is not there": {1: [whole(flags=[[0, 1, 1, 4]])]},
    "a quality that is none": {1: [whole(flags=[[0, 0, 3, 4]])]},
    "BAD beside a value": {1: [whole(flags=[[0, 0, 2, 4]])]},
    "a bool of two": {1: [block(0, KINDS, [(0, 0, [None] * 4 + [2, None, None], {})])]},
    "a key of another version": {1: [whole()], 5: []},
    "no map": [],
    "a block that is none": {1: [{}]},
    "an event without a key": {2: [[0, "", 0, None, {}]]},
    "an event of another severity": {2: [[0, "k", 3, None, {}]]},
    "an argument that is a list": {2: [[0, "k", 0, None, {"a": []}]]},
    "an argument that is no number": {2: [[0, "k", 0, None, {"a": math.nan}]]},
    "a gap backwards": {3: [[3, "operations", 5, 4, 0, 0, 1, 1]]},
    "a gap from zero": {3: [[3, "operations", 0, 4, 0, 0, 1, 1]]},
    "a time pair without a boot": {4: [[b"", 1, 1, 2]]},
}


@pytest.mark.parametrize("contents", MALFORMED.values(), ids=MALFORMED.keys())
@pytest.mark.parametrize("count", [1, 2])
def test_contents_that_are_malformed_are_refused(contents: Any, count: int) -> None:
    with pytest.raises(WireError) as caught:
        parse(contents, count)
    assert caught.value.reason is Reason.INSIDE


def test_a_count_other_than_what_is_inside_is_refused() -> None:
    assert columns.told(parse({1: [whole()]}, 2)) == 2
    with pytest.raises(WireError, match="2 values, the head says 3"):
        parse({1: [whole()]}, 3)


def test_rows_that_cost_no_bytes_are_bounded_over_all_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(columns, "MAX_CELLS", 1000)
    same = pack([2, *[0] * 600])
    free = whole(rows=501, sources=same[:502], times=b"\x00", ints=b"\x00")
    assert columns.told(parse({1: [free]}, 501)) == 501
    with pytest.raises(WireError, match="rows"):
        parse({1: [free, free]}, 1002)


@given(st.binary(max_size=300))
def test_contents_of_any_bytes_return_or_raise_wire_error(data: bytes) -> None:
    with suppress(WireError):
        parse_contents(data, CATALOGUE, sealed(0))


ANYTHING = st.recursive(
    st.none() | st.integers(-5, 300) | st.binary(max_size=20) | st.text(max_size=4) | st.floats(),
    lambda inner: st.lists(inner, max_size=10),
    max_leaves=12,
)


@given(st.dictionaries(st.integers(1, 4), st.lists(ANYTHING, max_size=3), max_size=4))
def test_contents_of_any_form_return_or_raise_wire_error(contents: Any) -> None:
    with suppress(WireError):
        parse(contents, 0)


@given(place=st.integers(0, 9), field=ANYTHING)
def test_a_block_with_any_field_returns_or_raises_wire_error(place: int, field: Any) -> None:
    with suppress(WireError):
        parse({1: [[*whole()[:place], field, *whole()[place + 1 :]]]}, 2)
