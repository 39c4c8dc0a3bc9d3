from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.bench.figures import Figure, Sheet, at_least, at_most, merged, shown
from simulators.bench.plot import HEIGHT, TOP, WIDTH, draw, svg
from simulators.bench.show import as_json, as_table


def figure(value: float, *, limit: float | None = None) -> Figure:
    budget = None if limit is None else at_most(limit)
    return Figure("agent", "CPU <per> reading", "s", (value,), budget)


def test_a_figure_is_the_median_of_its_runs() -> None:
    sheets = []
    for value in (3.0, 1.0, 9.0):
        sheet = Sheet("agent")
        sheet.add("CPU", value, "s", at_most(3.0), "how")
        sheets.append(sheet)
    (found,) = merged(sheets)
    assert (found.value, found.runs, found.met) == (3.0, (3.0, 1.0, 9.0), True)
    assert found.note == "how"


def test_a_figure_that_some_runs_lack_keeps_those_it_has() -> None:
    with_both, with_one = Sheet("agent"), Sheet("agent")
    with_both.add("CPU", 1.0, "s")
    with_both.add("memory", 40.0, "MiB")
    with_one.add("CPU", 2.0, "s")
    assert {f.name: f.runs for f in merged([with_both, with_one])} == {
        "CPU": (1.0, 2.0),
        "memory": (40.0,),
    }


@pytest.mark.parametrize(
    ("budget", "value", "met"),
    [
        (at_most(50), 50.0, True),
        (at_most(50), 50.1, False),
        (at_least(95), 95.0, True),
        (at_least(95), 94.9, False),
    ],
)
def test_a_budget_says_which_way_is_better(budget: object, value: float, met: object) -> None:
    assert Figure("r", "n", "u", (value,), budget).met is met  # type: ignore[arg-type]


def test_json_says_that_a_budget_is_missed() -> None:
    told = as_json([figure(1.0), figure(2.0, limit=1.0)], quick=True)
    assert told["met"] is False
    assert [each["met"] for each in told["figures"]] == [None, False]
    assert told["figures"][1]["budget"] == {"sense": "<=", "limit": 1.0}


def test_the_table_has_a_line_for_each_figure() -> None:
    assert as_table([figure(1.0), figure(2.0, limit=1.0)]).row_count == 2


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.01234, "0.0123"), (291279.4, "291,279"), (41.26, "41.3")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert shown(value) == text


@given(
    values=st.lists(st.floats(0, 1e9), min_size=1, max_size=4),
    limit=st.none() | st.floats(0.001, 1e6),
)
def test_a_plot_of_any_values_is_sound_and_has_a_dot_for_each(
    values: list[float], limit: float | None
) -> None:
    curve = {2**place: figure(value, limit=limit) for place, value in enumerate(values)}
    root = ET.fromstring(svg(curve, "devices"))  # noqa: S314 - our own
    dots = [node for node in root if node.tag.endswith("circle")]
    assert len(dots) == len(values)
    for dot in dots:
        assert 0 <= float(dot.attrib["cx"]) <= WIDTH
        assert TOP - 1 <= float(dot.attrib["cy"]) <= HEIGHT
    assert any("budget" in node.attrib.get("class", "") for node in root) is (limit is not None)


def test_a_plot_is_a_file_named_after_its_figure(tmp_path: object) -> None:
    file = draw({1: figure(1.0), 2: figure(2.0)}, "devices", tmp_path)  # type: ignore[arg-type]
    assert file.name == "agent-cpu-per-reading.svg"
    assert "CPU &lt;per&gt; reading" in file.read_text()


def test_a_ratio_is_the_median_of_the_runs_and_stands_in_table_json_and_plot() -> None:
    sheets = []
    for value, raw in ((3.0, 1.0), (8.0, 2.0), (5.0, 1.0)):
        sheet = Sheet("agent")
        sheet.add("CPU", value, "s", at_most(9), beside=("a bare loop", raw))
        sheets.append(sheet)
    (found,) = merged(sheets)

    assert found.ratio == 4.0
    told = found.as_json()["baseline"]
    assert told == {"name": "a bare loop", "runs": [1.0, 2.0, 1.0], "ratio": 4.0}
    assert "4 x a bare loop" in list(as_table([found]).columns[3].cells)
    assert "4 x raw" in svg({1: found}, "devices")


def test_a_figure_without_a_baseline_has_no_ratio() -> None:
    assert figure(1.0).ratio is None
    assert figure(1.0).as_json()["baseline"] is None
