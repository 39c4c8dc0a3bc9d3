"""Orders on standard input and the truth journal."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.faults import Silent
from simulators.lines.proxy import BlackHole, Delay
from simulators.orders import Clear, OrderError, Plug, Unplug, read_mode_order, read_order
from simulators.scene import FaultSpec
from simulators.truth import HOLD_MS, Served, TruthJournal, read_truth
from tests.clock import HandClock


def test_orders_are_read() -> None:
    assert read_order('{"twin": "meter-1", "fault": "silent", "for_s": 5}') == FaultSpec(
        twin="meter-1", fault=Silent(), for_s=5
    )
    assert read_order('{"twin": "meter-1", "clear": "all"}') == Clear(twin="meter-1", clear="all")
    assert read_order('{"unplug": "bus", "for_s": 2}') == Unplug(unplug="bus", for_s=2)
    assert read_order('{"plug": "bus"}') == Plug(plug="bus")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("silent", "not JSON: 'silent'"),
        ("[1]", "not a JSON object"),
        ('{"twin": "a"}', "an order has one of: fault, clear, unplug, plug"),
        ('{"fault": "silent"}', "twin: this option is needed"),
        ('{"twin": "a", "fault": "silent", "loud": 1}', "loud: no such option"),
        ('{"twin": "a", "fault": 3}', "fault"),
        ('{"twin": "a", "fault": "silent", "for_s": -1}', "for_s: should be greater than"),
        ('{"unplug": "bus", "at_s": 1}', "at_s: no such option"),
    ],
)
def test_orders_that_are_none_are_refused(line: str, says: str) -> None:
    with pytest.raises(OrderError, match=re.escape(says)):
        read_order(line)


def test_mode_orders_are_read() -> None:
    assert read_mode_order('{"mode": "black_hole"}') == (BlackHole(), None)
    assert read_mode_order('{"mode": "delay", "ms": 7, "for_s": 3}') == (Delay(ms=7), 3.0)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{}", "an order has a mode"),
        ('{"mode": "warp"}', "no mode 'warp'"),
        ('{"mode": "cut", "for_s": "long"}', "for_s should be seconds"),
        ('{"mode": "cut", "ms": 1}', "ms: no such option"),
    ],
)
def test_mode_orders_that_are_none_are_refused(line: str, says: str) -> None:
    with pytest.raises(OrderError, match=re.escape(says)):
        read_mode_order(line)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["twin", "fault", "clear", "for_s", "mode", "unplug", "plug"])
            | st.text(),
            inner,
        )
    ),
    max_leaves=10,
)


@given(st.text() | JSON.map(json.dumps))
def test_orders_any_line_is_an_order_or_an_order_error(line: str) -> None:
    with suppress(OrderError):
        read_order(line)
    with suppress(OrderError):
        read_mode_order(line)


def test_truth_journal_keeps_what_was_served_with_its_time(
    clock: HandClock, tmp_path: Path
) -> None:
    path = tmp_path / "truth.jsonl"
    with TruthJournal(clock, path) as journal:
        journal.note("meter-1", 1, certain=True)
        assert len(journal.entries()) == 1
        first = clock.now()
        journal.flush()
        assert read_truth(path) == [], "a fault may still put it in doubt"
        clock.advance(HOLD_MS / 1000)
        journal.note("meter-1", 2, certain=True)
        journal.note("meter-2", 1, certain=True)
        journal.doubt("meter-1")
        journal.flush()
        assert len(read_truth(path)) == 1
        assert len(journal.entries()) == 2
    now = clock.now()
    assert read_truth(path) == [
        Served("meter-1", 1, first.wall_ms, first.mono_ms, certain=True),
        Served("meter-1", 2, now.wall_ms, now.mono_ms, certain=False),
        Served("meter-2", 1, now.wall_ms, now.mono_ms, certain=True),
    ]


def test_truth_journal_cut_short_by_a_kill_is_read_up_to_there(
    clock: HandClock, tmp_path: Path
) -> None:
    path = tmp_path / "truth.jsonl"
    with TruthJournal(clock, path) as journal:
        journal.note("a", 1, certain=True)
        journal.note("a", 2, certain=True)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        assert len(read_truth(path)) == whole[:cut].count(b"\n")
    path.write_text('{"twin": "a"}\n')
    with pytest.raises(ValueError, match="not an entry of a truth journal"):
        read_truth(path)
