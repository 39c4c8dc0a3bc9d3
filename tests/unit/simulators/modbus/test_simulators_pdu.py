"""The server function against the examples of V1.1b3, and against anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.modbus.memory import Bits, Memory, Words
from simulators.modbus.pdu import MAX_PDU, read_range, serve

IDENTITY = {0: b"Company identification", 1: b"Product code XX", 2: b"V2.11"}


def memory() -> Memory:
    """Return a server that offers everything at 0 to 999, written or not."""
    space = (range(1000),)
    return Memory(
        coils=Bits(space),
        discrete=Bits(space),
        holding=Words(space, dict.fromkeys(range(1000), range(0x10000))),
        inputs=Words(space),
    )


def ask(server: Memory, request: str) -> str:
    answer = serve(server, IDENTITY, bytes.fromhex(request))
    assert answer is not None
    return answer.hex(" ").upper()


def put(words: Words, address: int, values: list[int]) -> None:
    packed = b"".join(value.to_bytes(2, "big") for value in values)
    words.image[2 * address : 2 * address + len(packed)] = packed


def test_pdu_reads_coils_20_to_38_as_in_6_1() -> None:
    server = memory()
    server.coils.write(19, 19, bytes.fromhex("CD6B05"))
    assert ask(server, "01 0013 0013") == "01 03 CD 6B 05"


def test_pdu_reads_discrete_inputs_197_to_218_as_in_6_2() -> None:
    server = memory()
    server.discrete.write(196, 22, bytes.fromhex("ACDB35"))
    assert ask(server, "02 00C4 0016") == "02 03 AC DB 35"


def test_pdu_reads_holding_registers_108_to_110_as_in_6_3() -> None:
    server = memory()
    put(server.holding, 107, [0x022B, 0x0000, 0x0064])
    assert ask(server, "03 006B 0003") == "03 06 02 2B 00 00 00 64"


def test_pdu_reads_input_register_9_as_in_6_4() -> None:
    server = memory()
    put(server.inputs, 8, [10])
    assert ask(server, "04 0008 0001") == "04 02 00 0A"


def test_pdu_writes_coil_173_on_as_in_6_5() -> None:
    server = memory()
    assert ask(server, "05 00AC FF00") == "05 00 AC FF 00"
    assert ask(server, "01 00AC 0001") == "01 01 01"


def test_pdu_writes_register_2_as_in_6_6() -> None:
    server = memory()
    assert ask(server, "06 0001 0003") == "06 00 01 00 03"
    assert ask(server, "03 0001 0001") == "03 02 00 03"


def test_pdu_writes_ten_coils_as_in_6_11() -> None:
    server = memory()
    assert ask(server, "0F 0013 000A 02 CD01") == "0F 00 13 00 0A"
    assert ask(server, "01 0013 000A") == "01 02 CD 01"


def test_pdu_writes_two_registers_as_in_6_12() -> None:
    server = memory()
    assert ask(server, "10 0001 0002 04 000A 0102") == "10 00 01 00 02"
    assert ask(server, "03 0001 0002") == "03 04 00 0A 01 02"


def test_pdu_masks_register_5_as_in_6_16() -> None:
    server = memory()
    put(server.holding, 4, [0x12])
    assert ask(server, "16 0004 00F2 0025") == "16 00 04 00 F2 00 25"
    assert ask(server, "03 0004 0001") == "03 02 00 17"


def test_pdu_writes_before_it_reads_as_in_6_17() -> None:
    server = memory()
    put(server.holding, 3, [0x00FE, 0x0ACD, 0x0001, 0x0003, 0x000D, 0x00FF])
    answer = ask(server, "17 0003 0006 000E 0003 06 00FF 00FF 00FF")
    assert answer == "17 0C 00 FE 0A CD 00 01 00 03 00 0D 00 FF"
    assert ask(server, "17 0003 0001 0003 0001 02 BEEF") == "17 02 BE EF"


def test_pdu_tells_its_basic_identification_as_in_6_21() -> None:
    answer = serve(memory(), IDENTITY, bytes.fromhex("2B 0E 01 00"))
    assert answer == (
        bytes.fromhex("2B 0E 01 82 00 00 03")
        + b"\x00\x16Company identification\x01\x0fProduct code XX\x02\x05V2.11"
    )


def test_pdu_tells_one_object_and_refuses_one_that_is_not_there() -> None:
    assert ask(memory(), "2B 0E 04 02").endswith("01 02 05 56 32 2E 31 31")
    assert ask(memory(), "2B 0E 04 7E") == "AB 02"


def test_pdu_goes_on_with_the_next_answer_when_objects_do_not_fit() -> None:
    long = {key: bytes([65 + key]) * 100 for key in range(4)}
    first = serve(memory(), long, bytes.fromhex("2B 0E 02 00"))
    assert first is not None
    assert len(first) <= MAX_PDU
    assert tuple(first[4:7]) == (0xFF, 2, 2), "more follows, from object 2, two are here"
    second = serve(memory(), long, bytes.fromhex("2B 0E 02 02"))
    assert second is not None
    assert tuple(second[4:7]) == (0, 0, 2)


REFUSED = {
    "unknown function": ("63 00", "E3 01"),
    "user-defined function": ("41", "C1 01"),
    "no coils at all": ("01 0000 0000", "81 03"),
    "2001 coils": ("01 0000 07D1", "81 03"),
    "126 registers": ("03 0000 007E", "83 03"),
    "one byte too many": ("03 0000 0001 00", "83 03"),
    "one byte too few": ("04 0000 00", "84 03"),
    "beyond the end": ("03 03E7 0002", "83 02"),
    "beyond 65535": ("04 FFFF 0002", "84 02"),
    "a coil half on": ("05 0000 0100", "85 03"),
    "a coil that is not there": ("05 03E8 FF00", "85 02"),
    "coils and byte count differ": ("0F 0000 000A 01 CD", "8F 03"),
    "registers and byte count differ": ("10 0000 0002 02 0001", "90 03"),
    "124 registers written": ("10 0000 007C F8" + "00" * 0xF8, "90 03"),
    "mask too short": ("16 0000 00F2", "96 03"),
    "read and write of nothing": ("17 0000 0000 0000 0001 02 0001", "97 03"),
    "another encapsulated interface": ("2B 0D 00 00", "AB 01"),
    "identification of kind 5": ("2B 0E 05 00", "AB 03"),
}


@pytest.mark.parametrize(("request_", "answer"), REFUSED.values(), ids=REFUSED)
def test_pdu_refuses(request_: str, answer: str) -> None:
    assert ask(memory(), request_) == answer


def test_pdu_calls_functions_of_a_table_it_lacks_illegal() -> None:
    lacking = Memory(inputs=Words((range(4),)))
    for request in ("01 0000 0001", "02 0000 0001", "03 0000 0001", "05 0000 FF00", "06 0000 0001"):
        assert ask(lacking, request).endswith(" 01")


def test_pdu_writes_all_registers_or_none() -> None:
    server = Memory(holding=Words((range(4),), {0: range(101), 1: range(101)}))
    assert ask(server, "10 0000 0002 04 0005 0065") == "90 03"
    assert ask(server, "10 0001 0002 04 0005 0005") == "90 02"
    assert ask(server, "03 0000 0002") == "03 04 00 00 00 00"


def test_pdu_read_and_write_writes_nothing_when_it_cannot_read() -> None:
    server = memory()
    assert ask(server, "17 03E7 0002 0000 0001 02 0001") == "97 02"
    assert ask(server, "03 0000 0001") == "03 02 00 00"


def test_pdu_does_not_read_across_a_hole() -> None:
    server = Memory(inputs=Words((range(26), range(30, 51))))
    assert ask(server, "04 0019 0001") == "04 02 00 00"
    for request in ("04 001A 0001", "04 0019 0002", "04 0018 000A", "04 001D 0002"):
        assert ask(server, request) == "84 02"


@given(st.binary(max_size=300))
def test_pdu_any_bytes_get_an_answer_of_their_function_or_none(request: bytes) -> None:
    answer = serve(memory(), IDENTITY, request)
    if not request or request[0] >= 0x80:
        assert answer is None
    else:
        assert answer is not None
        assert answer[0] & 0x7F == request[0]
        assert 2 <= len(answer) <= MAX_PDU


@given(st.lists(st.booleans(), min_size=1, max_size=800), st.integers(0, 100))
def test_pdu_bits_written_are_bits_read(bits: list[bool], address: int) -> None:
    server = memory()
    packed = sum(bit << place for place, bit in enumerate(bits))
    size = (len(bits) + 7) // 8
    data = packed.to_bytes(size, "little")
    server.coils.write(address, len(bits), data)
    assert server.coils.read(address, len(bits)) == data


@given(st.binary(max_size=300))
def test_pdu_read_range_of_any_bytes_is_what_is_then_read(request: bytes) -> None:
    asked = read_range(request)
    answer = serve(memory(), IDENTITY, request)
    if asked is not None and asked.function in {3, 4} and answer is not None and answer[0] < 0x80:
        assert answer[1] == 2 * asked.quantity
