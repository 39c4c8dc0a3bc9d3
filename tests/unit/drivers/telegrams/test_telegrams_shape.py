"""Telegrams are found whole, wherever the bytes are cut and whatever comes between them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.media.framing import ForeignFrameError
from drivers.telegrams.checksums import Checksum, Form
from drivers.telegrams.shape import Answer, Counted, Listener, Shape
from gateway.model.errors import FrameError

LIDAR = Shape(b"\x59\x59", length=9, checksum=Checksum("sum8"))
TEXT = Shape(
    b"$", b"\r\n", checksum=Checksum("xor8", Form.HEX, skip=1, mark=b"*", after=2), longest=40
)
COUNTED = Shape(
    b"\xaa", counted=Counted(1, "u8", 3), checksum=Checksum("crc16-modbus", Form.LITTLE)
)
SHAPES = {"lidar": LIDAR, "text": TEXT, "counted": COUNTED}


def telegram(name: str, body: bytes) -> bytes:
    match name:
        case "lidar":
            head = b"\x59\x59" + body[:6].ljust(6, b"\0")
            return head + Checksum("sum8").over(head)
        case "text":
            text = body.hex().encode()[:20]
            return b"$" + text + b"*" + Checksum("xor8", Form.HEX).over(text) + b"\r\n"
        case _:
            head = b"\xaa" + bytes((len(body) + 1,)) + body
            return head + Checksum("crc16-modbus", Form.LITTLE).over(head)


NAMES = st.sampled_from(sorted(SHAPES))
BODY = st.binary(max_size=20)


def measured(shape: Shape, data: bytes) -> int:
    return Answer((shape,), lambda _: True, None).measure(data)


@given(NAMES, BODY)
def test_a_telegram_is_measured_whole_and_not_before(name: str, body: bytes) -> None:
    whole = telegram(name, body)
    shape = SHAPES[name]
    assert [measured(shape, whole[:size]) for size in range(len(whole))] == [0] * len(whole)
    assert measured(shape, whole) == len(whole)
    assert measured(shape, whole + whole) == len(whole)


@given(NAMES, BODY, st.data())
def test_a_flipped_bit_is_never_taken_for_it(name: str, body: bytes, data: st.DataObject) -> None:
    whole = bytearray(telegram(name, body))
    place = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[place // 8] ^= 1 << place % 8
    try:
        size = measured(SHAPES[name], bytes(whole))
    except FrameError:
        return
    # a hexadecimal digit in small letters says the same; else only its length may have grown
    assert size == 0 or bytes(whole).upper() == telegram(name, body).upper()


@given(st.binary(max_size=80))
def test_any_bytes_are_a_telegram_or_wait_or_a_frame_error(data: bytes) -> None:
    for shape in SHAPES.values():
        try:
            size = measured(shape, data)
        except FrameError:
            continue
        assert 0 <= size <= len(data)


@given(NAMES, st.lists(BODY, min_size=1, max_size=4), st.lists(st.integers(1, 30), max_size=20))
def test_a_listener_finds_the_same_wherever_the_bytes_are_cut(
    name: str, bodies: list[bytes], cuts: list[int]
) -> None:
    whole = [telegram(name, body) for body in bodies]
    stream = b"".join(whole)
    heard: list[bytes] = []
    lost: list[FrameError] = []
    listener = Listener((SHAPES[name],), heard.append, lost.append)
    at = 0
    for cut in cuts:
        listener.hear(stream[at : at + cut])
        at += cut
    listener.hear(stream[at:])
    assert heard == whole
    assert not lost


@given(st.binary(max_size=30), st.binary(max_size=30))
def test_a_listener_finds_telegrams_behind_noise(noise: bytes, more: bytes) -> None:
    heard: list[bytes] = []
    listener = Listener((LIDAR,), heard.append, lambda _: None)
    whole = telegram("lidar", b"\x01\x02\x03")
    listener.hear(noise + whole + more.replace(b"\x59", b"") + whole + whole)
    assert heard.count(whole) >= 1


def test_a_listener_tells_noise_once_and_not_the_piece_it_came_into() -> None:
    lost: list[FrameError] = []
    heard: list[bytes] = []
    listener = Listener((LIDAR,), heard.append, lost.append)
    whole = telegram("lidar", b"\x01\x02\x03")
    listener.hear(whole[4:] + whole)
    assert (len(heard), len(lost)) == (1, 0)
    listener.hear(b"\x00\x01\x02" + whole)
    assert (len(heard), len(lost)) == (2, 1)
    assert lost[0].answer == b"\x00\x01\x02"


def test_noise_without_end_is_told_and_forgotten() -> None:
    lost: list[FrameError] = []
    listener = Listener((TEXT,), lambda _: None, lost.append)
    for _ in range(200):
        listener.hear(b"no dollar in it and no end either " * 4)
    assert lost


def test_a_length_that_lies_is_refused() -> None:
    with pytest.raises(FrameError, match="longer than"):
        Shape(b"\xaa", counted=Counted(1, "u16be"), longest=64).measure(b"\xaa\xff\xff")
    with pytest.raises(FrameError, match="bytes long"):
        Shape(b"\xaa", counted=Counted(1, "u8")).measure(b"\xaa\x00")


def test_an_endless_text_is_refused() -> None:
    with pytest.raises(FrameError, match="longer than 40"):
        TEXT.measure(b"$" + b"x" * 60)


def test_another_protocol_is_foreign() -> None:
    with pytest.raises(ForeignFrameError):
        measured(LIDAR, telegram("text", b"abc"))


def test_what_a_device_tells_between_is_passed_over() -> None:
    told = telegram("lidar", b"")
    answer = Answer(
        (TEXT,), lambda _: True, None, passes=lambda data: 9 if data.startswith(told) else 0
    )
    assert answer.measure(told + telegram("text", b"x")) == -9


def test_the_request_is_repeated_before_the_answer() -> None:
    whole = telegram("text", b"x")
    answer = Answer((TEXT,), lambda _: True, None, b"ask")
    assert [answer.measure(b"ask"[:size]) for size in range(4)] == [0, 0, 0, 0]
    assert answer.measure(b"ask" + whole) == 3 + len(whole)
    with pytest.raises(ForeignFrameError, match="repeated"):
        answer.measure(whole)
