"""Telegrams of meters: what each record is, exactly, and what is never taken for a value."""

from __future__ import annotations

import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.mbus import codec
from drivers.mbus.quantities import OPAQUE, QUANTITIES, factor_between, quantity_of
from drivers.mbus.telegram import Function, Record, joined
from drivers.mbus.vif import FB, FD, PRIMARY
from gateway.model.errors import DeviceRejectedError, FrameError, NoResponseError
from gateway.model.units import is_unit
from tests.fuzz.fuzz_mbus import one

HEADER = bytes.fromhex("78563412 2440 01 07 55 00 0000")


def telegram(records: str, header: bytes = HEADER) -> tuple[Record, ...]:
    return codec.decode(0x72, header + bytes.fromhex(records)).records


def only(records: str) -> Record:
    [record] = telegram(records)
    return record


def value_of(record: Record) -> Fraction:
    assert isinstance(record.value, int | float)
    return Fraction(record.value) * record.meaning.factor


def test_the_example_of_the_documentation() -> None:
    """The M-Bus: A Documentation, Rev. 4.8, 6.4: a water meter with three records."""
    data = HEADER + bytes.fromhex("03 13 15 31 00  da 02 3b 13 01  8b 60 04 37 18 02")
    told = codec.decode(0x72, data)
    assert (told.header.ident, told.header.manufacturer) == ("12345678", "PAD")
    assert (told.header.version, told.header.device_type) == (1, 7)
    assert (told.header.access_number, told.header.status) == (0x55, 0)
    volume, flow, energy = told.records
    assert (volume.meaning.quantity, volume.meaning.unit) == ("volume", "m3")
    assert value_of(volume) == Fraction(12565, 1000)
    assert (flow.meaning.quantity, flow.storage) == ("volume_flow", 5)
    assert (flow.function, value_of(flow)) == (Function.MAXIMUM, Fraction(113, 1000))
    assert (energy.meaning.quantity, energy.tariff, energy.subunit) == ("energy", 2, 1)
    assert (value_of(energy), energy.meaning.unit) == (Fraction(218_370), "W.h")
    assert not told.more


VALUES = {
    "an integer is signed": ("01 13 ff", -1, "volume"),
    "two bytes": ("02 13 39 30", 12345, "volume"),
    "six bytes": ("06 13 ff ff ff ff ff 7f", 2**47 - 1, "volume"),
    "eight bytes": ("07 13 00 00 00 00 00 00 00 40", 2**62, "volume"),
    "decimal digits": ("0c 13 78 56 34 12", 12_345_678, "volume"),
    "decimal with a minus": ("0b 13 45 23 f1", -12_345, "volume"),
    "decimal of variable length": ("0d 13 c2 34 12", 1234, "volume"),
    "the same with a minus": ("0d 13 d2 34 12", -1234, "volume"),
    "an integer of variable length": ("0d 13 e2 ff ff", -1, "volume"),
    "error flags have no sign": ("02 fd17 00 80", 0x8000, "error_flags"),
}


@pytest.mark.parametrize("case", VALUES)
def test_values(case: str) -> None:
    data, value, quantity = VALUES[case]
    record = only(data)
    assert (record.value, record.meaning.quantity, record.fault) == (value, quantity, "")


def test_a_real_comes_as_it_is() -> None:
    record = only("05 5b" + struct.pack("<f", 21.5).hex())
    assert (record.value, record.meaning.unit) == (21.5, "Cel")


NO_VALUES = {
    "no number in decimal digits": "0c 13 ff ff ff ff",
    "letters for digits": "0b 3b dd eb bd",
    "the lowest integer": "02 5a 00 80",
    "a real that is none": "05 5b 00 00 c0 7f",
    "an infinite real": "05 5b 00 00 80 7f",
    "the meter says that there is none": "0c 93 15 00 00 00 00",
    "the meter says that it is wrong": "0c 93 18 00 00 00 00",
    "nothing behind it": "00 13",
    "a date that was never set": "02 6c 00 00",
    "the date that means none": "02 6c ff ff",
    "a time that the meter calls invalid": "04 6d 97 0a b6 16",
    "every year is no year": "02 6c e1 f1",
    "the thirtieth of February": "02 6c 1e 02",
}


@pytest.mark.parametrize("case", NO_VALUES)
def test_a_fault_never_looks_like_a_measurement(case: str) -> None:
    record = only(NO_VALUES[case])
    assert record.value is None
    assert record.fault


DATES = {
    "type G": ("02 6c a1 15", "2013-05-01"),
    "type G of the last century": ("02 6c 61 c5", "1999-05-01"),
    "type F": ("04 6d 17 0a a1 15", "2013-05-01T10:23"),
    "type F with a century": ("04 6d 17 2a a1 15", "2013-05-01T10:23"),
    "type I": ("06 6d 3b 17 0a a1 15 00", "2013-05-01T10:23:59"),
    "type J": ("03 6d 3b 17 0a", "10:23:59"),
}


@pytest.mark.parametrize("case", DATES)
def test_dates_and_times(case: str) -> None:
    data, told = DATES[case]
    assert only(data).value == told


CHANGED = {
    "times a thousandth": ("04 93 73 01000000", "volume", Fraction(1, 10**6), ()),
    "times a thousand": ("04 93 7d 01000000", "volume", Fraction(1), ()),
    "only what flows back": ("04 93 3c 01000000", "volume", Fraction(1, 1000), ("backward",)),
    "of a maker's phase": ("04 83 ff01 01000000", "energy", Fraction(1), ("maker-01",)),
    "of a phase": ("04 a9 fc01 01000000", "power", Fraction(1, 100), ("fc-01",)),
    "how often a limit was passed": (
        "04 bb 49 01000000",
        "limit_exceeded_times",
        Fraction(1),
        ("volume_flow", "upper"),
    ),
    "how long a limit was passed": (
        "04 be 58 01000000",
        "limit_exceeded_for",
        Fraction(1),
        ("volume_flow", "upper", "first"),
    ),
}


@pytest.mark.parametrize("case", CHANGED)
def test_what_follows_the_unit_changes_it(case: str) -> None:
    data, quantity, factor, qualifiers = CHANGED[case]
    meaning = only(data).meaning
    assert (meaning.quantity, meaning.qualifiers) == (quantity, qualifiers)
    assert value_of(only(data)) == factor


def test_when_a_maximum_was_is_a_date_and_no_temperature() -> None:
    record = only("14 da6f 32 14 1a 18")
    assert record.meaning.quantity == "date_of"
    assert record.meaning.qualifiers == ("flow_temperature", "last", "end")
    assert isinstance(record.value, str)


OPAQUE_RECORDS = {
    "a reserved code": "04 6f 01000000",
    "of the manufacturer": "02 7f b5 10",
    "of the manufacturer, with more": "04 ff 93 00 01000000",
    "unknown in the second table": "04 fd 7b 01000000",
    "litres per pulse is no volume": "04 93 28 01000000",
    "per hour is no energy": "04 83 22 01000000",
    "an additive constant": "04 da 78 01000000",
    "not metric": "04 93 3d 01000000",
    "a date of four bytes that should have two": "04 6c 01000000",
    "a text for a volume": "0d 13 03 33 32 31",
}


@pytest.mark.parametrize("case", OPAQUE_RECORDS)
def test_what_is_not_understood_is_no_value(case: str) -> None:
    record = only(OPAQUE_RECORDS[case])
    assert record.meaning.quantity == OPAQUE
    assert record.meaning.unit == ""
    assert not isinstance(record.value, int | float)


def test_a_unit_in_words_stands_before_the_extensions_or_behind() -> None:
    before = only("02 fc 03 48 52 25 74 d4 11")
    behind = only("02 fc 74 03 48 52 25 d4 11")
    for record in (before, behind):
        assert record.meaning.quantity == "text-%RH"
        assert value_of(record) == Fraction(4564, 100)


def test_texts_come_last_character_first() -> None:
    assert only("0d fd11 03 63 62 61").value == "abc"
    assert only("0c 78 04 03 02 01").value == "01020304"


def test_the_address_of_a_record_goes_through_all_extensions() -> None:
    record = only("cc c1 62 13 00000000")
    assert (record.storage, record.tariff, record.subunit) == (1 | 1 << 1 | 2 << 5, 2 << 2, 1 | 2)


def test_fillers_and_the_maker_s_own_are_passed_over() -> None:
    told = codec.decode(0x72, HEADER + bytes.fromhex("2f 2f 01 13 05 2f 1f 01 02 03"))
    assert [record.value for record in told.records] == [5]
    assert (told.more, told.maker_data) == (True, b"\1\2\3")
    last = codec.decode(0x72, HEADER + bytes.fromhex("01 13 06 0f 04"))
    whole = joined([told, last])
    assert [record.value for record in whole.records] == [5, 6]
    assert (whole.more, whole.maker_data) == (False, b"\1\2\3\4")


BROKEN = {
    "the header": "",
    "a value": "04 13 01 00",
    "an extension": "84",
    "the unit": "04",
    "the table of the unit": "04 fd",
    "a text": "0d fd11 05 61",
    "a reserved length": "0d 13 fb 00",
    "a reserved field": "3f",
    "too many DIFEs": "84" + " 80" * 10 + " 00 13 00000000",
    "too many VIFEs": "04 93" + " bb" * 10 + " 3b 00000000",
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_breaks_off_is_no_telegram(case: str) -> None:
    header = HEADER[:5] if case == "the header" else HEADER
    with pytest.raises(FrameError):
        telegram(BROKEN[case], header)


def test_encrypted_data_is_refused_by_name() -> None:
    with pytest.raises(DeviceRejectedError, match="security mode 5") as caught:
        telegram("2f 2f", HEADER[:10] + bytes.fromhex("20 05"))
    assert caught.value.code == 5


def test_a_signature_of_old_is_no_encryption() -> None:
    header = HEADER[:10] + bytes.fromhex("00 f2")
    assert [record.value for record in telegram("01 13 05", header)] == [5]


REFUSALS = {
    "busy": (0x70, "08", NoResponseError, "busy"),
    "too often": (0x70, "09", DeviceRejectedError, "too often"),
    "no reason": (0x70, "", DeviceRejectedError, "unspecified"),
    "an unknown reason": (0x70, "63", DeviceRejectedError, "error 99"),
    "a short header": (0x7A, "00", DeviceRejectedError, "short header"),
    "high byte first": (0x76, "00", DeviceRejectedError, "high byte first"),
    "anything else": (0x55, "00", DeviceRejectedError, "55h"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals_have_names(case: str) -> None:
    information, data, error, words = REFUSALS[case]
    with pytest.raises(error, match=words):
        codec.decode(information, bytes.fromhex(data))


def test_the_fixed_structure_of_old_meters() -> None:
    """The M-Bus: A Documentation, Rev. 4.8, 6.3.1: litres now, and at the fixed date."""
    data = bytes.fromhex("78563412 0a 00 e9 7e 01000000 35010000")
    told = codec.decode(0x73, data)
    assert (told.header.ident, told.header.device_type) == ("12345678", 7)
    now, then = told.records
    assert (now.meaning.quantity, value_of(now), now.storage) == ("volume", Fraction(1, 1000), 0)
    assert (then.meaning.quantity, value_of(then), then.storage) == (
        "volume",
        Fraction(135, 1000),
        1,
    )
    with pytest.raises(FrameError):
        codec.decode(0x73, data[:-1])


def test_every_code_has_a_quantity_with_a_unit_of_it() -> None:
    for table in (PRIMARY, FB, FD):
        for meaning in table.values():
            quantity = quantity_of(meaning.quantity)
            assert quantity is not None, meaning
            if meaning.unit:
                assert any(factor_between(meaning.unit, unit) for unit in quantity.units), meaning
    for quantity in QUANTITIES.values():
        assert all(is_unit(unit) for unit in quantity.units)


def test_units_are_converted_exactly_or_not_at_all() -> None:
    assert factor_between("GJ", "kW.h") == Fraction(10**9, 3_600_000)
    assert factor_between("L", "m3") == Fraction(1, 1000)
    assert factor_between("Gcal", "GJ") is None
    assert factor_between("kW", "kW.h") is None


@given(
    digits=st.integers(0, 10**8 - 1),
    exponent=st.integers(0, 7),
)
def test_decimal_and_binary_tell_the_same(digits: int, exponent: int) -> None:
    vif = 0x10 + exponent
    decimal = bytes.fromhex(f"{digits:08d}")[::-1]
    one_way = only(f"0c {vif:02x} {decimal.hex()}")
    other = only(f"04 {vif:02x} {digits.to_bytes(4, 'little').hex()}")
    assert value_of(one_way) == value_of(other) == Fraction(digits) * Fraction(10) ** (exponent - 6)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_telegram_or_an_error_of_the_device(data: bytes) -> None:
    one(data)


@given(st.binary(max_size=240))
def test_any_records_are_a_telegram_or_an_error_of_the_device(data: bytes) -> None:
    one(HEADER + data)
