"""Numbers, durations and quantities as people write them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.messages.catalogue import duration, quantity
from gateway.messages.formatting import (
    LANGUAGES,
    NO_BREAK,
    NO_VALUE,
    THIN_NO_BREAK,
    Language,
    number,
)


def _plain(said: str) -> str:
    return said.replace(NO_BREAK, "_").replace(THIN_NO_BREAK, "'")


@pytest.mark.parametrize(
    ("value", "russian", "english"),
    [
        (0, "0", "0"),
        (12400, "12'400", "12,400"),
        (-1234567, "-1'234'567", "-1,234,567"),
        (21.5, "21,5", "21.5"),
        (0.1 + 0.2, "0,3", "0.3"),
        (1234.5678, "1'234,57", "1,234.57"),
        (1e9, "1'000'000'000", "1,000,000,000"),
        (1.5e-5, "0,000015", "0.000015"),
        (-0.0, "0", "0"),
        (100.0, "100", "100"),
    ],
)
def test_a_number_is_written_in_the_way_of_the_language(
    value: float, russian: str, english: str
) -> None:
    assert _plain(number(value, "ru")) == russian
    assert _plain(number(value, "en")) == english


def test_a_number_with_fixed_decimals_keeps_its_zeros_and_never_shows_minus_zero() -> None:
    assert number(2.0, "ru", decimals=2) == "2,00"
    assert number(-0.001, "en", decimals=1) == "0.0"


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_number_shows_the_sign_for_no_value(value: float | None) -> None:
    assert number(value, "ru") == NO_VALUE
    assert quantity(value, "W", "ru") == NO_VALUE
    assert value is None or duration(value, "en") == NO_VALUE


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(LANGUAGES))
def test_any_number_reads_back_to_six_digits(value: float, lang: Language) -> None:
    said = number(value, lang)
    if lang == "ru":
        said = said.replace(",", ".").replace(THIN_NO_BREAK, "")
    assert float(said.replace(",", "")) == pytest.approx(value, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize(
    ("seconds", "russian", "english"),
    [
        (0, "0_с", "0_s"),
        (0.45, "0,4_с", "0.4_s"),
        (9.96, "9,9_с", "9.9_s"),
        (42.9, "42_с", "42_s"),
        (60, "1_мин", "1_min"),
        (425, "7_мин 5_с", "7_min 5_s"),
        (8040, "2_ч 14_мин", "2_h 14_min"),
        (21_600, "6_ч", "6_h"),
        (86_400, "1 день", "1 day"),
        (2 * 86_400 + 3 * 3600 + 59, "2 дня 3_ч", "2 days 3_h"),
        (19.9 * 86_400, "19 дней", "19 days"),
        (-90, "1_мин 30_с", "1_min 30_s"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(
    seconds: float, russian: str, english: str
) -> None:
    assert _plain(duration(seconds, "ru")) == russian
    assert _plain(duration(seconds, "en")) == english


@given(st.floats(-1e9, 1e9), st.sampled_from(LANGUAGES))
def test_a_duration_never_shows_zero_beside_a_larger_unit(seconds: float, lang: Language) -> None:
    parts = duration(seconds, lang).split(" ")
    assert len(parts) == 1 or not any(part.startswith("0") for part in parts)


def test_a_quantity_has_a_no_break_space_before_its_unit() -> None:
    assert quantity(1234.5, "kW.h", "ru") == f"1{THIN_NO_BREAK}234,5{NO_BREAK}кВт·ч"
    assert quantity(21.5, "Cel", "en", decimals=1) == f"21.5{NO_BREAK}°C"
    assert quantity(3, "{count}", "ru") == "3"
    assert quantity(3, "furlong", "ru") == f"3{NO_BREAK}furlong"
