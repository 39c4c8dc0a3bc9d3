"""Checksums are those of the documents, and find what they promise to find."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.telegrams.checksums import CRCS, KINDS, Checksum, Crc, Form, crc
from gateway.model.errors import FrameError

CHECK = b"123456789"
CHECK_VALUES = {
    "crc8": 0xF4,
    "crc8-maxim": 0xA1,
    "crc16-modbus": 0x4B37,
    "crc16-arc": 0xBB3D,
    "crc16-ccitt": 0x29B1,
    "crc16-xmodem": 0x31C3,
    "crc16-x25": 0x906E,
    "crc32": 0xCBF43926,
    "sum8": 0xDD,
    "sum8-inverted": 0x22,
    "sum8-negated": 0x23,
    "xor8": 0x31,
    "sum16": 0x01DD,
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_check_value_of_every_kind(kind: str) -> None:
    made = Checksum(kind)
    assert int.from_bytes(made.over(CHECK), "big") == CHECK_VALUES[kind]
    assert made.over(CHECK)[::-1] == Checksum(kind, Form.LITTLE).over(CHECK)


def test_a_crc_of_its_own_parameters() -> None:
    dallas = Crc(8, 0x31, 0, reflected=True, final=0)
    assert crc(CHECK, dallas) == crc(CHECK, CRCS["crc8-maxim"])
    assert Checksum("crc", crc=Crc(8, 0x07, 0, reflected=False, final=0x55)).over(CHECK) == b"\xa1"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("0r1", "Goe"),
        ("0r2", "Gje"),
        ("0r3", "Kid"),
        ("0r5", "Kcd"),
        ("0r0", "Kld"),
        ("0r", "BVT"),
        ("0tX,Use chksum Goe", "IU~"),
        ("0r1,Sn=0.1M,Sm=0.1M,Sx=0.1M", "GOG"),
        ("0r2,Ta=22.7C,Ua=55.5P,Pa=1004.7H", "@Fn"),
        ("0r3,Rc=0.00M,Rd=0s,Ri=0.0M", "Ilm"),
        ("0r5,Th=25.0C,Vh=10.6#,Vs=10.8V,Vr=3.369V", "O]T"),
    ],
)
def test_six_bits_a_character_as_the_manual_of_vaisala_has_them(text: str, written: str) -> None:
    assert Checksum("crc16-arc", Form.SIX_BITS).over(text.encode()) == written.encode()


def test_what_stands_before_between_and_behind_is_left_out() -> None:
    made = Checksum("xor8", Form.HEX, skip=1, mark=b"*", after=2)
    telegram = b"$GPGLL,5300.97914,N,00259.98174,E,125926,A*28\r\n"
    made.check(telegram)
    made.check(telegram.replace(b"*28", b"*28".lower()))
    assert made.of_request(telegram[:-4]) == b"28"
    assert telegram[: made.body_end(len(telegram))] == telegram[:-5]


@given(
    st.sampled_from(KINDS),
    st.sampled_from(list(Form)),
    st.binary(min_size=1, max_size=64),
    st.integers(0, 511),
)
def test_a_single_bit_flipped_is_found(kind: str, form: Form, covered: bytes, place: int) -> None:
    made = Checksum(kind, form)
    telegram = covered + made.over(covered)
    made.check(telegram)
    flipped = bytearray(telegram)
    flipped[place // 8 % len(covered)] ^= 1 << place % 8
    with pytest.raises(FrameError):
        made.check(bytes(flipped))


@given(st.sampled_from(KINDS), st.sampled_from(list(Form)), st.binary(max_size=12))
def test_any_bytes_are_right_or_a_frame_error(kind: str, form: Form, telegram: bytes) -> None:
    made = Checksum(kind, form, skip=1, mark=b"*", after=1)
    try:
        made.check(telegram)
    except FrameError:
        return
    assert len(telegram) >= 3 + made.size
