"""Frames: what goes out, and what is taken for the answer. The checksum is computed by hand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.media.framing import ForeignFrameError
from drivers.modbus.fields import Span, Table
from drivers.telegrams.modbus import Question, Speech, refusal_name
from gateway.model.errors import FrameError


def crc16(data: bytes) -> bytes:
    """Return the checksum by MODBUS over Serial Line V1.02, 6.2.2, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


def rtu(text: str) -> bytes:
    frame = bytes.fromhex(text)
    return frame + crc16(frame)


def mbap(transaction: bytes, text: str) -> bytes:
    rest = bytes.fromhex(text)
    return transaction + b"\0\0" + len(rest).to_bytes(2, "big") + rest


RTU = Speech(0x11, mbap=False)
MBAP = Speech(0x11, mbap=True)
SPAN = Span(Table.HOLDING, 0x6B, 3)
ANSWER = "11 03 06 022b 0000 0064"
"""V1.1b3, 6.3: the example of the specification, from unit 17."""

REQUESTS: dict[str, tuple[Callable[[Speech], Question], str]] = {
    "6.1 coils": (lambda s: s.read(Span(Table.COIL, 0x13, 0x13)), "01 0013 0013"),
    "6.2 discrete inputs": (lambda s: s.read(Span(Table.DISCRETE, 0xC4, 0x16)), "02 00c4 0016"),
    "6.3 holding registers": (lambda s: s.read(SPAN), "03 006b 0003"),
    "6.4 input registers": (lambda s: s.read(Span(Table.INPUT, 8, 1)), "04 0008 0001"),
    "6.5 coil on": (lambda s: s.write_coil(0xAC, on=True, multiple=False), "05 00ac ff00"),
    "6.5 coil off": (lambda s: s.write_coil(0xAC, on=False, multiple=False), "05 00ac 0000"),
    "6.6 register": (lambda s: s.write_registers(1, b"\0\3", multiple=False), "06 0001 0003"),
    "6.11 coil": (lambda s: s.write_coil(19, on=True, multiple=True), "0f 0013 0001 01 01"),
    "6.12 registers": (
        lambda s: s.write_registers(1, b"\0\x0a\1\2", multiple=False),
        "10 0001 0002 04 000a 0102",
    ),
    "6.12 one register": (
        lambda s: s.write_registers(1, b"\0\x0a", multiple=True),
        "10 0001 0001 02 000a",
    ),
}


@pytest.mark.parametrize("case", REQUESTS.values(), ids=REQUESTS)
def test_requests_are_those_of_the_specification(
    case: tuple[Callable[[Speech], Question], str],
) -> None:
    make, pdu = case
    assert make(RTU).ask()[0] == rtu("11" + pdu)
    request, _ = make(MBAP).ask()
    assert request == mbap(request[:2], "11" + pdu)


def test_each_mbap_request_has_a_transaction_of_its_own() -> None:
    question = MBAP.read(SPAN)
    assert question.ask()[0][:2] != question.ask()[0][:2]


def test_an_rtu_request_is_the_same_each_time() -> None:
    question = RTU.read(SPAN)
    assert question.ask() == question.ask()


def test_the_answer_of_the_specification_is_found() -> None:
    question = RTU.read(SPAN)
    frame = rtu(ANSWER)
    assert question.ask()[1].measure(frame) == len(frame)
    assert question.refusal(frame) is None
    assert frame[question.data_at :][:6].hex() == "022b00000064"


def test_the_answer_is_found_in_mbap() -> None:
    question = MBAP.read(SPAN)
    request, answer = question.ask()
    frame = mbap(request[:2], ANSWER)
    assert answer.measure(frame) == len(frame)
    assert question.refusal(frame) is None
    assert frame[question.data_at :].hex() == "022b00000064"


def test_a_refusal_is_an_answer_with_its_code() -> None:
    question = RTU.read(SPAN)
    frame = rtu("11 83 02")
    assert question.ask()[1].measure(frame) == 5
    assert question.refusal(frame) == 2
    question = MBAP.read(SPAN)
    request, answer = question.ask()
    frame = mbap(request[:2], "11 83 0b")
    assert answer.measure(frame) == 9
    assert question.refusal(frame) == 11
    assert refusal_name(2) == "illegal address"
    assert refusal_name(200) == "unknown"


WRONG_RTU = {
    "another unit": ("12 03 06 022b 0000 0064", ForeignFrameError),
    "another function": ("11 04 06 022b 0000 0064", ForeignFrameError),
    "fewer registers": ("11 03 04 022b 0000", FrameError),
    "more registers": ("11 03 08 022b 0000 0064 0000", FrameError),
    "refusal of another function": ("11 84 02", ForeignFrameError),
}


@pytest.mark.parametrize("case", WRONG_RTU.values(), ids=WRONG_RTU)
def test_rtu_frames_that_are_no_answer_are_refused(case: tuple[str, type[FrameError]]) -> None:
    text, error = case
    with pytest.raises(error):
        RTU.read(SPAN).ask()[1].measure(rtu(text))


def test_a_write_must_be_confirmed_as_it_was_asked() -> None:
    question = RTU.write_registers(1, b"\0\3", multiple=False)
    answer = question.ask()[1]
    assert answer.measure(rtu("11 06 0001 0003")) == 8
    assert answer.measure(rtu("11 86 03")) == 5
    with pytest.raises(FrameError):
        answer.measure(rtu("11 06 0001 0004"))
    with pytest.raises(FrameError):
        answer.measure(rtu("11 06 0002 0003"))


@pytest.mark.parametrize("text", ["11 03 04 022b 0000", "12 03 06 022b 0000 0064", "11 04 02 022b"])
def test_mbap_frames_of_our_transaction_that_are_no_answer_are_refused(text: str) -> None:
    request, answer = MBAP.read(SPAN).ask()
    with pytest.raises(FrameError):
        answer.measure(mbap(request[:2], text))


@pytest.mark.parametrize("head", ["0001 0001 0006", "0001 0000 0001", "0001 0000 00ff", ANSWER])
def test_what_is_no_modbus_tcp_is_refused(head: str) -> None:
    with pytest.raises(ForeignFrameError, match="framing"):
        MBAP.read(SPAN).ask()[1].measure(bytes.fromhex(head))


def test_answers_to_other_transactions_are_passed_over() -> None:
    question = MBAP.read(SPAN)
    old, _ = question.ask()
    request, answer = question.ask()
    late = mbap(old[:2], ANSWER)
    assert answer.measure(late) == -len(late)
    assert answer.measure(late + mbap(request[:2], ANSWER)) == -len(late)


@pytest.mark.parametrize("speech", [RTU, MBAP], ids=["rtu", "mbap"])
def test_an_answer_cut_anywhere_needs_more(speech: Speech) -> None:
    request, answer = speech.read(SPAN).ask()
    frame = rtu(ANSWER) if speech is RTU else mbap(request[:2], ANSWER)
    for cut in range(len(frame)):
        assert answer.measure(frame[:cut]) == 0
    assert answer.measure(frame + b"\0") == len(frame)


def test_an_rtu_answer_with_any_single_bit_flipped_is_not_taken() -> None:
    answer = RTU.read(SPAN).ask()[1]
    frame = rtu(ANSWER)
    for bit in range(len(frame) * 8):
        flipped = bytearray(frame)
        flipped[bit // 8] ^= 1 << bit % 8
        with suppress(FrameError):
            assert answer.measure(flipped) == 0, "at most it looks longer than it is"


@given(st.sampled_from([RTU, MBAP]), st.sampled_from(list(REQUESTS)), st.binary(max_size=300))
def test_any_bytes_are_measured_or_refused(speech: Speech, name: str, data: bytes) -> None:
    _, answer = REQUESTS[name][0](speech).ask()
    with suppress(FrameError):
        assert abs(answer.measure(data)) <= len(data)


@given(st.binary(min_size=1, max_size=250), st.sampled_from(list(REQUESTS)))
def test_any_frame_of_ours_with_a_right_checksum_is_an_answer_or_refused(
    rest: bytes, name: str
) -> None:
    question = REQUESTS[name][0](RTU)
    function = question.ask()[0][1]
    frame = rtu((bytes((0x11, function)) + rest).hex())
    with suppress(FrameError):
        size = question.ask()[1].measure(frame)
        assert 0 <= size <= len(frame)
        if size and size == len(frame):
            assert question.refusal(frame) is None
