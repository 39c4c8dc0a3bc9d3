"""Commands and responses of SDI-12. Vectors: version 1.4, 4.4, as it prints them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.environment.sdi12 import codec
from drivers.environment.sdi12.codec import Identity, Started
from drivers.environment.sdi12.framing import Response
from drivers.media.framing import ForeignFrameError
from gateway.model.errors import FrameError

GUARDED = {
    "0+3.14OqZ": (3.14,),  # 4.4.12.3 a
    "0+3.14+2.718+1.414Ipz": (3.14, 2.718, 1.414),  # b
    "0+1.11+2.22+3.33+4.44+5.55+6.66I]q": (1.11, 2.22, 3.33, 4.44, 5.55, 6.66),  # c
    "0+7.77+8.88+9.99IvW": (7.77, 8.88, 9.99),  # c
    "0+3.14+2.718IWO": (3.14, 2.718),  # d
    "0AP@": (),  # 4.4.8.1
}
STARTED = {
    "0001": Started(0, 1),
    "0053": Started(5, 3),
    "0359": Started(35, 9),
    "0101": Started(10, 1),
}


@pytest.mark.parametrize("printed", GUARDED)
def test_a_guarded_response_of_the_standard_is_read(printed: str) -> None:
    response = printed.encode() + b"\r\n"
    address, said = codec.text(response, guarded=True)
    assert address == "0"
    assert codec.values(said) == GUARDED[printed]
    assert codec.crc(printed[:-3].encode()) == printed[-3:].encode()


def test_the_crc_has_the_check_value_of_its_polynomial() -> None:
    assert codec.crc(b"123456789") == b"Kl}"  # BB3D


@pytest.mark.parametrize("said", STARTED)
def test_when_how_many_values_come(said: str) -> None:
    assert codec.started(said, concurrent=False) == STARTED[said]


def test_a_concurrent_measurement_has_two_digits_of_values() -> None:
    assert codec.started("01320", concurrent=True) == Started(13, 20)
    with pytest.raises(FrameError):
        codec.started("0053", concurrent=True)
    with pytest.raises(FrameError):
        codec.started("01320", concurrent=False)


def test_an_identification_has_fields_of_fixed_width() -> None:
    said = codec.text(b"013NRSYSINC1000001.2101\r\n")[1]
    assert codec.identity(said) == Identity("1.3", "NRSYSINC", "100000", "1.2", "101")
    with pytest.raises(FrameError):
        codec.identity("13NRSYSINC100000")


@pytest.mark.parametrize(
    ("address", "body", "sent"),
    [("0", "", b"0!"), ("0", "MC1", b"0MC1!"), ("?", "", b"?!"), ("z", "D0", b"zD0!")],
)
def test_commands(address: str, body: str, sent: bytes) -> None:
    assert codec.command(address, body) == sent


@pytest.mark.parametrize(
    "said", ["3.14", "+", "+1.2.3", "+12345678", "+1+", "--1", "+1e5", "+1 ", "+٣", "+nan"]
)
def test_what_is_no_value_is_refused(said: str) -> None:
    with pytest.raises(FrameError):
        codec.values(said)


@given(st.lists(st.integers(-9_999_999, 9_999_999), max_size=8), st.integers(0, 6))
def test_any_values_come_back(numbers: list[int], places: int) -> None:
    figures = [f"{number / 10**places:+.{places}f}" for number in numbers]
    figures = [figure for figure in figures if sum(map(str.isdigit, figure)) <= 7]
    assert codec.values("".join(figures)) == tuple(map(float, figures))


@given(st.binary(max_size=120))
def test_any_bytes_are_a_response_or_a_mistake(data: bytes) -> None:
    for guarded in (False, True):
        with suppress(FrameError):
            codec.text(data, guarded=guarded)
        with suppress(FrameError):
            Response("0", "D0", guarded).measure(data)


@given(st.sampled_from(sorted(GUARDED)), st.integers(0, 1000))
def test_one_flipped_bit_is_refused(printed: str, place: int) -> None:
    response = bytearray(printed.encode() + b"\r\n")
    place %= 8 * len(response)
    response[place // 8] ^= 1 << place % 8
    with pytest.raises(FrameError):
        codec.text(response, guarded=True)


@given(st.integers(0, 40))
def test_a_response_torn_anywhere_waits_for_the_rest(size: int) -> None:
    whole = b"0+3.14+2.718+1.414Ipz\r\n"
    framing = Response("0", "D0", guarded=True)
    assert framing.measure(whole[: min(size, len(whole) - 1)]) == 0
    assert framing.measure(whole + b"junk") == len(whole)


def test_what_a_break_leaves_is_passed_over() -> None:
    assert Response("0", "M").measure(b"\x00\xff0") == -1
    assert Response("0", "M").measure(b"\xff00") == -1


@pytest.mark.parametrize("foreign", [b"1+3.14\r\n", b"\x01\x03\x02\x00\x17\xf8\x4a", b"!\r\n"])
def test_another_sensor_and_a_foreign_protocol_are_no_answer(foreign: bytes) -> None:
    with pytest.raises(ForeignFrameError):
        Response("0", "D0").measure(foreign)


def test_a_response_without_end_is_given_up() -> None:
    with pytest.raises(FrameError, match="without end"):
        Response("0", "D0").measure(b"0" + b"+1" * 60)
