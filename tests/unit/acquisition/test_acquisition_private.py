"""An answer that arrives broken holds values too: on a private line it is not told in bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.acquisition.qualify import error_text
from gateway.model.errors import (
    DeviceError,
    DeviceRejectedError,
    FrameError,
    NoResponseError,
)

ERRORS = {
    "frame": FrameError("wrong checksum", answer=b"\xca\xfe"),
    "refusal": DeviceRejectedError("no such register", code=2, answer=b"\xca\xfe"),
    "silence": NoResponseError("no answer to 01 03"),
    "time": TimeoutError("too late"),
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_on_an_open_line_everything_is_told(error: Exception) -> None:
    assert error_text(error, private=False) == str(error)


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_on_a_private_line_the_words_are_told_without_the_bytes(error: Exception) -> None:
    said = error_text(error, private=True)
    assert "ca fe" not in said
    assert str(error).startswith(said)


@given(st.text(max_size=30), st.binary(min_size=4, max_size=300))
def test_no_answer_is_told_however_long_it_is(words: str, answer: bytes) -> None:
    said = error_text(DeviceError(words, answer=answer), private=True)
    assert said == words
