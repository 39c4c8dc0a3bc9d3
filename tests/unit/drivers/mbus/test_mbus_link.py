"""Frames of the M-Bus: what goes out, and how an answer is found in what comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.mbus import link
from drivers.mbus.address import (
    SecondaryAddress,
    manufacturer_code,
    manufacturer_letters,
)
from drivers.mbus.link import Acknowledgement, Response
from drivers.media.framing import ForeignFrameError
from gateway.model.errors import FrameError

EXAMPLE = bytes.fromhex(
    "68 1f 1f 68 08 02 72 78 56 34 12 24 40 01 07 55 00 00 00"
    "03 13 15 31 00 da 02 3b 13 01 8b 60 04 37 18 02 18 16"
)
"""The M-Bus: A Documentation, Rev. 4.8, 6.4: the answer of meter 2."""
WHO = SecondaryAddress("12345678", manufacturer_code("PAD"), 1, 7)

FRAMES = {
    "reset of meter 1": (link.reset_link(1), "10 40 01 41 16"),
    "request to meter 1": (link.request_data(1, fcb=False), "10 5b 01 5c 16"),
    "the next request": (link.request_data(1, fcb=True), "10 7b 01 7c 16"),
    "selection": (
        link.select(SecondaryAddress("12345678")),
        "68 0b 0b 68 53 fd 52 78 56 34 12 ff ff ff ff b2 16",
    ),
    "application reset": (link.reset_application(254, 0x10), "68 04 04 68 53 fe 50 10 b1 16"),
    "9600 Bd for all": (link.set_speed(254, 9600), "68 03 03 68 53 fe bd 0e 16"),
}
"""As the examples of the documentation have them, 5.4, 6.5 and 7.1."""


@pytest.mark.parametrize("case", FRAMES)
def test_requests(case: str) -> None:
    frame, expected = FRAMES[case]
    assert frame.hex(" ") == bytes.fromhex(expected).hex(" ")


def test_an_answer_is_found_whole_however_it_is_cut() -> None:
    answer = Response(2)
    for cut in range(len(EXAMPLE)):
        assert answer.measure(EXAMPLE[:cut]) == 0
    assert answer.measure(EXAMPLE) == len(EXAMPLE)
    assert answer.measure(EXAMPLE + b"\x68") == len(EXAMPLE)
    assert link.user_data(EXAMPLE)[0] == 0x72


def test_an_acknowledgement_that_comes_late_is_passed_over() -> None:
    assert Response(2).measure(b"\xe5" + EXAMPLE) == -1


FOREIGN = {
    "another meter": (EXAMPLE, Response(3)),
    "another secondary address": (EXAMPLE, Response(253, SecondaryAddress("12345679"))),
    "our own request": (link.request_data(2, fcb=True), Response(2)),
    "our own selection": (link.select(WHO), Response(253, WHO)),
    "noise": (b"\x00\xff", Response(2)),
    "Modbus": (bytes.fromhex("02 03 02 00 01 3d 84"), Response(2)),
    "two lengths that differ": (b"\x68\x1f\x1e", Response(2)),
    "an impossible length": (b"\x68\x02", Response(2)),
    "no second start": (b"\x68\x1f\x1f\x10", Response(2)),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_what_is_no_answer_is_refused(case: str) -> None:
    data, answer = FOREIGN[case]
    with pytest.raises(ForeignFrameError):
        answer.measure(data)


def test_the_meter_that_was_meant_answers_whatever_its_primary_address() -> None:
    for who in (None, WHO, SecondaryAddress("1234FFFF"), SecondaryAddress()):
        assert Response(253, who).measure(EXAMPLE) == len(EXAMPLE)


def test_acknowledgements() -> None:
    answer = Acknowledgement()
    assert answer.measure(b"") == 0
    assert answer.measure(b"\xe5\xe5") == 1
    with pytest.raises(ForeignFrameError):
        answer.measure(EXAMPLE)


@given(st.integers(4, len(EXAMPLE) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_refused(place: int, bit: int) -> None:
    spoiled = bytearray(EXAMPLE)
    spoiled[place] ^= 1 << bit
    with pytest.raises(FrameError):
        Response(254).measure(spoiled)


@given(st.binary(max_size=249), st.integers(0, 250))
def test_what_is_framed_is_found_again(data: bytes, address: int) -> None:
    frame = link.long_frame(link.RSP_UD, address, 0x78, data)
    assert Response(address).measure(frame) == len(frame)
    assert link.user_data(frame) == (0x78, data)


def test_a_frame_has_an_end() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        link.long_frame(link.RSP_UD, 1, 0x72, bytes(253))
    with pytest.raises(ValueError, match="no speed"):
        link.set_speed(1, 115_200)


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3))
def test_manufacturers(letters: str) -> None:
    assert manufacturer_letters(manufacturer_code(letters)) == letters


def test_what_is_no_address_is_refused() -> None:
    for ident in ("1234567", "12345G78", "123456789", "1234567f"):
        with pytest.raises(ValueError, match="no identification"):
            SecondaryAddress(ident)
    with pytest.raises(ValueError, match="no manufacturer"):
        manufacturer_code("pad")
    assert manufacturer_letters(0) == "0000"


def test_addresses_as_people_write_them() -> None:
    assert str(WHO) == "12345678 PAD v1 type 7"
    assert str(SecondaryAddress()) == "FFFFFFFF"
    assert not WHO.wildcards
    assert SecondaryAddress("12345678").wildcards
    assert not WHO.means(SecondaryAddress("12345678", manufacturer_code("PAD"), 2, 7).encode())
    assert not WHO.means(SecondaryAddress("12345678", manufacturer_code("PAE"), 1, 7).encode())
