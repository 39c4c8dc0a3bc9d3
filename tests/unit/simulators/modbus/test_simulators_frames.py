"""RTU and MBAP frames."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus import mbap, rtu

PDUS = st.binary(min_size=1, max_size=253)
UNITS = st.integers(0, 255)


def test_rtu_crc_of_the_specification() -> None:
    # V1.02, 6.2.2: the frame 02 07 has the CRC 1241, sent as 41 12.
    assert rtu.crc16(bytes.fromhex("0207")) == 0x1241
    assert rtu.wrap(2, b"\x07") == bytes.fromhex("02074112")


def test_rtu_frame_of_a_common_read() -> None:
    assert rtu.wrap(1, bytes.fromhex("030000000a")) == bytes.fromhex("01030000000ac5cd")


def test_rtu_silence_is_fixed_above_19200() -> None:
    assert rtu.silence_s(9600, 10 / 9600) == pytest.approx(0.003646, abs=1e-6)
    assert rtu.silence_s(115200, 10 / 115200) == 0.00175


@given(UNITS, PDUS)
def test_rtu_unwrap_undoes_wrap(unit: int, pdu: bytes) -> None:
    assert rtu.unwrap(rtu.wrap(unit, pdu)) == (unit, pdu)


@given(UNITS, PDUS, st.data())
def test_rtu_refuses_up_to_three_flipped_bits(unit: int, pdu: bytes, data: st.DataObject) -> None:
    frame = rtu.wrap(unit, pdu)
    places = data.draw(st.sets(st.integers(0, 8 * len(frame) - 1), min_size=1, max_size=3))
    number = int.from_bytes(frame, "big")
    for place in places:
        number ^= 1 << place
    assert rtu.unwrap(number.to_bytes(len(frame), "big")) is None


@given(st.binary(max_size=300))
def test_rtu_any_bytes_are_a_frame_or_none(frame: bytes) -> None:
    found = rtu.unwrap(frame)
    if found is not None:
        assert rtu.wrap(*found) == frame


def test_mbap_frame_of_the_guide() -> None:
    # Implementation guide V1.0b, appendix A: transaction 1501, unit FF, read register 5.
    request = bytes.fromhex("1501 0000 0006 FF 03 0004 0001")
    stream = bytearray(request)
    assert mbap.take(stream) == [(0x1501, 0xFF, bytes.fromhex("0300040001"))]
    assert not stream
    assert mbap.wrap(0x1501, 0xFF, bytes.fromhex("0300040001")) == request


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), UNITS, PDUS), min_size=1, max_size=5), st.data())
def test_mbap_split_anywhere_gives_the_same_requests(
    sent: list[tuple[int, int, bytes]], data: st.DataObject
) -> None:
    wire = b"".join(mbap.wrap(*request) for request in sent)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire)), max_size=8)))
    stream, found = bytearray(), []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        stream += wire[start:end]
        found += mbap.take(stream)
    assert found == sent


@given(st.binary(max_size=600))
def test_mbap_any_bytes_are_requests_or_a_stream_error(wire: bytes) -> None:
    stream = bytearray(wire)
    with suppress(mbap.StreamError):
        while mbap.take(stream):
            pass


def test_mbap_gives_what_came_before_nonsense_then_says_so() -> None:
    stream = bytearray(mbap.wrap(1, 1, b"\x01") + b"GET / HTTP/1.1\r\n")
    assert mbap.take(stream) == [(1, 1, b"\x01")]
    with pytest.raises(mbap.StreamError):
        mbap.take(stream)
