"""By what a device is recognised: what a profile may say of it, and how answers fit."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.fields import Span, Table
from drivers.modbus.identify import (
    Confidence,
    Identification,
    believable,
    named,
    overall,
    signed,
)
from drivers.modbus.profile import ProfileError, parse_profile
from gateway.model.ids import PointId

PATH = Path("meter.toml")
HEAD = """\
name = "meter"
title = { ru = "Счётчик", en = "Meter" }

[source]
document = "a document"
edition = "1"
"""
POINT = """
[[point]]
name = "voltage"
table = "input"
address = 6
type = "u16"
scale = 0.1
unit = "V"
"""
IDENTIFY = """
[identify]
units = [1, 247]
baud_rates = [9600, 19200]
parity = "even"
stop_bits = 1

[[identify.object]]
id = "vendor_name"
pattern = "^Maker"

[[identify.object]]
id = 0x80
pattern = "M[0-9]+"
example = "M230"

[[identify.signature]]
table = "holding"
address = 200
type = "u16"
equals = [0x1234, 0x1235]

[[identify.signature]]
reference = "300011"
type = "string"
length = 4
pattern = "^M[0-9]"
example = "M230"

[[identify.signature]]
table = "input"
address = 30
type = "i16"
low = -5
high = 5

[[identify.plausible]]
point = "voltage"
low = 180
high = 260
"""
ID_SPAN, NAME_SPAN, OTHER_SPAN = (
    Span(Table.HOLDING, 200, 1),
    Span(Table.INPUT, 10, 2),
    Span(Table.INPUT, 30, 1),
)
GOOD = {ID_SPAN: b"\x12\x34", NAME_SPAN: b"M230", OTHER_SPAN: b"\xff\xfb"}


@pytest.fixture(name="meter")
def meter_() -> Identification:
    return parse_profile(HEAD + IDENTIFY + POINT, PATH).identification


def test_identification_becomes_plain_data(meter: Identification) -> None:
    assert (meter.units, meter.baud_rates, meter.parity, meter.stop_bits) == (
        (1, 247),
        (9600, 19200),
        "even",
        1,
    )
    assert meter.objects == {0: "^Maker", 0x80: "M[0-9]+"}
    assert [each.span for each in meter.signatures] == [ID_SPAN, NAME_SPAN, OTHER_SPAN]


OBJECTS: dict[str, tuple[dict[int, bytes], Confidence]] = {
    "none given": ({}, Confidence.UNKNOWN),
    "others given": ({4: b"Thing"}, Confidence.UNKNOWN),
    "its own, padded": ({0: b"Maker of meters\0 "}, Confidence.NAMED),
    "all": ({0: b"Maker", 0x80: b"M1"}, Confidence.NAMED),
    "one wrong": ({0: b"Maker", 0x80: b"X1"}, Confidence.NO),
    "no text": ({0: b"\xff\xfe"}, Confidence.NO),
}


@pytest.mark.parametrize("case", OBJECTS.values(), ids=OBJECTS)
def test_objects_of_the_device_name_it(
    meter: Identification, case: tuple[dict[int, bytes], Confidence]
) -> None:
    objects, says = case
    assert named(meter, objects) is says


ANSWERS: dict[str, tuple[dict[Span, bytes | None], Confidence]] = {
    "nothing asked": ({}, Confidence.UNKNOWN),
    "all as it has them": (dict(GOOD), Confidence.SIGNATURE),
    "only one asked": ({ID_SPAN: b"\x12\x35"}, Confidence.UNKNOWN),
    "another number": ({**GOOD, ID_SPAN: b"\x12\x36"}, Confidence.NO),
    "another text": ({**GOOD, NAME_SPAN: b"X230"}, Confidence.NO),
    "no text": ({**GOOD, NAME_SPAN: b"\xff\xff\xff\xff"}, Confidence.NO),
    "outside the range": ({**GOOD, OTHER_SPAN: b"\x00\x06"}, Confidence.NO),
    "refused": ({**GOOD, OTHER_SPAN: None}, Confidence.NO),
    "too short": ({**GOOD, OTHER_SPAN: b"\x00"}, Confidence.NO),
}


@pytest.mark.parametrize("case", ANSWERS.values(), ids=ANSWERS)
def test_signature_registers_tell_it_from_others(
    meter: Identification, case: tuple[dict[Span, bytes | None], Confidence]
) -> None:
    answers, says = case
    assert signed(meter, answers) is says


@given(st.binary(max_size=8))
def test_any_bytes_fit_a_signature_or_do_not(data: bytes) -> None:
    meter = parse_profile(HEAD + IDENTIFY + POINT, PATH).identification
    first, _, third = (each.fits(data) for each in meter.signatures)
    assert first == (data in {b"\x12\x34", b"\x12\x35"})
    assert third == (len(data) == 2 and -5 <= struct.unpack(">h", data)[0] <= 5)


@pytest.mark.parametrize(
    ("value", "says"),
    [(230.0, Confidence.PLAUSIBLE), (12.0, Confidence.NO), ("x", Confidence.UNKNOWN)],
)
def test_values_of_a_healthy_device_are_believable(
    meter: Identification, value: float | str, says: Confidence
) -> None:
    assert believable(meter, {PointId("voltage"): value}) is says
    assert believable(meter, {}) is Confidence.UNKNOWN


def test_one_contradiction_outweighs_everything_else() -> None:
    told = (Confidence.NAMED, Confidence.SIGNATURE, Confidence.UNKNOWN)
    assert overall(*told) is Confidence.NAMED
    assert overall(*told, Confidence.NO) is Confidence.NO
    assert overall() is Confidence.UNKNOWN


MISTAKES = {
    "unknown object": ('id = "vendor_name"', 'id = "vendor"', "vendor_name"),
    "object beyond a byte": ("id = 0x80", "id = 256", "0 to 255"),
    "the same object twice": ("id = 0x80", "id = 0", "same object"),
    "no expression": ('pattern = "^Maker"', 'pattern = "("', "no regular expression"),
    "an example of another": (
        'example = "M230"\n\n[[identify.sig',
        'example = "X"\n\n[[identify.sig',
        "does not match",
    ),
    "nothing expected": ("equals = [0x1234, 0x1235]", "", "equals, low, high or pattern"),
    "a text for a number": ("equals = [0x1234, 0x1235]", 'equals = ["x"]', "another type"),
    "a pattern of a number": ("low = -5", 'pattern = "x"\nlow = -5', "string only"),
    "limits of a text": ('pattern = "^M[0-9]"', 'low = 1\npattern = "^M[0-9]"', "numbers only"),
    "falling limits": ("high = 5", "high = -6", "low is above high"),
    "falling values": ("high = 260", "high = 100", "low is above high"),
    "a point that is not there": ('point = "voltage"', 'point = "current"', "no such point"),
    "a unit beyond the line": ("units = [1, 247]", "units = [248]", "247"),
    "an odd parity": ('parity = "even"', 'parity = "mark"', "'odd'"),
}


@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES)
def test_what_does_not_hold_together_is_told(case: tuple[str, str, str]) -> None:
    old, new, says = case
    assert old in IDENTIFY
    with pytest.raises(ProfileError) as error:
        parse_profile(HEAD + IDENTIFY.replace(old, new, 1) + POINT, PATH)
    assert [each for each in error.value.mistakes if says in each.message], str(error.value)


def test_a_signature_where_nothing_may_be_read_is_refused() -> None:
    never = "\n[limits]\nnever = { holding = [[200, 210]] }\n"
    with pytest.raises(ProfileError, match="never to be read"):
        parse_profile(HEAD + never + IDENTIFY + POINT, PATH)
