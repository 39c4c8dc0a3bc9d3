"""The frames of the SDS011. Vectors: Laser Dust Sensor Control Protocol V1.3, 3, its examples."""

from __future__ import annotations

import itertools
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.environment.sds011 import codec
from drivers.environment.sds011.codec import MEASUREMENT, REPLY, Frame, Number
from drivers.environment.sds011.framing import Answer
from drivers.media.framing import ForeignFrameError
from drivers.media.stream import Stream
from gateway.model.errors import FrameError

DATA = bytes.fromhex("AAC0D4043A0AA1601DAB")
COMMANDS = {
    "ask how it reports": (
        codec.command(Number.REPORTING),
        "AAB402000000000000000000000000FFFF00AB",
    ),
    "report when asked": (
        codec.command(Number.REPORTING, 0xA160, 1),
        "AAB402010100000000000000000000A16005AB",
    ),
    "query": (codec.command(Number.QUERY), "AAB404000000000000000000000000FFFF02AB"),
    "query one": (
        codec.command(Number.QUERY, 0xA160),
        "AAB404000000000000000000000000A16005AB",
    ),
    "sleep": (codec.command(Number.WORK, 0xA160, 0), "AAB406010000000000000000000000A16008AB"),
    "work": (codec.command(Number.WORK, 0xA160, 1), "AAB406010100000000000000000000A16009AB"),
    "ask whether it works": (
        codec.command(Number.WORK, 0xA160),
        "AAB406000000000000000000000000A16007AB",
    ),
    "period": (codec.command(Number.PERIOD, 0xA160, 1), "AAB408010100000000000000000000A1600BAB"),
    "continuous": (
        codec.command(Number.PERIOD, 0xA160, 0),
        "AAB408010000000000000000000000A1600AAB",
    ),
    "ask its period": (
        codec.command(Number.PERIOD, 0xA160),
        "AAB408000000000000000000000000A16009AB",
    ),
    "firmware": (
        codec.command(Number.FIRMWARE, 0xA160),
        "AAB407000000000000000000000000A16008AB",
    ),
}
ANSWERS = {
    "AAC502000000A16003AB": Frame(REPLY, bytes((2, 0, 0, 0)), 0xA160),
    "AAC502000100A16004AB": Frame(REPLY, bytes((2, 0, 1, 0)), 0xA160),
    "AAC506010000A16008AB": Frame(REPLY, bytes((6, 1, 0, 0)), 0xA160),
    "AAC508000200A1600BAB": Frame(REPLY, bytes((8, 0, 2, 0)), 0xA160),
    "AAC5070F070AA16028AB": Frame(REPLY, bytes((7, 15, 7, 10)), 0xA160),
    "AAC0D4043A0AA1601DAB": Frame(MEASUREMENT, bytes.fromhex("D4043A0A"), 0xA160),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_as_the_document_prints_it(name: str) -> None:
    made, printed = COMMANDS[name]
    assert made == bytes.fromhex(printed)


@pytest.mark.parametrize("printed", ANSWERS)
def test_an_answer_of_the_document_is_read(printed: str) -> None:
    assert codec.unwrap(bytes.fromhex(printed)) == ANSWERS[printed]


def test_values_of_the_document() -> None:
    assert codec.concentrations(codec.unwrap(DATA).data) == (123.6, 261.8)
    assert codec.firmware(bytes((7, 15, 7, 10))) == "15-07-10"


@given(st.binary(max_size=64))
def test_any_bytes_are_a_frame_or_a_mistake(data: bytes) -> None:
    with suppress(FrameError):
        codec.unwrap(data)


@given(
    st.sampled_from([MEASUREMENT, REPLY]),
    st.binary(min_size=4, max_size=4),
    st.integers(0, 0xFFFF),
    st.integers(0, 79),
)
def test_one_flipped_bit_is_refused(kind: int, data: bytes, sensor: int, place: int) -> None:
    body = data + sensor.to_bytes(2, "big")
    frame = bytearray((0xAA, kind)) + body + bytes((sum(body) & 0xFF, 0xAB))
    assert codec.unwrap(frame) == Frame(kind, data, sensor)
    frame[place // 8] ^= 1 << place % 8
    with pytest.raises(FrameError):
        codec.unwrap(frame)


@given(st.lists(st.integers(0, 200)), st.lists(st.binary(max_size=9), max_size=4))
def test_torn_anywhere_the_stream_gives_the_same_frames(
    cuts: list[int], noises: list[bytes]
) -> None:
    noise = [piece.replace(b"\xaa", b"\x00") for piece in noises]
    wire = b"".join(piece + DATA for piece in noise) + DATA
    stream = Stream(codec.find, codec.FRAME)
    found: list[bytes | FrameError] = []
    edges = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    for start, end in itertools.pairwise(edges):
        found += stream.take(wire[start:end])
    assert [frame for frame in found if isinstance(frame, bytes)] == [DATA] * (len(noise) + 1)
    mistakes = [error for error in found if isinstance(error, FrameError)]
    assert len(mistakes) == sum(1 for piece in noise if piece)


@given(st.binary(max_size=64))
def test_the_answer_is_found_behind_what_a_talker_says(noise: bytes) -> None:
    clean = noise.replace(b"\xaa", b"\x00")
    answer = bytes.fromhex("AAC502000100A16004AB")
    buffer = bytearray(clean + DATA + answer)
    framing = Answer(Number.REPORTING, talks=True)
    while (size := framing.measure(buffer)) < 0:
        del buffer[:-size]
    assert bytes(buffer[:size]) == answer


def test_a_late_answer_about_something_else_is_passed_over() -> None:
    late = bytes.fromhex("AAC508000200A1600BAB")
    assert Answer(Number.REPORTING).measure(late) == -10
    assert Answer(Number.PERIOD).measure(late) == 10


def test_another_sensor_is_named() -> None:
    with pytest.raises(ForeignFrameError, match="A160"):
        Answer(Number.QUERY, 0xB000).measure(DATA)


def test_a_foreign_protocol_is_no_answer() -> None:
    with pytest.raises(ForeignFrameError):
        Answer(Number.QUERY).measure(b"\x01\x03\x02\x00\x17\xf8\x4a")
