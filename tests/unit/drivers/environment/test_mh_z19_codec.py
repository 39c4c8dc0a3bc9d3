"""The frames of the MH-Z19.

Vectors: MH-Z19B user's manual, "Software setting", and frames as a real sensor sent them, printed
in the documentation of PyPMS (docs/sensors/Winsen.md).
"""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.environment.mh_z19 import codec
from drivers.environment.mh_z19.codec import Command
from drivers.environment.mh_z19.driver import Answer
from drivers.media.framing import ForeignFrameError
from gateway.model.errors import FrameError

COMMANDS = {
    "ff0186000000000079": codec.command(Command.READ),
    "ff0179a000000000e6": codec.command(Command.SELF_CALIBRATION, 0xA0),
    "ff0179000000000086": codec.command(Command.SELF_CALIBRATION),
    "ff0187000000000078": codec.command(Command.ZERO),
}
ANSWERS = {"ff8602200000000058": 544, "ff86028a44000000aa": 650}


@pytest.mark.parametrize("printed", COMMANDS)
def test_a_command_is_as_it_is_printed(printed: str) -> None:
    assert COMMANDS[printed].hex() == printed


@pytest.mark.parametrize("printed", ANSWERS)
def test_an_answer_is_read(printed: str) -> None:
    number, data = codec.unwrap(bytes.fromhex(printed))
    assert number == Command.READ
    assert codec.concentration(data) == ANSWERS[printed]


@given(st.binary(max_size=32))
def test_any_bytes_are_a_frame_or_a_mistake(data: bytes) -> None:
    with suppress(FrameError):
        codec.unwrap(data)
    with suppress(FrameError):
        Answer(Command.READ).measure(data)


@given(st.binary(min_size=6, max_size=6), st.integers(0, 71))
def test_one_flipped_bit_is_refused(data: bytes, place: int) -> None:
    body = bytes((Command.READ,)) + data
    frame = bytearray((0xFF,)) + body + bytes((codec.checksum(body),))
    assert codec.unwrap(frame) == (Command.READ, data)
    frame[place // 8] ^= 1 << place % 8
    with pytest.raises(FrameError):
        codec.unwrap(frame)


@given(st.integers(0, 8))
def test_an_answer_torn_anywhere_waits_for_the_rest(size: int) -> None:
    whole = bytes.fromhex("ff8602200000000058")
    assert Answer(Command.READ).measure(whole[:size]) == 0
    assert Answer(Command.READ).measure(whole) == 9
    assert Answer(Command.ZERO).measure(whole) == -9


@pytest.mark.parametrize("foreign", [b"\x01\x03\x02\x00\x17\xf8\x4a", b"\xff\x01\x86\x00\x00"])
def test_a_foreign_protocol_and_an_echo_are_no_answer(foreign: bytes) -> None:
    with pytest.raises(ForeignFrameError):
        Answer(Command.READ).measure(foreign)
