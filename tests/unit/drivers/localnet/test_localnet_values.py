"""JSON of strangers, places in it, values, rates, and what is filled into topics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.localnet.documents import DEEPEST, MISSING, at, parse_pointer, read_json
from drivers.localnet.kind import KIND_MQTT
from drivers.localnet.points import Group, Source, sample_of, wire_value
from drivers.localnet.rate import Allowance
from drivers.localnet.secrets import read_secret
from drivers.localnet.templates import fill_json, fill_plain, fill_topic
from drivers.profiles.reading import SHIPPED, protocol_of
from gateway.model.errors import CommandRefusedError, FrameError
from gateway.model.ids import PointId
from gateway.model.reading import Cause, Kind, Point

# RFC 6901, 5: the document and what each pointer evaluates to.
RFC_DOCUMENT = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}
RFC_POINTERS: Mapping[str, Any] = {
    "": RFC_DOCUMENT,
    "/foo": ["bar", "baz"],
    "/foo/0": "bar",
    "/": 0,
    "/a~1b": 1,
    "/c%d": 2,
    "/e^f": 3,
    "/g|h": 4,
    "/i\\j": 5,
    '/k"l': 6,
    "/ ": 7,
    "/m~0n": 8,
}


@pytest.mark.parametrize("pointer", RFC_POINTERS)
def test_pointers_of_the_standard_find_what_it_says(pointer: str) -> None:
    assert at(RFC_DOCUMENT, parse_pointer(pointer)) == RFC_POINTERS[pointer]


@pytest.mark.parametrize("pointer", ["/foo/2", "/foo/01", "/foo/-", "/x", "/a~1b/c", "/foo/-1"])
def test_pointers_to_nothing_find_nothing(pointer: str) -> None:
    assert at(RFC_DOCUMENT, parse_pointer(pointer)) is MISSING


@pytest.mark.parametrize("pointer", ["foo", "/a~2", "/~", "#/foo"])
def test_what_is_no_pointer_is_refused(pointer: str) -> None:
    with pytest.raises(ValueError, match="no JSON pointer"):
        parse_pointer(pointer)


SENSELESS = {
    "too deep": b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
    "far too deep": b"[" * 100_000,
    "a name twice": b'{"a": 1, "a": 2}',
    "NaN": b"[NaN]",
    "Infinity": b"[-Infinity]",
    "not UTF-8": b'"\xff"',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "broken off": b'{"a": 1',
    "a number of 5000 digits": b"9" * 5000,
    "nothing": b"",
}


@pytest.mark.parametrize("raw", SENSELESS.values(), ids=SENSELESS)
def test_senseless_json_is_a_frame_error_that_quotes_little(raw: bytes) -> None:
    with pytest.raises(FrameError) as caught:
        read_json(raw)
    assert len(caught.value.answer) <= 64


def test_brackets_in_texts_are_no_depth() -> None:
    said = ["[" * 50, '\\"[[[[[[[[[[[[[[[[[[[']
    assert read_json(json.dumps(said).encode()) == said


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_any_document_is_values_with_flags_or_a_frame_error(said: Any) -> None:
    kinds = {"number": Kind.FLOAT64, "bool": Kind.BOOL, "text": Kind.TEXT, "state": Kind.STATE}
    points = tuple(
        (Point(PointId(name), kind=kind, states={1: "on"} if kind is Kind.STATE else {}), Source())
        for name, kind in kinds.items()
    )
    sample = sample_of(Group("all", points, 1.0), json.dumps(said).encode(), "a")
    assert sample is not None
    for place, cell in enumerate(sample.cells):
        assert cell is not None or sample.flags[place].cause is not Cause.NONE


@pytest.mark.parametrize("raw", [b"21.5", b" 21.5\n", b"+2.15e1", b"21.50"])
def test_a_plain_number_is_read(raw: bytes) -> None:
    group = Group("t", ((Point(PointId("t"), unit="Cel"), Source()),), 1.0, plain=True)
    sample = sample_of(group, raw, "a")
    assert sample is not None
    assert (sample.cells, sample.flags) == ((21.5,), {})


@pytest.mark.parametrize("raw", [b"nan", b"inf", b"0x10", b"1_000", b"9" * 40, b"1e999", b""])
def test_what_is_no_plain_number_has_no_value(raw: bytes) -> None:
    group = Group("t", ((Point(PointId("t"), unit="Cel"), Source()),), 1.0, plain=True)
    sample = sample_of(group, raw, "a")
    assert sample is not None
    assert sample.cells == (None,)


def test_a_value_that_is_set_comes_back_the_same() -> None:
    point = Point(PointId("t"), unit="Cel", low=0, high=50, writable=True)
    source = Source(scale=0.1, offset=-5)
    wire = wire_value(point, source, 20.5)
    sample = sample_of(Group("t", ((point, source),), 1.0), json.dumps(wire).encode(), "a")
    assert sample is not None
    assert sample.cells[0] == pytest.approx(20.5)
    for value in (51.0, "warm", float("nan")):
        with pytest.raises(CommandRefusedError):
            wire_value(point, source, value)


def test_what_is_filled_in_makes_no_wildcard_of_a_topic() -> None:
    assert fill_topic("site/{id}/air", {"id": "hall 1/кухня"}) == "site/hall 1/кухня/air"
    for name in ("+", "a/#", "a\0b"):
        with pytest.raises(ValueError, match="no topic"):
            fill_topic("site/{id}", {"id": name})
    with pytest.raises(ValueError, match="no topic"):
        fill_topic("{id}/broker", {"id": "$SYS"})


def test_a_text_cannot_leave_its_place_in_json() -> None:
    filled = fill_json('{"name": {value}, "is": {id}}', {"value": '", "x": "', "id": 7})
    assert json.loads(filled) == {"name": '", "x": "', "is": 7}
    assert fill_plain("{value}", {"value": 20.0}) == b"20"


def test_an_allowance_lets_a_burst_through_and_then_its_rate() -> None:
    allowance = Allowance(2.0, 3)
    assert [allowance.take(0.0) for _ in range(5)] == [True, True, True, False, False]
    assert [allowance.take(1.0) for _ in range(3)] == [True, True, False]
    assert allowance.take(0.5) is False  # a clock that went back gives nothing
    assert allowance.over == 4


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("s3cret\n")
    path.chmod(0o600)
    assert read_secret(path) == "s3cret"
    path.chmod(0o644)
    with pytest.raises(ValueError, match="chmod 600"):
        read_secret(path)
    for content in ("", "two\nlines\n", "x" * 2000):
        path.write_text(content)
        path.chmod(0o600)
        with pytest.raises(ValueError, match="no single line"):
            read_secret(path)
    with pytest.raises(ValueError, match="cannot be read"):
        read_secret(tmp_path / "nothing")


MQTT = [path for path in sorted(SHIPPED.glob("*.toml")) if protocol_of(path) == "mqtt"]


@pytest.mark.parametrize("path", MQTT, ids=lambda path: path.stem)
def test_the_vectors_of_our_profiles_are_read_as_they_say(path: Path) -> None:
    assert KIND_MQTT.check(path) == []
    assert KIND_MQTT.sheet(path).vectors > 0


MISTAKES = {
    "a wildcard": ('"site/{id}/air"', '"site/+/air"', "no topic of one device"),
    "the broker's own": ('"site/{id}/air"', '"$SYS/{id}"', "no topic of one device"),
    "an unknown placeholder": ('"site/{id}/air"', '"site/{room}/air"', "{room} is none of"),
    "no pointer": ('"/air/co2"', '"air.co2"', "no JSON pointer"),
    "no unit": ('"[ppm]"', '"ppm"', "no UCUM code"),
    "a code without a state": ("slow = 1, fast = 2 }", "slow = 1, fast = 5 }", "none of the"),
    "a write of nothing": ('point = "mode"', 'point = "speed"', "no point"),
    "an unknown option": ("identity =", "identify =", "identify"),
}


@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES)
def test_mistakes_of_a_profile_are_told(case: tuple[str, str, str], tmp_path: Path) -> None:
    old, new, says = case
    text = (SHIPPED / "demo-json-air.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "demo-json-air.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert says in "\n".join(KIND_MQTT.check(path))
