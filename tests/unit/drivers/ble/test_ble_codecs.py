"""Codecs of sensors and beacons: what was written is read, what makes no sense is refused."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.ble.beacon import codec as beacon
from drivers.ble.bthome import codec as bthome
from drivers.ble.bthome.codec import Occurrence
from drivers.ble.bthome.objects import NUMBERS, POINTS, STATES
from drivers.ble.ruuvi import codec as ruuvi
from gateway.model.errors import FrameError
from simulators.ble import encoding

KEY = bytes.fromhex("231d39c1d7cc1ab1aee224cd096db932")
ADDRESS = bytes.fromhex("5448e68f80a5")


# BTHome


def test_bthome_events_of_the_format_are_read() -> None:
    cases = {
        "3a01": Occurrence("button", 1, "press"),
        "3a80": Occurrence("button", 1, "hold_press"),
        "3b0000": Occurrence("command", 1, "off"),
        "3b010305": Occurrence("command", 1, "step_up", 5),
        "3c0103": Occurrence("dimmer", 1, "rotate_left", 3),
        "3c020a": Occurrence("dimmer", 1, "rotate_right", 10),
    }
    for objects, event in cases.items():
        assert bthome.decode(bytes.fromhex(objects)).occurrences == [event], objects


def test_bthome_second_button_is_known_by_its_place() -> None:
    frame = bthome.decode(bytes.fromhex("3a003a01"))
    assert frame.occurrences == [Occurrence("button", 1, ""), Occurrence("button", 2, "press")]


def test_bthome_texts_versions_and_packet_ids_are_read() -> None:
    text = bytes.fromhex("530C48656C6C6F20576F726C6421")
    raw = bytes.fromhex("540C48656C6C6F20576F726C6421")
    assert bthome.decode(text).values == {"text": "Hello World!"}
    assert bthome.decode(raw).values == {"raw": "48656c6c6f20576f726c6421"}
    assert bthome.decode(bytes.fromhex("F100010204")).values == {"firmware_version": "4.2.1.0"}
    assert bthome.decode(bytes.fromhex("F2000106")).values == {"firmware_version": "6.1.0"}
    assert bthome.decode(bytes.fromhex("0009")).packet_id == 9


def test_bthome_several_of_a_kind_are_numbered() -> None:
    frame = bthome.decode(bytes.fromhex("02ca09021100451101"))
    assert frame.values == {"temperature": 25.06, "temperature_2": 0.17, "temperature_3": 27.3}


def test_bthome_unknown_object_ends_the_reading() -> None:
    frame = bthome.decode(bytes.fromhex("0161fe02ca09"))
    assert (frame.values, frame.unknown) == ({"battery": 97}, 0xFE)


def test_bthome_state_that_is_none_has_no_value() -> None:
    assert bthome.decode(b"\x1a\x02").values == {"door": None}
    assert bthome.decode(b"\x64\x03").values == {"light_level": None}


def test_bthome_every_object_has_a_point() -> None:
    names = {number.name for number in NUMBERS.values()} | {name for name, _ in STATES.values()}
    assert names <= POINTS.keys()
    assert not NUMBERS.keys() & STATES.keys()


@pytest.mark.parametrize(
    "objects", ["02", "02ca", "1a", "53", "5305ab", "f100", "3b", "3b05", "3c01"]
)
def test_bthome_object_that_breaks_off_is_refused(objects: str) -> None:
    with pytest.raises(FrameError):
        bthome.decode(bytes.fromhex(objects))


@pytest.mark.parametrize("data", ["", "20", "00", "60ff"])
def test_bthome_other_version_is_refused(data: str) -> None:
    with pytest.raises(FrameError):
        bthome.is_encrypted(bytes.fromhex(data))


@given(st.binary(max_size=64))
def test_bthome_any_objects_are_read_or_refused(objects: bytes) -> None:
    with suppress(FrameError):
        bthome.decode(objects)


@given(st.binary(max_size=16), st.integers(0, 0xFFFF_FFFF))
def test_bthome_what_was_sealed_is_opened(objects: bytes, counter: int) -> None:
    payload = encoding.bthome_sealed(objects, KEY, ADDRESS, counter)
    sealed = bthome.open_sealed(payload[7:], bthome.cipher_of(KEY), ADDRESS)
    assert sealed == (objects, counter)


@given(st.data())
def test_bthome_single_bit_of_a_sealed_frame_is_noticed(data: st.DataObject) -> None:
    frame = bytearray(encoding.bthome_sealed(b"\x02\xca\x09", KEY, ADDRESS, 7)[7:])
    bit = data.draw(st.integers(0, len(frame) * 8 - 1))
    frame[bit // 8] ^= 1 << bit % 8
    with pytest.raises(FrameError):
        bthome.open_sealed(bytes(frame), bthome.cipher_of(KEY), ADDRESS)


@given(st.binary(max_size=40))
def test_bthome_any_sealed_frame_is_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        bthome.open_sealed(b"\x41" + data, bthome.cipher_of(KEY), ADDRESS)


# Ruuvi


@given(
    st.integers(-163_835, 163_835).map(lambda raw: raw // 5 / 200),
    st.integers(0, 40_000).map(lambda raw: raw / 400),
    st.integers(0, 65_534),
)
def test_ruuvi_format_5_that_was_written_is_read(
    celsius: float, percent: float, pascal: int
) -> None:
    pressure = (pascal + 50_000) / 100
    data = encoding.ruuvi_5(celsius, percent, pressure, 2.977, 205, ADDRESS)
    frame = ruuvi.decode(data)
    assert frame.cells[:3] == (celsius, percent, pressure)
    assert frame.cells[6:] == (2.977, 4, 0, 205)
    assert frame.mac == ADDRESS


@given(st.integers(-12_799, 12_799))
def test_ruuvi_format_3_has_a_sign_of_its_own(hundredths: int) -> None:
    frame = ruuvi.decode(encoding.ruuvi_3(hundredths / 100, 20.5, 1000.0, 2.9))
    assert frame.cells[0] == hundredths / 100


@given(st.binary(max_size=48))
def test_ruuvi_any_bytes_are_read_or_refused(data: bytes) -> None:
    for head in (b"", b"\x03", b"\x05", b"\x06", b"\xe1"):
        with suppress(FrameError):
            frame = ruuvi.decode(head + data)
            assert len(frame.cells) == len(ruuvi.TABLES[ruuvi.MODEL[frame.format]])


def test_ruuvi_fraction_that_is_none_is_refused() -> None:
    with pytest.raises(FrameError):
        ruuvi.decode(bytes.fromhex("03291a64ce1efc18f94202ca0b53"))


# Beacons


@given(st.binary(min_size=16, max_size=16), st.integers(0, 65_535), st.integers(-100, 20))
def test_ibeacon_that_was_written_is_read(uuid: bytes, number: int, power: int) -> None:
    payload = encoding.ibeacon(uuid, number, 7, power)
    assert beacon.decode_ibeacon(payload[4:]) == (uuid, number, 7, power)


def test_eddystone_examples_of_its_pages_are_read() -> None:
    # eddystone-url, "Examples": 0xEE is -18 dBm; .com/ is 0x00, https:// is 0x03
    url = beacon.decode_eddystone(b"\x10\xee\x03goo.gl/Aq18zF")
    assert url == ("https://goo.gl/Aq18zF", -18 - 41)
    assert beacon.decode_eddystone(b"\x10\x12\x00example\x00") == (
        "http://www.example.com/",
        18 - 41,
    )


def test_eddystone_that_was_written_is_read() -> None:
    name = encoding.eddystone_uid(bytes(range(10)), bytes(6), -59)
    assert beacon.decode_eddystone(name[8:]) == (bytes(range(10)) + bytes(6), -59)
    itself = encoding.eddystone_tlm(2.9, -12.5, 77, 123.4)
    assert beacon.decode_eddystone(itself[8:]) == (2.9, -12.5, 77, 123.4)


def test_eddystone_that_does_not_know_says_so() -> None:
    frame = beacon.decode_eddystone(bytes.fromhex("200000008000000000000000000a"))
    assert frame == (None, None, 0, 1.0)


@pytest.mark.parametrize("data", ["3011223344556677889900", "2001aabb", "40"])
def test_eddystone_in_cipher_says_nothing(data: str) -> None:
    assert beacon.decode_eddystone(bytes.fromhex(data)) is None


@pytest.mark.parametrize("data", ["", "00ee", "10ee0400", "10ee0380", "2000", "50"])
def test_eddystone_that_makes_no_sense_is_refused(data: str) -> None:
    with pytest.raises(FrameError):
        beacon.decode_eddystone(bytes.fromhex(data))


@given(st.binary(max_size=40))
def test_beacons_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(FrameError):
        beacon.decode_eddystone(data)
    with suppress(FrameError):
        beacon.decode_ibeacon(b"\x02\x15" + data)
