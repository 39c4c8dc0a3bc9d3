"""What stands in the files of the kernel: captured from real boards, damaged, or made up."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.kernel.codec import (
    HWMON_QUANTITIES,
    IIO_QUANTITIES,
    crc8,
    decode_name,
    decode_number,
    decode_therm,
    quantity_of,
    shared_names,
)
from gateway.model.errors import FrameError, NoResponseError
from gateway.model.reading import Cause, Flag, Quality
from simulators.kernel.therm import checksum

CAPTURED = {
    # raspberrypi.org forums, topic 91982
    "3.937": "3f 00 4b 46 7f ff 01 10 47 : crc=47 YES\n3f 00 4b 46 7f ff 01 10 47 t=3937\n",
    # raspberrypi.stackexchange.com, question 48106: a clone
    "21.875": "5e 01 ff ff 7f ff ff ff 52 : crc=52 YES\n5e 01 ff ff 7f ff ff ff 52 t=21875\n",
}
POWER_ON = "50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n"
"""raspberrypi.stackexchange.com, question 65828."""


def slave(pad: bytes, milli: int, verdict: str = "YES") -> bytes:
    whole = pad + bytes([checksum(pad)])
    text = f"{whole.hex(' ')} : crc={whole[8]:02x} {verdict}\n{whole.hex(' ')} t={milli}\n"
    return text.encode()


@pytest.mark.parametrize("celsius", CAPTURED)
def test_therm_reads_what_was_captured(celsius: str) -> None:
    assert decode_therm(CAPTURED[celsius].encode()) == (float(celsius), None)


@pytest.mark.parametrize(
    "text",
    [
        POWER_ON.encode(),
        slave(bytes.fromhex("ff074b467fff0c10"), 127_937),
    ],
    ids=["power-on", "power-too-weak"],
)
def test_therm_that_has_not_converted_has_no_value(text: bytes) -> None:
    assert decode_therm(text) == (None, Flag(Quality.BAD, Cause.NO_VALUE))


def test_therm_of_85_degrees_that_was_converted_is_a_value() -> None:
    assert decode_therm(slave(bytes.fromhex("50054b467fff1010"), 85_000)) == (85.0, None)


def test_therm_below_zero() -> None:
    assert decode_therm(slave(bytes.fromhex("5eff4b467fff0210"), -10_125)) == (-10.125, None)


@pytest.mark.parametrize("text", [b"", b"\n", b"  \n"])
def test_therm_that_is_empty_has_not_ended(text: bytes) -> None:
    with pytest.raises(NoResponseError):
        decode_therm(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (CAPTURED["3.937"].replace("YES", "NO"), "checksum"),
        (CAPTURED["3.937"].replace("3f 00", "3f 01"), "checksum"),
        ("3f 01" + CAPTURED["3.937"][5:], "checksum"),
        (CAPTURED["3.937"].replace("crc=47", "crc=48"), "checksum"),
        (CAPTURED["3.937"].replace("\n3f 00", "\n3e 00"), "differ"),
        (CAPTURED["3.937"][:-8], "not what the kernel writes"),
        (CAPTURED["3.937"] * 2, "not what the kernel writes"),
        ("23125\n", "not what the kernel writes"),
        (
            "00 00 00 00 00 00 00 00 00 : crc=00 YES\n00 00 00 00 00 00 00 00 00 t=0\n",
            "short-circuited",
        ),
    ],
)
def test_therm_refuses(text: str, says: str) -> None:
    with pytest.raises(FrameError, match=says):
        decode_therm(text.encode())


@given(st.binary(max_size=200))
def test_therm_any_bytes_are_a_value_or_refused(text: bytes) -> None:
    with suppress(FrameError, NoResponseError):
        decode_therm(text)


@given(st.integers(-55 * 16, 125 * 16), st.integers(0, 8 * 8 - 1))
def test_therm_refuses_every_flipped_bit(raw: int, bit: int) -> None:
    pad = raw.to_bytes(2, "little", signed=True) + bytes.fromhex("4b467fff0010")
    text = slave(pad, int(raw * 1000 / 16))
    assert decode_therm(text).value == int(raw * 1000 / 16) / 1000
    flipped = bytearray(pad)
    flipped[bit // 8] ^= 1 << bit % 8
    spoiled = text.replace(pad.hex(" ").encode(), flipped.hex(" ").encode())
    with pytest.raises(FrameError):
        decode_therm(spoiled)


@given(st.binary(max_size=40))
def test_checksum_agrees_with_the_shift_register_of_the_data_sheet(data: bytes) -> None:
    assert crc8(data) == checksum(data)


@pytest.mark.parametrize(
    ("text", "number"),
    [(b"21430\n", 21430), (b"-0.5\n", -0.5), (b"2.441406250\n", 2.44140625), (b" 7 ", 7)],
)
def test_number(text: bytes, number: float) -> None:
    assert decode_number(text, "in_temp_raw") == number


@pytest.mark.parametrize(
    "text", [b"", b"nan", b"inf", b"1e400", b"0x10", b"1 2", b"--1", b"9" * 50, b"\xff", b"1.\n"]
)
def test_number_refuses(text: bytes) -> None:
    with pytest.raises(FrameError, match="in_temp_raw"):
        decode_number(text, "in_temp_raw")


@given(st.binary(max_size=60))
def test_number_and_name_any_bytes_are_a_value_or_refused(text: bytes) -> None:
    with suppress(FrameError):
        assert abs(decode_number(text, "x")) < 1e21
    with suppress(FrameError):
        decode_name(text, "x")


@pytest.mark.parametrize(
    ("channel", "names"),
    [
        ("temp", ("temp",)),
        ("voltage3", ("voltage3", "voltage")),
        ("voltage0-voltage1", ("voltage0-voltage1", "voltage-voltage", "voltage")),
        ("concentration_co2", ("concentration_co2", "concentration")),
        ("concentration0_co2", ("concentration0_co2", "concentration_co2", "concentration")),
    ],
)
def test_scale_stands_under_the_channel_or_its_type(channel: str, names: tuple[str, ...]) -> None:
    assert shared_names(channel) == names


def test_quantity_is_that_of_the_type() -> None:
    assert quantity_of("temp_object", IIO_QUANTITIES).unit == "Cel"
    assert quantity_of("in3", HWMON_QUANTITIES).factor == 0.001
    with pytest.raises(ValueError, match="no type known here: temp"):
        quantity_of("magn_x", IIO_QUANTITIES)
