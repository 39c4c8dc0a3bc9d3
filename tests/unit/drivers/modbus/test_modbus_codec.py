"""Registers become values as the profile says, and values registers; the bytes are by hand."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.codec import compile_decoder
from drivers.modbus.encode import encode_value, merge_bits
from drivers.modbus.fields import REGISTERS, Field, MappedPoint, Order, Span, Table, Type
from gateway.model.errors import CommandRefusedError
from gateway.model.ids import PointId
from gateway.model.reading import Cause, Flag, Kind, Point, Quality, Value

GOOD = None
BAD_NO_VALUE = Flag(Quality.BAD, Cause.NO_VALUE)
BAD_RANGE = Flag(Quality.BAD, Cause.OUT_OF_RANGE)
UNKNOWN = Flag(Quality.UNCERTAIN, Cause.UNKNOWN_STATE)

WHOLE = [Type.U16, Type.I16, Type.U32, Type.I32, Type.U64, Type.I64]
FLOATS = [Type.FLOAT32, Type.FLOAT64]
CODES = {"u": "HIQ", "i": "hiq"}


def mapped(
    kind: Type,
    order: Order = Order.ABCD,
    *,
    address: int = 0,
    name: str = "p",
    length: int | None = None,
    point: Point | None = None,
    **more: object,
) -> MappedPoint:
    span = Span(Table.HOLDING, address, length or REGISTERS[kind])
    field = Field(span, kind, order, **more)  # type: ignore[arg-type]  # checked by the dataclass
    return MappedPoint(point or Point(PointId(name), kind=Kind.NUMBER), field)


def decode_one(one: MappedPoint, registers: bytes) -> tuple[Value | None, Flag | None]:
    cells, flags = compile_decoder(one.field.span, [one]).decode(b"\xff" + registers, 1)
    return cells[0], flags.get(0)


@pytest.mark.parametrize(
    ("kind", "order", "registers", "value"),
    {
        "u16": (Type.U16, Order.ABCD, "08fc", 2300),
        "u16 swapped": (Type.U16, Order.DCBA, "fc08", 2300),
        "i16": (Type.I16, Order.ABCD, "ffce", -50),
        "u32 ABCD": (Type.U32, Order.ABCD, "01020304", 0x01020304),
        "u32 CDAB": (Type.U32, Order.CDAB, "03040102", 0x01020304),
        "u32 BADC": (Type.U32, Order.BADC, "02010403", 0x01020304),
        "u32 DCBA": (Type.U32, Order.DCBA, "04030201", 0x01020304),
        "i32 CDAB": (Type.I32, Order.CDAB, "ff38ffff", -200),
        "u64 ABCD": (Type.U64, Order.ABCD, "0102030405060708", 0x0102030405060708),
        "u64 CDAB": (Type.U64, Order.CDAB, "0708050603040102", 0x0102030405060708),
        "u64 BADC": (Type.U64, Order.BADC, "0201040306050807", 0x0102030405060708),
        "u64 DCBA": (Type.U64, Order.DCBA, "0807060504030201", 0x0102030405060708),
        "u64 all ones": (Type.U64, Order.ABCD, "ffffffffffffffff", 2**64 - 1),
        "i64": (Type.I64, Order.ABCD, "ffffffffffffffff", -1),
        "float32 ABCD": (Type.FLOAT32, Order.ABCD, "41a40000", 20.5),
        "float32 CDAB": (Type.FLOAT32, Order.CDAB, "000041a4", 20.5),
        "float64": (Type.FLOAT64, Order.ABCD, "4034800000000000", 20.5),
        "bcd16": (Type.BCD16, Order.ABCD, "1234", 1234),
        "bcd32 CDAB": (Type.BCD32, Order.CDAB, "56781234", 12345678),
    }.values(),
    ids=str,
)
def test_decode_reads_each_type_in_each_order(
    kind: Type, order: Order, registers: str, value: float
) -> None:
    assert decode_one(mapped(kind, order), bytes.fromhex(registers)) == (value, GOOD)


def test_decode_of_plain_registers_gives_the_integers_themselves() -> None:
    cell, _ = decode_one(mapped(Type.U64), b"\x20\0\0\0\0\0\0\x01")
    assert type(cell) is int
    assert cell == 2**61 + 1


@given(st.integers(-(2**15), 2**15 - 1), st.floats(0.001, 1000), st.floats(-1e6, 1e6))
def test_decode_scales_exactly_as_the_receiver_does(n: int, scale: float, offset: float) -> None:
    one = mapped(Type.I16, scale=scale, offset=offset)
    assert decode_one(one, struct.pack(">h", n))[0] == n * scale + offset


@pytest.mark.parametrize(
    ("kind", "pattern", "registers", "expected"),
    [
        (Type.U16, 0xFFFF, "ffff", (None, BAD_NO_VALUE)),
        (Type.U16, 0xFFFF, "fffe", (65534, GOOD)),
        (Type.I16, 0x8000, "8000", (None, BAD_NO_VALUE)),
        (Type.I32, 0x7FFFFFFF, "7fffffff", (None, BAD_NO_VALUE)),
        (Type.FLOAT32, 0x7FC00000, "7fc00000", (None, BAD_NO_VALUE)),
        (Type.FLOAT32, 0xC61C3C00, "c61c3c00", (None, BAD_NO_VALUE)),
        (Type.BCD16, 0xFFFF, "ffff", (None, BAD_NO_VALUE)),
    ],
)
def test_a_sentinel_is_no_value(
    kind: Type, pattern: int, registers: str, expected: tuple[object, object]
) -> None:
    one = mapped(kind, sentinels=frozenset({pattern}))
    assert decode_one(one, bytes.fromhex(registers)) == expected


def test_a_scaled_sentinel_is_no_value_either() -> None:
    one = mapped(Type.I16, scale=0.1, sentinels=frozenset({0x8000}))
    assert decode_one(one, b"\x80\x00") == (None, BAD_NO_VALUE)


@pytest.mark.parametrize(
    ("kind", "registers"),
    {
        "not a number": (Type.FLOAT32, "7fc00000"),
        "infinite": (Type.FLOAT32, "ff800000"),
        "infinite, long": (Type.FLOAT64, "7ff0000000000000"),
        "no digits": (Type.BCD16, "12a4"),
    }.values(),
)
def test_what_cannot_be_is_out_of_range(kind: Type, registers: str) -> None:
    assert decode_one(mapped(kind), bytes.fromhex(registers)) == (None, BAD_RANGE)


def test_limits_are_inclusive_and_beyond_them_there_is_no_value() -> None:
    point = Point(PointId("p"), kind=Kind.NUMBER, scale=0.1, low=0.0, high=10.0)
    one = mapped(Type.I16, point=point, scale=0.1)
    assert decode_one(one, struct.pack(">h", 100)) == (10.0, GOOD)
    assert decode_one(one, struct.pack(">h", 101)) == (None, BAD_RANGE)
    assert decode_one(one, struct.pack(">h", -1)) == (None, BAD_RANGE)


def test_a_state_keeps_its_number_and_an_unknown_one_is_uncertain() -> None:
    point = Point(PointId("led"), kind=Kind.STATE, states={0: "off", 2: "red"})
    assert decode_one(mapped(Type.U16, point=point), b"\0\x02") == (2, GOOD)
    assert decode_one(mapped(Type.U16, point=point), b"\0\x07") == (7, UNKNOWN)


def test_bit_fields_share_their_register() -> None:
    points = [
        mapped(Type.BOOL, mask=0x0001, point=Point(PointId("a"), kind=Kind.BOOL)),
        mapped(Type.BOOL, mask=0x0002, shift=1, point=Point(PointId("b"), kind=Kind.BOOL)),
        mapped(Type.U16, mask=0x00F0, shift=4, name="c"),
        mapped(Type.U16, name="whole"),
    ]
    cells, flags = compile_decoder(Span(Table.HOLDING, 0, 1), points).decode(b"\x10\xa1", 0)
    assert cells == [True, False, 10, 0x10A1]
    assert not flags


@pytest.mark.parametrize(
    ("raw", "encoding", "expected"),
    {
        "padded with NUL": (b"AB1\0\0\0", "ascii", ("AB1", GOOD)),
        "padded with blanks": (b"AB1   ", "ascii", ("AB1", GOOD)),
        "full": (b"ABCDEF", "ascii", ("ABCDEF", GOOD)),
        "empty": (b"\0" * 6, "ascii", ("", GOOD)),
        "rubbish after the end": (b"AB\0\xff\xff\xff", "ascii", ("AB", GOOD)),
        "Cyrillic": ("ШУНО"[:3].encode(), "utf-8", ("ШУН", GOOD)),
        "not ASCII": (b"\xff" * 6, "ascii", (None, BAD_RANGE)),
        "not UTF-8": (b"\xc3\x28\0\0\0\0", "utf-8", (None, BAD_RANGE)),
        "control characters": (b"A\x1b[2J\0", "ascii", (None, BAD_RANGE)),
    }.values(),
)
def test_strings_end_at_nul_and_what_is_no_text_has_no_value(
    raw: bytes, encoding: str, expected: tuple[object, object]
) -> None:
    point = Point(PointId("text"), kind=Kind.TEXT)
    one = mapped(Type.STRING, length=3, point=point, encoding=encoding)
    assert decode_one(one, raw) == expected


def test_strings_may_have_their_characters_exchanged() -> None:
    point = Point(PointId("text"), kind=Kind.TEXT)
    one = mapped(Type.STRING, Order.BADC, length=2, point=point)
    assert decode_one(one, b"BADC") == ("ABCD", GOOD)


def test_coils_are_taken_least_significant_first_and_where_they_lie() -> None:
    span = Span(Table.COIL, 10, 11)
    points = [
        MappedPoint(
            Point(PointId(f"c{address}"), kind=Kind.BOOL),
            Field(Span(Table.COIL, address, 1), Type.BOOL),
        )
        for address in (10, 12, 18, 20)
    ]
    cells, flags = compile_decoder(span, points).decode(b"\x01\x02\x05\x05", 2)
    assert cells == [True, True, True, True]
    assert not flags
    assert compile_decoder(span, points).decode(b"\x00\x00", 0)[0] == [False] * 4


def test_fields_of_all_orders_with_gaps_come_out_in_the_order_of_the_points() -> None:
    registers = bytes.fromhex("0001 03040102 ffff 41a40000 0201 0605")
    points = [
        mapped(Type.FLOAT32, address=4, name="float"),
        mapped(Type.U16, Order.BADC, address=6, name="swapped"),
        mapped(Type.U32, Order.CDAB, address=1, name="long"),
        mapped(Type.U16, address=0, name="first"),
        mapped(Type.U16, Order.DCBA, address=7, name="little"),
    ]
    cells, _ = compile_decoder(Span(Table.HOLDING, 0, 8), points).decode(registers, 0)
    assert cells == [20.5, 0x0102, 0x01020304, 1, 0x0506]


@given(
    st.sampled_from([*WHOLE, *FLOATS, Type.BCD16, Type.BCD32]), st.sampled_from(Order), st.data()
)
def test_decode_of_any_registers_gives_a_value_or_a_flag(
    kind: Type, order: Order, data: st.DataObject
) -> None:
    size = REGISTERS[kind] * 2
    cell, flag = decode_one(mapped(kind, order), data.draw(st.binary(min_size=size, max_size=size)))
    assert (cell is None) == (flag is not None)
    assert cell is None or math.isfinite(float(cell))


@given(st.sampled_from(WHOLE), st.sampled_from(Order), st.data())
def test_encode_then_decode_is_identity(kind: Type, order: Order, data: st.DataObject) -> None:
    size = REGISTERS[kind] * 2
    registers = data.draw(st.binary(min_size=size, max_size=size))
    one = mapped(kind, order)
    value, _ = decode_one(one, registers)
    assert value is not None
    assert encode_value(one, value) == (value, registers)


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.sampled_from(Order))
def test_encode_then_decode_of_floats_is_identity(value: float, order: Order) -> None:
    one = mapped(Type.FLOAT32, order, point=Point(PointId("p"), kind=Kind.FLOAT32))
    assert decode_one(one, encode_value(one, value)[1]) == (value, GOOD)


@given(st.integers(0, 9999))
def test_encode_writes_decimal_digits(value: int) -> None:
    assert encode_value(mapped(Type.BCD16), value)[1].hex() == f"{value:04d}"


@given(st.integers(-(2**15), 2**15 - 1), st.sampled_from([0.1, 0.01, 0.001, 0.5, 10, 3]))
def test_encode_undoes_the_scale_of_what_was_read(n: int, scale: float) -> None:
    one = mapped(Type.I16, scale=scale, offset=-40.0)
    value, _ = decode_one(one, struct.pack(">h", n))
    assert value is not None
    assert encode_value(one, value)[1] == struct.pack(">h", n)


NUMBER = Point(PointId("level"), unit="%", kind=Kind.NUMBER, low=0, high=100)
LED = Point(PointId("led"), kind=Kind.STATE, states={0: "off", 2: "red"})
FLAG = Point(PointId("flag"), kind=Kind.BOOL)
TEXT = Point(PointId("text"), kind=Kind.TEXT)


@pytest.mark.parametrize(
    ("one", "value", "says"),
    {
        "above": (mapped(Type.U16, point=NUMBER), 101, "between 0 and 100"),
        "below": (mapped(Type.U16, point=NUMBER), -1, "between"),
        "not a number": (mapped(Type.U16, point=NUMBER), math.nan, "a number"),
        "a text": (mapped(Type.U16, point=NUMBER), "12", "a number"),
        "a bool": (mapped(Type.U16, point=NUMBER), True, "a number"),
        "between steps": (mapped(Type.U16, point=NUMBER), 1.5, "nearest is 2"),
        "between scaled steps": (mapped(Type.U16, scale=0.5), 1.3, "nearest is 1.5"),
        "too wide": (mapped(Type.U16), 65_536, "does not fit"),
        "too wide for a float": (mapped(Type.FLOAT32), 1e300, "does not fit"),
        "negative digits": (mapped(Type.BCD16), -1, "no digits"),
        "five digits": (mapped(Type.BCD16), 10_000, "no digits"),
        "too wide for its bits": (mapped(Type.U16, mask=0xF0, shift=4), 16, "does not fit"),
        "unknown state": (mapped(Type.U16, point=LED), 1, r"off \(0\), red \(2\)"),
        "unknown name": (mapped(Type.U16, point=LED), "blue", "red"),
        "bool for a state": (mapped(Type.U16, point=LED), False, "red"),
        "no bool": (mapped(Type.BOOL, mask=1, point=FLAG), 2, "true or false"),
        "a text for a bool": (mapped(Type.BOOL, mask=1, point=FLAG), "true", "true or false"),
        "the sentinel": (mapped(Type.U16, sentinels=frozenset({7})), 7, "no value"),
        "too long": (mapped(Type.STRING, length=1, point=TEXT), "abc", "room for 2"),
        "not encodable": (mapped(Type.STRING, length=2, point=TEXT), "ёж", "ascii"),
        "blanks at the end": (mapped(Type.STRING, length=2, point=TEXT), "a ", "blanks"),
    }.values(),
)
def test_encode_refuses_what_the_point_cannot_take(
    one: MappedPoint, value: Value, says: str
) -> None:
    with pytest.raises(CommandRefusedError, match=says):
        encode_value(one, value)


def test_encode_takes_a_state_by_name() -> None:
    assert encode_value(mapped(Type.U16, point=LED), "red") == (2, b"\0\x02")


def test_encode_pads_a_text() -> None:
    one = mapped(Type.STRING, Order.BADC, length=2, point=TEXT)
    assert encode_value(one, "abc") == ("abc", b"ba\0c")


@given(st.binary(min_size=4, max_size=4), st.integers(0, 15), st.sampled_from(Order))
def test_a_bit_field_is_written_without_touching_its_neighbours(
    old: bytes, value: int, order: Order
) -> None:
    one = mapped(Type.U32, order, mask=0x0F00, shift=8)
    whole = mapped(Type.U32, order)
    new = merge_bits(one.field, old, encode_value(one, value)[1])
    before, after = decode_one(whole, old)[0], decode_one(whole, new)[0]
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert decode_one(one, new)[0] == value
    assert before & ~0x0F00 == after & ~0x0F00
