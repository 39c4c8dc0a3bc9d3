"""What each fault makes of an answer, as bytes."""

from __future__ import annotations

from random import Random

import pytest

from simulators.faults import (
    Crc,
    Echo,
    Fault,
    Liar,
    Noise,
    Refuse,
    Short,
    Silent,
    Slow,
    WrongUnit,
)
from simulators.modbus import rtu, spoil
from simulators.twin import Struck, delay_s, spoiled

ANSWER = bytes.fromhex("04 06 0001 0002 0003")
REQUEST = rtu.wrap(7, bytes.fromhex("0400000003"))


def struck(fault: Fault) -> list[Struck]:
    return [Struck(fault, Random(fault.seed))]


def on_the_line(fault: Fault) -> bytes:
    return spoil.rtu_wire(struck(fault), 7, ANSWER, REQUEST)


def test_spoil_leaves_an_answer_alone_without_faults() -> None:
    assert rtu.unwrap(spoil.rtu_wire([], 7, ANSWER, REQUEST)) == (7, ANSWER)
    assert spoil.tcp_wire([], 5, 7, ANSWER).hex() == "000500000009" + "07" + ANSWER.hex()


@pytest.mark.parametrize("seed", range(20))
def test_spoil_crc_and_noise_leave_no_valid_frame_anywhere(seed: int) -> None:
    for fault in (Crc(seed=seed), Noise(seed=seed)):
        wire = on_the_line(fault)
        assert all(rtu.unwrap(wire[start:]) is None for start in range(len(wire)))


def test_spoil_noise_without_flips_only_puts_bytes_in_front() -> None:
    wire = on_the_line(Noise(flips=0, stray=8, seed=3))
    assert wire.endswith(rtu.wrap(7, ANSWER))
    assert len(wire) > len(rtu.wrap(7, ANSWER))
    assert not spoiled(struck(Noise(flips=0)))


def test_spoil_wrong_unit_is_a_sound_frame_of_somebody_else() -> None:
    assert rtu.unwrap(on_the_line(WrongUnit())) == (8, ANSWER)
    assert spoil.tcp_wire(struck(WrongUnit(offset=246)), 5, 7, ANSWER)[6] == 6


def test_spoil_short_breaks_off_but_something_comes() -> None:
    assert on_the_line(Short(missing=4)) == rtu.wrap(7, ANSWER)[:-4]
    assert on_the_line(Short(missing=255)) == b"\x07"
    assert spoil.tcp_wire(struck(Short(missing=2)), 5, 7, ANSWER)[4:6] == b"\x00\x09"


def test_spoil_echo_repeats_the_request_before_the_answer_or_alone() -> None:
    assert on_the_line(Echo()) == REQUEST + rtu.wrap(7, ANSWER)
    assert on_the_line(Echo(answers=False)) == REQUEST


def test_spoil_liar_tells_one_register_less_in_a_sound_frame() -> None:
    bent = spoil.content(struck(Liar(how="count")), ANSWER, range(0))
    assert bent == bytes.fromhex("04 04 0001 0002")


def test_spoil_liar_tells_one_register_more_when_one_was_asked() -> None:
    bent = spoil.content(struck(Liar(how="count")), bytes.fromhex("03 02 0001"), range(0))
    assert bent == bytes.fromhex("03 04 0001 0000")


def test_spoil_liar_gives_a_byte_count_that_does_not_fit() -> None:
    bent = spoil.content(struck(Liar(how="length")), ANSWER, range(0))
    assert bent[1] != len(bent) - 2


def test_spoil_liar_sets_all_bits_but_those_of_the_counter() -> None:
    bent = spoil.content(struck(Liar(how="values")), ANSWER, range(4, 6))
    assert bent == bytes.fromhex("04 06 FFFF 0002 FFFF")


def test_spoil_liar_confirms_another_write() -> None:
    confirmation = bytes.fromhex("06 0001 0003")
    for how in ("count", "length"):
        assert spoil.content(struck(Liar(how=how)), confirmation, range(0)) != confirmation


def test_spoil_liar_leaves_refusals_alone() -> None:
    assert spoil.content(struck(Liar()), b"\x84\x02", range(0)) == b"\x84\x02"


def test_spoil_refusal_names_function_and_code() -> None:
    assert spoil.refused(struck(Refuse(code=6)), 3) == b"\x83\x06"
    assert spoil.refused(struck(Crc()), 3) is None


def test_spoil_delays_add_up() -> None:
    late = struck(Slow(delay_s=1.5)) + struck(Slow(delay_s=0.5, jitter_s=1.0))
    assert 2.0 <= delay_s(late) <= 3.0
    assert delay_s(struck(Crc())) == 0


def test_spoil_one_fault_is_enough_to_spoil() -> None:
    assert not spoiled([])
    assert not spoiled(struck(Slow()))
    assert not spoiled(struck(Echo()) + struck(Liar(how="values")))
    assert spoiled(struck(Slow()) + struck(Silent()))
