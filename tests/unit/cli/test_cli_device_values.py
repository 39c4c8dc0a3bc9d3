"""What a person types after `mayak write DEVICE.POINT`, and what becomes of DEVICE.POINT."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.device import _value

TYPED: dict[str, bool | int | float | str] = {
    "true": True, "On": True, " false ": False, "OFF": False,
    "1": 1, "0": 0, "-17": -17, "+3": 3, "007": 7, " 5 ": 5,
    "1.5": 1.5, "1,5": 1.5, "-0,25": -0.25, ".5": 0.5, "2.": 2.0, "1e3": 1000.0, "1,5E-3": 0.0015,
    "auto": "auto", "": "", "1 000": "1 000", "1_000": "1_000", "0x10": "0x10", "1,5,5": "1,5,5",
    "nan": "nan", "inf": "inf", "-Infinity": "-Infinity", "1e999": "1e999", "١٢": "١٢", "+": "+",
    "Шкаф 3": "Шкаф 3",
}  # fmt: skip


@pytest.mark.parametrize("text", TYPED)
def test_what_is_typed_becomes(text: str) -> None:
    value = _value(text)

    assert (type(value), value) == (type(TYPED[text]), TYPED[text])


@given(st.text(max_size=30))
def test_any_text_is_a_value(text: str) -> None:
    value = _value(text)

    assert value == value  # noqa: PLR0124  # not a number would differ from itself
    assert isinstance(value, str | bool) or abs(value) < 1e309


@given(st.integers(-(2**64), 2**64))
def test_whole_numbers_stay_whole(number: int) -> None:
    assert _value(str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_taken_with_point_and_comma(number: float) -> None:
    assert _value(repr(number)) == _value(repr(number).replace(".", ",")) == number


def test_more_digits_than_any_register_has_are_text() -> None:
    assert _value("9" * 5000) == "9" * 5000
