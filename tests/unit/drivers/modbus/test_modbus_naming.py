"""What a device says of itself, in both framings."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.naming import Naming, names
from gateway.model.errors import FrameError
from simulators.modbus import mbap, rtu

OBJECTS = {0: b"Mayak", 1: b"demo", 2: b"1.0"}


def body(objects: dict[int, bytes], more_from: int | None = None) -> bytes:
    head = bytes((0x2B, 0x0E, 2, 0x82, 0xFF if more_from else 0, more_from or 0, len(objects)))
    return head + b"".join(bytes((key, len(data))) + data for key, data in objects.items())


def framed(pdu: bytes, *, over_tcp: bool, unit: int = 7, number: int = 5) -> bytes:
    return mbap.wrap(number, unit, pdu) if over_tcp else rtu.wrap(unit, pdu)


@pytest.mark.parametrize("over_tcp", [False, True])
def test_the_request_asks_for_basic_and_regular_objects(over_tcp: bool) -> None:
    naming = Naming(7, over_tcp, 0, 5)
    assert naming.request == framed(b"\x2b\x0e\x02\x00", over_tcp=over_tcp)


@pytest.mark.parametrize("over_tcp", [False, True])
@given(
    objects=st.dictionaries(st.integers(0, 6), st.binary(max_size=40), max_size=4),
    more=st.none() | st.integers(1, 6),
    cut=st.integers(0, 200),
)
def test_an_answer_is_found_wherever_it_is_cut(
    over_tcp: bool, objects: dict[int, bytes], more: int | None, cut: int
) -> None:
    frame = framed(body(objects, more), over_tcp=over_tcp)
    answer = Naming(7, over_tcp, 0, 5).answer
    assert answer.measure(frame[: min(cut, len(frame) - 1)]) == 0
    assert answer.measure(frame + b"\x00") == len(frame)
    told = names(frame, mbap=over_tcp)
    assert told is not None
    assert told.objects == objects
    assert told.more_from == (more if objects else None)


@pytest.mark.parametrize("over_tcp", [False, True])
def test_a_refusal_says_nothing(over_tcp: bool) -> None:
    frame = framed(b"\xab\x01", over_tcp=over_tcp)
    assert Naming(7, over_tcp, 0, 5).answer.measure(frame) == len(frame)
    assert names(frame, mbap=over_tcp) is None


@pytest.mark.parametrize("over_tcp", [False, True])
@given(st.binary(max_size=80))
def test_any_bytes_are_an_answer_or_refused(over_tcp: bool, received: bytes) -> None:
    with suppress(FrameError):
        size = Naming(7, over_tcp, 0, 5).answer.measure(received)
        if size > 0:
            names(received[:size], mbap=over_tcp)


@given(st.integers(0, 30 * 8))
def test_a_flipped_bit_is_refused_over_a_serial_line(bit: int) -> None:
    frame = bytearray(framed(body(OBJECTS), over_tcp=False))
    bit %= len(frame) * 8
    frame[bit // 8] ^= 1 << bit % 8
    answer = Naming(7, mbap=False).answer
    with suppress(FrameError):
        assert answer.measure(frame) == 0  # it says that it is longer: the rest never comes


def test_another_transaction_is_passed_over() -> None:
    frame = framed(body(OBJECTS), over_tcp=True, number=6)
    assert Naming(7, mbap=True, number=5).answer.measure(frame) == -len(frame)


@pytest.mark.parametrize("spoilt", [body(OBJECTS)[:-1], body(OBJECTS) + b"x"])
def test_objects_that_do_not_fill_the_answer_are_refused(spoilt: bytes) -> None:
    with pytest.raises(FrameError, match="longer than"):
        names(framed(spoilt, over_tcp=True), mbap=True)
