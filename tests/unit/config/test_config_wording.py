"""What is found and what is allowed, in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.checking import adapter, validate
from gateway.config.document import parse_document
from gateway.config.wording import allowed, found, listed, nearest, visible
from gateway.messages.formatting import LANGUAGES
from gateway.model.options import Limits, Name, Options, SitePath


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner(Options):
    """A table."""

    depth: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds(Options):
    """One option of each kind."""

    whole: int
    whole_from: Annotated[int, Limits(ge=1)]
    whole_to: Annotated[int, Limits(le=9)]
    whole_between: Annotated[int, Limits(ge=-1, le=9)]
    number: float
    above: Annotated[float, Limits(gt=0)]
    above_to: Annotated[float, Limits(gt=0, le=0.5)]
    above_below: Annotated[float, Limits(gt=0, lt=1)]
    from_below: Annotated[float, Limits(ge=0, lt=1)]
    below: Annotated[float, Limits(lt=1)]
    maybe: int | None = None
    either: int | Literal["auto"] = 0
    one: Literal["a"] = "a"
    some: Literal["a", "b", "c"] = "a"
    yes: bool = True
    text: str = ""
    long: Annotated[str, Limits(min_length=2)] = ""
    short: Annotated[str, Limits(max_length=9)] = ""
    middle: Annotated[str, Limits(min_length=2, max_length=9)] = ""
    name: Name = "a"
    hexadecimal: Annotated[str, Limits(pattern="^[0-9a-f]+$")] = "0"
    path: SitePath = Path()
    numbers: list[int] = field(default_factory=list)
    texts: Annotated[list[str], Limits(min_length=1)] = field(default_factory=lambda: ["a"])
    tables: list[Inner] = field(default_factory=list)
    table: Inner = field(default_factory=lambda: Inner(depth=1))
    any_names: dict[str, float] = field(default_factory=dict)
    kinds: int | Inner = 0


EXPECTED = {
    "whole": "a whole number",
    "whole_from": "a whole number of at least 1",
    "whole_to": "a whole number up to 9",
    "whole_between": "a whole number from -1 to 9",
    "number": "a number",
    "above": "a number above 0",
    "above_to": "a number above 0, up to 0.5",
    "above_below": "a number above 0 and below 1",
    "from_below": "a number from 0 and below 1",
    "below": "a number below 1",
    "maybe": "a whole number",
    "either": 'a whole number or "auto"',
    "one": '"a"',
    "some": '"a", "b" or "c"',
    "yes": "true or false",
    "text": "text in quotes",
    "long": "text in quotes of at least 2 characters",
    "short": "text in quotes of up to 9 characters",
    "middle": "text in quotes of 2 to 9 characters",
    "name": "a name of a-z, 0-9, `_`, `.`, `-`, up to 63 characters, a letter or digit first",
    "hexadecimal": "text of the form ^[0-9a-f]+$",
    "path": "the path of a file, in quotes",
    "numbers": "a list of: a whole number",
    "texts": "a list with at least one of: text in quotes",
    "tables": "tables, each under its own `[[tables]]`",
    "table": "a table",
    "any_names": "a table of names with a number",
    "kinds": "a whole number or a table",
}
SCHEMA = adapter(Kinds).json_schema()


@pytest.mark.parametrize("option", EXPECTED)
def test_what_is_allowed_is_said_in_words(option: str) -> None:
    assert allowed(SCHEMA["properties"][option], SCHEMA, "en", name=option) == EXPECTED[option]


def test_what_is_allowed_is_said_in_russian() -> None:
    said = {name: allowed(part, SCHEMA, "ru") for name, part in SCHEMA["properties"].items()}
    assert said["whole_between"] == "целое число от -1 до 9"
    assert said["above_to"] == "число больше 0 и не больше 0.5"
    assert said["either"] == 'целое число или "auto"'
    assert set(said) == set(EXPECTED)


def test_a_schema_without_a_kind_allows_another_value() -> None:
    assert allowed({}, {}, "en") == "another value"
    assert allowed({"anyOf": [{"type": "null"}]}, {}, "en") == "nothing, none is defined"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "true"),
        (7, "7"),
        (2**63, "a number of more than 64 bits"),
        (-(2**63), str(-(2**63))),
        (1.5, "1.5"),
        (float("nan"), "nan"),
        ('a"b', '"a\\"b"'),
        ("x" * 99, '"' + "x" * 60 + '…"'),
        ({}, "a table"),
        ([1], "a list"),
        ([], "an empty list"),
    ],
)
def test_what_was_found_is_said_as_it_is_typed(value: object, said: str) -> None:
    assert found(value, "en") == said


@given(st.text(), st.sampled_from(LANGUAGES))
def test_what_was_found_never_moves_the_cursor(value: str, lang: Literal["ru", "en"]) -> None:
    assert visible(found(value, lang)).isprintable()


def test_names_are_listed_and_the_nearest_is_meant() -> None:
    assert listed(["a", "b"], "en") == "`a`, `b`"
    assert listed([], "en") == "nothing, none is defined"
    assert nearest("boud_rate", ["port", "baud_rate"]) == "baud_rate"
    assert nearest("zzz", ["port", "baud_rate"]) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unspeakable(Options):
    """Options whose JSON Schema cannot be made."""

    odd: Callable[[], int]


def test_a_model_without_a_schema_is_explained_by_pydantic() -> None:
    document = parse_document(Path("x.toml"), b"\n[t]\nodd = 'x'\n", "en")
    model, (mistake,) = validate(Unspeakable, document.tree["t"], document, ("t",), "en")
    assert model is None
    assert (mistake.line, mistake.option) == (3, "t.odd")
    assert mistake.message == 'Found "x", allowed: Input should be callable.'


def test_mistakes_deep_inside_alternatives_keep_their_place() -> None:
    raw = b"""
whole_from = 0
whole_to = 1
[kinds]
dept = 1
[[tables]]
depth = 1
[[tables]]
depth = "x"
"""
    document = parse_document(Path("x.toml"), raw, "en")
    _, mistakes = validate(Kinds, document.tree, document, (), "en")
    told = {(each.line, each.option, each.message) for each in mistakes}
    assert (2, "whole_from", "Found 0, allowed: a whole number of at least 1.") in told
    assert (9, "tables.depth", 'Found "x", allowed: a whole number.') in told
    assert (4, "kinds", "Found a table, allowed: a whole number or a table.") in told
    assert any(each[:2] == (4, "kinds.depth") for each in told)
