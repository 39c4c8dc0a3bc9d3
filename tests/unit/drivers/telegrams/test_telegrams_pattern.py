"""Patterns say what they said, and none of them can take long."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.telegrams.pattern import PatternError, addressed, compiled, safe

REFUSED = {
    "nested": r"(?:a+)+",
    "nested bounds": r"(?:a{1,3}){2,5}",
    "reference": r"(?P<a>x)(?P=a)",
    "number": r"(x)\1",
    "look ahead": r"(?=x)x",
    "look behind": r"(?<!x)y",
    "lazy": r"a+?",
    "possessive by hand": r"a++",
    "anchor": r"^a$",
    "flags": r"(?i)a",
    "open": r"(?:a",
    "close": r"a)",
    "a class without end": r"[a",
    "a repetition of nothing": r"*a",
    "many": r"a{2000}",
    "long": "a" * 2000,
    "letters that mean more": r"\bword\b",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_go_back_is_refused(name: str) -> None:
    with pytest.raises(PatternError):
        compiled(REFUSED[name])


@pytest.mark.parametrize(
    ("pattern", "text", "groups"),
    [
        (r"T=(?P<t>-?[0-9.]{1,6}),H=(?P<h>\d+)", "T=-1.5,H=40", {"t": "-1.5", "h": "40"}),
        (r"A(?:,B=(?P<b>\d))?(?:,C=(?P<c>\d))?", "A,C=4", {"b": None, "c": "4"}),
        (r"(?P<s>OK|ERR (?P<n>\d+))", "ERR 12", {"s": "ERR 12", "n": "12"}),
        (r"a{2}\.\*[]x]", "aa.*]", {}),
        (r"\x02{value}", "\x02{value}", {}),
    ],
)
def test_what_they_find(pattern: str, text: str, groups: dict[str, str | None]) -> None:
    found = compiled(pattern).fullmatch(text)
    assert found is not None
    assert found.groupdict() == groups


def test_nothing_is_given_back() -> None:
    assert re.fullmatch(r".*;", "a;")
    assert compiled(r".*;").fullmatch("a;") is None
    assert compiled(r"[^;]*;").fullmatch("a;")


def test_the_address_stands_as_it_is_written() -> None:
    assert addressed("{address:02X}x")
    assert compiled("{address:02X},", 10).fullmatch("0A,")
    assert compiled("{address}.", "*").fullmatch("*x")
    assert compiled("{address}", "*").fullmatch("") is None


@given(st.text("ab(?:P<n>)|*+{1,3}[^]\\d.xX", max_size=40), st.text("ab1x{", max_size=200))
def test_any_pattern_is_refused_or_matches_no_more_than_it_would_without_care(
    pattern: str, text: str
) -> None:
    try:
        made = compiled(pattern)
    except PatternError:
        return
    if made.fullmatch(text):
        plain = re.compile(re.sub(r"(?<!\\)\{(?!\d)", r"\\{", pattern), re.ASCII)
        assert plain.fullmatch(text) or "{" in pattern


def test_the_worst_of_texts_takes_no_time() -> None:
    # with going back this would take longer than the world has
    pattern = compiled(r"(?:a|aa)?" * 40 + r"(?:[ab]*[ab]*){0,1}" + r"\w*" * 40 + "!")
    assert pattern.fullmatch("a" * 1024) is None
    assert safe("a*") == "a*+"
