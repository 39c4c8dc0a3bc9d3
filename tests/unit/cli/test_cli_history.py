"""`mayak store history`: spans, and the plot."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.history import HEIGHT, WIDTH, plot, seconds
from gateway.model.errors import GatewayError

EMPTY = chr(0x2800)


def rows(*values: float | None, length_ms: int = 60_000) -> list[dict[str, Any]]:
    return [
        {"at_ms": number * length_ms, "length_ms": length_ms, "least": value, "greatest": value}
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize(("text", "s"), [("90s", 90), ("30m", 1800), ("6h", 21600), ("2d", 172800)])
def test_spans(text: str, s: int) -> None:
    assert seconds(text) == s


@pytest.mark.parametrize("text", ["", "h", "-1h", "1.5h", "1w", "1h30m", "9999999s", "١h"])
def test_what_is_no_span_is_refused_with_examples(text: str) -> None:
    with pytest.raises(GatewayError, match="write 90s, 30m, 6h or 2d"):
        seconds(text)


def test_a_rise_goes_from_below_left_to_above_right() -> None:
    lines = plot(rows(*range(WIDTH)))
    assert lines[0].endswith(f"  {WIDTH - 1}")
    assert lines[HEIGHT - 1].endswith("  0")
    assert lines[0][0] == lines[HEIGHT - 1][WIDTH - 1] == EMPTY
    assert EMPTY not in (lines[HEIGHT - 1][0], lines[0][WIDTH - 1])
    assert "1970-01-01 00:00" in lines[-1]
    assert "1970-01-01 01:00" in lines[-1]


def test_a_band_is_filled_from_its_least_to_its_greatest() -> None:
    row = {"at_ms": 0, "length_ms": 1, "least": -5.0, "greatest": 5.0}
    assert {sign for line in plot([row])[:HEIGHT] for sign in line[:WIDTH]} == {chr(0x28FF)}


def test_nothing_told_is_nothing_drawn() -> None:
    assert plot([]) == plot(rows(None, None)) == []


@given(st.lists(st.none() | st.floats(-1e9, 1e9), max_size=50))
def test_a_plot_has_its_size_whatever_the_values(values: list[float | None]) -> None:
    lines = plot(rows(*values))
    assert len(lines) in {0, HEIGHT + 1}
    assert all(len(line) >= WIDTH for line in lines)
