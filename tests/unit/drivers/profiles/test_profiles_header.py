"""What all kinds of profiles share: the head, finding, mistakes with their lines, writing."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from drivers.profiles.header import Header, Strict
from drivers.profiles.reading import (
    SHIPPED,
    Loc,
    ProfileError,
    check_text,
    find_profile,
    lines_of,
    protocol_of,
    read_text,
)
from drivers.profiles.writing import comment, head, toml
from gateway.model.ids import OPERATIONS, PERSONAL
from gateway.model.profile import HeadWords

PATH = Path("thing.toml")
WORDS = HeadWords("thing", "Вещь", "Thing", "a manual", "1", maker="M", models=("A", "B"))


class Inner(Strict):
    value: int


class Part(Strict):
    name: str
    inner: tuple[Inner, ...] = ()


class Table(Strict):
    part: tuple[Part, ...] = ()


class Thing(Header):
    protocol: Literal["thing"]
    table: Table = Field(default=Table())


def check(text: str, problems: list[tuple[Loc, str]] | None = None) -> Thing:
    return check_text(text, PATH, Thing, lambda _: problems or [])


def mistakes(
    text: str, problems: list[tuple[Loc, str]] | None = None
) -> list[tuple[int, str, str]]:
    with pytest.raises(ProfileError) as error:
        check(text, problems)
    return [(each.line, each.option, each.message) for each in error.value.mistakes]


def test_a_head_is_read_as_it_is_written() -> None:
    thing = check(head(WORDS, "thing"))
    assert (thing.name, thing.title.ru, thing.maker) == ("thing", "Вещь", "M")
    assert (thing.models, thing.source.document) == (("A", "B"), "a manual")


def test_a_personal_point_belongs_to_its_audience_whatever_it_says_itself() -> None:
    text = head(WORDS, "thing").replace("[source]", 'personal = ["card"]\n\n[source]')
    thing = check(text)
    assert thing.audience_of("card", OPERATIONS) == PERSONAL
    assert thing.audience_of("door", "security") == "security"
    assert thing.unknown_personal(frozenset({"card", "door"})) is None
    assert thing.unknown_personal(frozenset({"door"})) == "no such points: card"


def test_another_protocol_is_refused_at_its_line() -> None:
    assert mistakes(head(WORDS, "modbus")) == [
        (2, "protocol", "Input should be 'thing', found 'modbus'")
    ]


def test_mistakes_in_tables_of_tables_have_their_own_lines() -> None:
    tables = """
[[table.part]]
name = "first"
[[table.part.inner]]
value = 1

[[table.part]]
name = "second"
[[table.part.inner]]
value = 1
[[table.part.inner]]
value = "two"
"""
    text = head(WORDS, "thing") + tables
    line = text.splitlines().index('value = "two"') + 1
    [(found, option, _)] = mistakes(text)
    assert (found, option) == (line, "table.part second.inner 2.value")


def test_what_contradicts_is_told_beside_another_name_than_the_file_has() -> None:
    text = head(WORDS, "thing").replace('"thing"\nprotocol', '"another"\nprotocol')
    assert mistakes(text, [(("source", "edition"), "is too old")]) == [
        (1, "name", "'another' must be the name of the file, 'thing'"),
        (9, "source.edition", "is too old"),
    ]


@given(st.text(max_size=300))
def test_any_text_is_refused_with_lines_that_are_there(text: str) -> None:
    with pytest.raises(ProfileError) as error:
        check(text)
    assert error.value.mistakes
    last = len(text.splitlines()) + text.count("\n") + 1
    assert all(1 <= mistake.line <= last for mistake in error.value.mistakes)


@given(st.text(alphabet='[]."=\nab# ', max_size=80))
def test_lines_are_found_in_any_text(text: str) -> None:
    assert all(1 <= line <= len(text.splitlines()) for line in lines_of(text).values())


def test_a_profile_that_is_not_there_is_told_with_near_names_of_its_protocol(
    tmp_path: Path,
) -> None:
    (tmp_path / "profiles").mkdir()
    for name in ("lamp-one", "lamp-two"):
        words = HeadWords(name, "Лампа", "Lamp", "a manual", "1")
        (tmp_path / "profiles" / f"{name}.toml").write_text(head(words, "thing"), encoding="utf-8")
    assert find_profile("lamp-one", tmp_path, "thing").stem == "lamp-one"
    assert find_profile("demo-door", tmp_path, "modbus") == SHIPPED / "demo-door.toml"
    with pytest.raises(ProfileError, match="did you mean lamp-t"):
        find_profile("lamp-too", tmp_path, "thing")
    with pytest.raises(ProfileError) as error:
        find_profile("lamp-too", tmp_path, "modbus")
    assert "lamp-two" not in str(error.value)


def test_the_protocol_of_what_is_no_profile_is_the_usual_one(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    for content in (b"\xff", b"= =", b"protocol = 1", b"name = 'x'"):
        path.write_bytes(content)
        assert protocol_of(path) == "modbus"
    assert protocol_of(tmp_path / "none.toml") == "modbus"
    path.write_text('protocol = "ble"')
    assert protocol_of(path) == "ble"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff\xff")
    for name in ("x.toml", "none.toml"):
        with pytest.raises(ProfileError, match="cannot be read"):
            read_text(tmp_path / name)


PLAIN = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)


@given(PLAIN | st.lists(PLAIN) | st.dictionaries(st.text("ab_-. яё\"'\n"), PLAIN))
def test_what_is_written_is_read_back(value: object) -> None:
    assert tomllib.loads(f"x = {toml(value)}")["x"] == value  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_written(value: float) -> None:
    with pytest.raises(ValueError, match="no place"):
        toml(value)


def test_half_a_letter_is_written_as_the_sign_for_it() -> None:
    assert tomllib.loads(f"x = {toml(chr(0xD800))}")["x"] == "\ufffd"


@given(st.text("ab \n#"), st.integers(4, 30))
def test_a_comment_stays_one_and_keeps_its_words(text: str, width: int) -> None:
    lines = comment(text, width).split("\n")
    assert all(line.startswith("#") for line in lines)
    assert " ".join(line[1:].strip() for line in lines).split() == text.split()
