"""Frames of an RDM6300: whole, torn, split, flipped, doubled, foreign."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.access.rdm6300.codec import Frames, Torn, encode

NUMBERS = st.binary(min_size=5, max_size=5)


def found(*pieces: bytes) -> list[bytes | Torn]:
    frames = Frames()
    return [each for piece in pieces for each in frames.feed(piece)]


@pytest.mark.parametrize(
    ("wire", "number"),
    [
        (b"\x0262E3086CED08\x03", "62e3086ced"),
        (bytes.fromhex("02 30313030303733344530 4432 03"), "01000734e0"),
    ],
    ids=["first example of the source", "second example of the source"],
)
def test_the_examples_of_the_source_are_read(wire: bytes, number: str) -> None:
    assert found(wire) == [bytes.fromhex(number)]
    assert encode(bytes.fromhex(number)) == wire


@given(st.lists(st.one_of(NUMBERS.map(encode), st.binary(max_size=20)), max_size=6), st.data())
def test_split_anywhere_gives_the_same(pieces: list[bytes], data: st.DataObject) -> None:
    wire = b"".join(pieces)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(wire)))))
    parts = [wire[a:b] for a, b in pairwise([0, *cuts, len(wire)])]
    assert found(*parts) == found(wire)


@given(NUMBERS)
def test_encode_then_decode_is_identity(number: bytes) -> None:
    assert found(encode(number)) == [number]
    assert found(encode(number) * 2) == [number, number]


@given(NUMBERS, st.integers(0, 14 * 8 - 1))
def test_a_flipped_bit_is_refused(number: bytes, bit: int) -> None:
    wire = bytearray(encode(number))
    wire[bit // 8] ^= 1 << bit % 8
    assert all(isinstance(each, Torn) for each in found(bytes(wire)))


@given(st.binary(max_size=64), NUMBERS)
def test_after_any_bytes_a_frame_after_the_next_is_read(noise: bytes, number: bytes) -> None:
    assert found(noise, encode(number), encode(number))[-1] == number


@given(NUMBERS, st.integers(1, 13))
def test_a_frame_that_breaks_off_is_refused_and_the_next_one_read(number: bytes, at: int) -> None:
    first, *rest = found(encode(number)[:at], encode(number))
    assert isinstance(first, Torn)
    assert rest == [number]


def test_a_foreign_protocol_is_told_once() -> None:
    assert found(b"$GPGGA,123519,4807.038,N*47\r\n" * 3) == [Torn.STRAY]


def test_small_letters_are_no_digits() -> None:
    assert found(encode(bytes.fromhex("62e3086ced")).lower()) == [Torn.NO_DIGIT]


def test_a_number_of_another_length_is_no_number() -> None:
    with pytest.raises(ValueError, match="5 bytes"):
        encode(b"1234")
