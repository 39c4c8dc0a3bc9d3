"""Few reads, and never one that breaks a rule."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.fields import MAX_BITS, MAX_REGISTERS, Span, Table
from drivers.modbus.plan import Limits, Lore, Seam, overlap, plan, read_of, seam_between, split


def inputs(*places: tuple[int, int]) -> list[Span]:
    return [Span(Table.INPUT, address, length) for address, length in places]


def spans(*wanted: Span, limits: Limits | None = None, lore: Lore | None = None) -> list[str]:
    return [str(read.span) for read in plan(wanted, limits or Limits(), lore or Lore())]


def test_plan_merges_neighbours_and_small_gaps() -> None:
    assert spans(*inputs((0, 1), (1, 2), (11, 1)), limits=Limits(max_gap=8)) == ["input 0..11"]


def test_plan_does_not_read_over_a_gap_that_is_too_wide() -> None:
    wanted = inputs((0, 1), (10, 1))
    assert spans(*wanted, limits=Limits(max_gap=8)) == ["input 0", "input 10"]


def test_plan_keeps_tables_apart() -> None:
    wanted = [Span(table, 0, 1) for table in Table]
    assert spans(*wanted) == ["coil 0", "discrete 0", "holding 0", "input 0"]


def test_plan_asks_once_for_points_of_the_same_registers() -> None:
    assert spans(*inputs((5, 1), (5, 1))) == ["input 5"]


def test_plan_keeps_the_limits_of_the_protocol_and_of_the_device() -> None:
    wanted = inputs(*((address, 1) for address in range(130)))
    assert spans(*wanted) == ["input 0..124", "input 125..129"]
    assert spans(*wanted[:40], limits=Limits(max_registers=32)) == ["input 0..31", "input 32..39"]
    coils = [Span(Table.COIL, address, 1) for address in range(2001)]
    assert spans(*coils) == ["coil 0..1999", "coil 2000"]


def test_plan_goes_around_what_must_never_be_read() -> None:
    limits = Limits(never=frozenset(inputs((4, 2))))
    assert spans(*inputs((3, 1), (6, 1)), limits=limits) == ["input 3", "input 6"]


def test_plan_leaves_out_what_is_refused_and_reads_around_it() -> None:
    lore = Lore(refused={Span(Table.INPUT, 1, 1): 2})
    assert spans(*inputs((0, 1), (1, 1), (2, 1)), lore=lore) == ["input 0", "input 2"]


def test_plan_keeps_seams_for_every_read_over_them() -> None:
    lore = Lore(seams={Seam(Table.INPUT, 25, 30)})
    assert spans(*inputs((24, 2), (30, 2)), lore=lore) == ["input 24..25", "input 30..31"]
    limits = Limits(max_gap=30)
    assert spans(*inputs((20, 4), (40, 8)), limits=limits, lore=lore) == [
        "input 20..23",
        "input 40..47",
    ]
    assert spans(*inputs((26, 1), (40, 1)), limits=limits, lore=lore) == ["input 26..40"]


def test_split_goes_through_the_middle_gap_first() -> None:
    read = read_of(*inputs((0, 12), (20, 2), (30, 2), (50, 1)))
    halves = split(read)
    assert halves is not None
    assert [str(half.span) for half in halves] == ["input 0..21", "input 30..50"]
    assert str(seam_between(*halves)) == "input 21 | 30"


def test_split_goes_through_the_middle_where_there_is_no_gap() -> None:
    halves = split(read_of(*inputs((0, 1), (1, 1), (2, 2), (4, 1))))
    assert halves is not None
    assert [str(half.span) for half in halves] == ["input 0..1", "input 2..4"]


def test_split_of_one_span_is_none() -> None:
    assert split(read_of(*inputs((0, 4)))) is None


def test_lore_survives_as_json_and_forgets_what_no_longer_fits() -> None:
    lore = Lore(seams={Seam(Table.INPUT, 25, 30), Seam(Table.HOLDING, 3, 4)})
    memory = json.loads(json.dumps(lore.dump()))
    back = Lore()
    back.load(memory, inputs((24, 2), (30, 2)))
    assert back.seams == {Seam(Table.INPUT, 25, 30)}


@pytest.mark.parametrize(
    "memory",
    [
        None,
        [],
        {},
        {"seams": 5},
        {"seams": [5, None, [], ["input"], ["input", "25", 30], ["nothing", 25, 30]]},
        {"seams": [["input", 25, 30, 1], {"a": 1}, [["input"], 25, 30]]},
    ],
)
def test_lore_takes_back_only_what_it_gave(memory: object) -> None:
    lore = Lore()
    lore.load(memory, inputs((24, 2), (30, 2)))
    assert not lore.seams


@st.composite
def wishes(draw: st.DrawFn) -> tuple[list[Span], Limits, Lore]:
    """Disjoint spans of one device, with rules."""
    wanted: list[Span] = []
    for table in Table:
        address = 0
        for gap, length in draw(
            st.lists(st.tuples(st.integers(0, 30), st.integers(1, 4)), max_size=12)
        ):
            wanted.append(Span(table, address + gap, 1 if table.bits else length))
            address = wanted[-1].end
    limits = Limits(
        max_registers=draw(st.integers(4, MAX_REGISTERS)),
        max_bits=draw(st.integers(1, MAX_BITS)),
        max_gap=draw(st.integers(0, 40)),
    )
    lore = Lore()
    for span in draw(st.lists(st.sampled_from(wanted), max_size=3)) if wanted else []:
        lore.refused[span] = 2
    for left in draw(st.lists(st.sampled_from(wanted), max_size=3)) if wanted else []:
        later = [s for s in wanted if s.table is left.table and s.address >= left.end]
        if later:
            lore.seams.add(Seam(left.table, left.end - 1, draw(st.sampled_from(later)).address))
    return wanted, limits, lore


@given(wishes())
def test_plan_brings_everything_once_and_breaks_no_rule(
    wish: tuple[list[Span], Limits, Lore],
) -> None:
    wanted, limits, lore = wish
    reads = plan(wanted, limits, lore)
    brought = [part for read in reads for part in read.parts]
    assert sorted(brought) == sorted(set(wanted) - set(lore.refused))
    for read in reads:
        table, address, length = read.span
        assert length <= (limits.max_bits if table.bits else limits.max_registers)
        assert not any(overlap(read.span, refused) for refused in lore.refused)
        for seam in lore.seams:
            assert not (seam.table is table and address <= seam.left and seam.right < read.span.end)


@given(wishes())
def test_split_loses_nothing_and_ends(wish: tuple[list[Span], Limits, Lore]) -> None:
    wanted, limits, _ = wish
    heap = list(plan(wanted, limits, Lore()))
    singles: list[Span] = []
    while heap:
        read = heap.pop()
        halves = split(read)
        if halves is None:
            singles.append(*read.parts)
        else:
            heap += halves
    assert sorted(singles) == sorted(wanted)
