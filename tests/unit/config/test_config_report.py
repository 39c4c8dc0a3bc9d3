"""Mistakes as a good compiler shows them."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.report import Tone, lines_of, report
from gateway.model.errors import Mistake

FILE = Path("site.toml")
TEXT = ["[store]", "\tmax_mib = 7 # not \x1b", "path = 'max'", "", "x" * 500]


def _shown(*mistakes: Mistake) -> list[str]:
    return [line.text for line in report(mistakes, "en", lambda _: TEXT)]


def test_a_mistake_shows_its_line_with_a_mark_under_the_option() -> None:
    assert _shown(Mistake(FILE, 2, "store.max_mib", "Found 7.")) == [
        "site.toml:2: store.max_mib",
        "    2 | \tmax_mib = 7 # not \\u001b",
        "      | \t^^^^^^^",
        "  Found 7.",
        "",
        "1 mistake in site.toml.",
    ]


def test_an_option_that_does_not_stand_there_marks_the_line() -> None:
    shown = _shown(Mistake(FILE, 1, "store.gone", "Missing."))
    assert shown[1:3] == ["    1 | [store]", "      | ^^^^^^^"]


def test_a_name_inside_a_longer_one_is_not_marked() -> None:
    shown = _shown(Mistake(FILE, 2, "store.max", "x"))
    assert shown[2].strip(" |\t") == "^" * len(TEXT[1].strip())


def test_a_line_that_is_not_there_is_not_shown_and_a_long_one_is_cut() -> None:
    assert _shown(Mistake(FILE, 0, "", "There is no file."))[:2] == [
        "site.toml:0",
        "  There is no file.",
    ]
    assert len(_shown(Mistake(FILE, 5, "", "Long."))[1]) < 200


def test_mistakes_of_several_files_are_counted_by_file() -> None:
    other = Path("profile.toml")
    counts = _shown(
        Mistake(FILE, 3, "", "b"), Mistake(other, 1, "", "c"), Mistake(FILE, 1, "", "a")
    )
    assert counts[-2:] == ["1 mistake in profile.toml.", "2 mistakes in site.toml."]
    russian = [*report([Mistake(FILE, 1, "", "a")], "ru", lambda _: TEXT)]
    assert russian[-1].text == "Исправьте 1 место в файле site.toml."
    assert russian[-1].tone is Tone.COUNT


def test_lines_are_read_from_the_file_and_none_from_one_that_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(b"\xef\xbb\xbfa = 1\r\nb = '\xff'\n")
    assert lines_of(file) == ["a = 1", "b = '\ufffd'", ""]
    assert lines_of(tmp_path / "no.toml") == []


@given(st.text(max_size=40), st.text(max_size=10), st.integers(-1, 3))
def test_any_line_and_option_are_shown_without_moving_the_cursor(
    line: str, option: str, number: int
) -> None:
    for shown in report([Mistake(FILE, number, option, line)], "ru", lambda _: [line]):
        assert shown.text.replace("\t", "").isprintable()
