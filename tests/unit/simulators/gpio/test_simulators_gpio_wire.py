"""Requests of the pigpio service, cut out of a stream."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.gpio.wire import (
    MAX_EXTENSION,
    ProtocolError,
    Refusal,
    Request,
    Requests,
    answer,
    report,
)

REQUESTS = st.lists(
    st.builds(
        Request,
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**32 - 1),
        st.binary(max_size=40),
    ),
    max_size=6,
)


def encoded(request: Request) -> bytes:
    head = struct.pack("<4I", request.command, request.p1, request.p2, len(request.extension))
    return head + request.extension


@given(REQUESTS, st.data())
def test_requests_are_the_same_wherever_the_stream_is_split(
    requests: list[Request], data: st.DataObject
) -> None:
    stream = b"".join(map(encoded, requests))
    cut = data.draw(st.integers(0, len(stream)))
    parser = Requests()
    assert parser.feed(stream[:cut]) + parser.feed(stream[cut:]) == requests
    bytewise = Requests()
    assert [found for byte in stream for found in bytewise.feed(bytes([byte]))] == requests


@given(st.binary(max_size=200))
def test_requests_any_bytes_are_requests_or_refused(data: bytes) -> None:
    with suppress(ProtocolError):
        for request in Requests().feed(data):
            assert len(request.extension) <= MAX_EXTENSION


def test_requests_refuse_an_extension_nobody_has() -> None:
    with pytest.raises(ProtocolError):
        Requests().feed(struct.pack("<4I", 37, 4, 10, MAX_EXTENSION + 1))


def test_answer_repeats_the_request_and_ends_with_a_signed_result() -> None:
    request = Request(4, 99, 1)
    assert answer(request, Refusal.BAD_GPIO) == struct.pack("<3Ii", 4, 99, 1, -3)


def test_report_counts_and_wraps() -> None:
    assert report(0x10001, 2**32 + 5, 1 << 31) == struct.pack("<2H2I", 1, 0, 5, 1 << 31)
