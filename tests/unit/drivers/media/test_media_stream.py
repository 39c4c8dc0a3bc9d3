"""Cutting what a talker says into frames: a toy protocol of `<` letters `>`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.media.stream import LONGEST_NOISE, Stream
from gateway.model.errors import FrameError

LONGEST = 16


def find(buffer: bytearray) -> int:
    start = buffer.find(b"<")
    if start:
        return -(start if start > 0 else len(buffer))
    end = buffer.find(b">")
    return end + 1 if end > 0 else 0


def test_what_comes_torn_is_put_together() -> None:
    stream = Stream(find, LONGEST)
    assert stream.take(b"<a") == []
    assert stream.take(b"b><c") == [b"<ab>"]
    assert stream.take(b">") == [b"<c>"]


def test_a_run_of_noise_is_one_mistake_before_the_next_frame() -> None:
    stream = Stream(find, LONGEST)
    assert stream.take(b"xy") == []
    found = stream.take(b"z<a>")
    assert isinstance(found[0], FrameError)
    assert found[0].answer == b"xyz"
    assert found[1:] == [b"<a>"]


def test_noise_without_end_is_told_and_not_kept() -> None:
    stream = Stream(find, LONGEST)
    found = [each for _ in range(10) for each in stream.take(b"x" * LONGEST_NOISE)]
    assert len(found) == 10
    assert all(isinstance(each, FrameError) for each in found)


def test_a_frame_that_never_ends_is_given_up() -> None:
    stream = Stream(find, LONGEST)
    assert stream.take(b"<" + b"a" * LONGEST) == []
    found = stream.take(b"<b>")
    assert isinstance(found[0], FrameError)
    assert found[1] == b"<b>"


def test_what_was_begun_is_forgotten_with_the_port() -> None:
    stream = Stream(find, LONGEST)
    stream.take(b"xx<a")
    stream.forget()
    assert stream.take(b"<b>") == [b"<b>"]


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_any_pieces_are_frames_or_mistakes_and_little_is_kept(pieces: list[bytes]) -> None:
    stream = Stream(find, LONGEST)
    for piece in pieces:
        for found in stream.take(piece):
            assert isinstance(found, FrameError) or (found[:1], found[-1:]) == (b"<", b">")
        assert len(stream._buffer) <= LONGEST
        assert len(stream._noise) < LONGEST_NOISE
