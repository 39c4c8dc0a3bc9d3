"""What a board cannot show is refused, never garbled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.displays.charset import CODE_PAGES, Charset, is_single
from drivers.displays.sheet import Sheet
from gateway.model.errors import CommandRefusedError
from tests.fuzz import fuzz_displays


@given(st.sampled_from(CODE_PAGES), st.text(max_size=40))
def test_a_text_comes_back_as_it_was_or_is_refused(code_page: str, text: str) -> None:
    charset = Charset(code_page, "<>", 30)
    try:
        made = charset.encode(text)
    except CommandRefusedError:
        return
    assert charset.decode(made) == text
    assert len(made) == len(text) <= 30
    assert not set(text) & {"<", ">"}


@given(st.sampled_from(CODE_PAGES), st.binary(max_size=40))
def test_any_bytes_are_a_text_or_none(code_page: str, data: bytes) -> None:
    text = Charset(code_page).decode(data)
    assert text is None or text.isprintable()


@pytest.mark.parametrize("code_page", ["cp1251", "cp866", "koi8-r", "iso8859-5"])
def test_cyrillic_code_pages_have_the_whole_alphabet(code_page: str) -> None:
    letters = "АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдеёжзийклмнопрстуфхцчшщъыьэюя"
    assert Charset(code_page).decode(Charset(code_page).encode(letters)) == letters


def test_only_code_pages_of_single_bytes_are_known() -> None:
    assert all(map(is_single, CODE_PAGES))
    assert not is_single("utf-8")
    assert not is_single("klingon")


@given(st.binary(max_size=60))
def test_any_bytes_do_not_break_a_board(data: bytes) -> None:
    fuzz_displays.one(data)


def test_all_boards_are_tried() -> None:
    assert all(isinstance(sheet, Sheet) for sheet in fuzz_displays.SHEETS)
    assert len(fuzz_displays.SHEETS) >= 3
