"""The frames of the PMS5003.

Vectors: orders of the series data manual V2.3, appendix II; frames as real sensors sent them,
printed in the documentation of PyPMS (docs/sensors/Plantower.md).
"""

from __future__ import annotations

import itertools
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.environment.pms5003 import codec
from drivers.environment.pms5003.codec import Order, Reply
from drivers.environment.pms5003.framing import Answer
from drivers.media.framing import ForeignFrameError
from drivers.media.stream import Stream
from gateway.model.errors import FrameError

CAPTURED = bytes.fromhex(
    "42 4d 00 1c 00 00 00 08 00 08 00 00 00 08 00 08 00 d2 00 46 00 2d 00 1e 00 00 00 00 97 0002 c5"
)
QUIET = bytes.fromhex("42 4d 00 04 e1 00 01 74")
ORDERS = {
    "424de100000170": codec.command(Order.MODE, 0),
    "424de100010171": codec.command(Order.MODE, 1),
    "424de200000171": codec.command(Order.READ),
    "424de400000173": codec.command(Order.WORK, 0),
    "424de400010174": codec.command(Order.WORK, 1),
}


@pytest.mark.parametrize("printed", ORDERS)
def test_an_order_is_as_it_is_printed(printed: str) -> None:
    assert ORDERS[printed].hex() == printed


def test_a_captured_frame_is_read() -> None:
    assert codec.values(CAPTURED) == (0, 8, 8, 0, 8, 8, 210, 70, 45, 30, 0, 0)


def test_the_answer_to_an_order_is_read() -> None:
    assert codec.reply(QUIET) == Reply(Order.MODE, 0)
    with pytest.raises(FrameError):
        codec.values(QUIET)
    with pytest.raises(FrameError):
        codec.reply(CAPTURED)


@given(st.lists(st.integers(0, 0xFFFF), min_size=13, max_size=13))
def test_any_twelve_numbers_come_back(numbers: list[int]) -> None:
    body = b"BM\0\x1c" + struct.pack(">13H", *numbers)
    frame = body + (sum(body) & 0xFFFF).to_bytes(2, "big")
    assert codec.values(frame) == tuple(numbers[:12])


@given(st.binary(max_size=80))
def test_any_bytes_are_a_frame_or_a_mistake(data: bytes) -> None:
    for read in (codec.values, codec.reply):
        with suppress(FrameError):
            read(data)
    with suppress(FrameError):
        Answer(Order.READ).measure(data)


@given(st.sampled_from([CAPTURED, QUIET]), st.integers(0, 255))
def test_one_flipped_bit_is_refused(whole: bytes, place: int) -> None:
    frame = bytearray(whole)
    place %= 8 * len(frame)
    frame[place // 8] ^= 1 << place % 8
    with pytest.raises(FrameError):
        codec.check(frame)


@given(st.lists(st.integers(0, 200)), st.lists(st.binary(max_size=9), max_size=4))
def test_torn_anywhere_the_stream_gives_the_same_frames(
    cuts: list[int], noises: list[bytes]
) -> None:
    noise = [piece.replace(b"\x42", b"\x00") for piece in noises]
    wire = b"".join(piece + CAPTURED + QUIET for piece in noise) + CAPTURED
    stream = Stream(codec.find, codec.MEASUREMENT)
    found: list[bytes | FrameError] = []
    for start, end in itertools.pairwise(
        sorted({0, len(wire), *(c for c in cuts if c < len(wire))})
    ):
        found += stream.take(wire[start:end])
    frames = [frame for frame in found if isinstance(frame, bytes)]
    assert frames == [CAPTURED, QUIET] * len(noise) + [CAPTURED]


def test_a_measurement_does_not_answer_an_order() -> None:
    assert Answer(Order.MODE, 0, talks=True).measure(CAPTURED) == -32
    assert Answer(Order.MODE, 0).measure(QUIET) == 8
    assert Answer(Order.MODE, 1).measure(QUIET) == -8
    assert Answer(Order.WORK, 1).measure(CAPTURED) == 32


def test_a_foreign_protocol_is_no_answer() -> None:
    with pytest.raises(ForeignFrameError):
        Answer(Order.READ).measure(b"\x01\x03\x02\x00\x17\xf8\x4a")


def test_a_frame_of_a_smaller_model_is_refused() -> None:
    with pytest.raises(FrameError, match="length 20"):
        codec.values(bytes.fromhex("424d0014") + bytes(18) + bytes.fromhex("00f4"))
