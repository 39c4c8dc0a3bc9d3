"""A profile is checked as a whole, and every mistake in it is told with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.modbus.config import ModbusDevice, poll_groups
from drivers.modbus.fields import Order, Span, Table, Type
from drivers.modbus.profile import SHIPPED, ProfileError, load_profile, parse_profile
from drivers.modbus.vectors import check_vectors
from drivers.profiles.reading import protocol_of
from gateway.model.ids import OPERATIONS, PERSONAL, PointId
from gateway.model.reading import Deadband, Kind
from tests.checked_options import modbus_device

PATH = Path("meter.toml")
HEAD = """\
name = "meter"
title = { ru = "Счётчик", en = "Meter" }

[source]
document = "a document"
edition = "1"

[groups]
fast = 1.0
slow = 10.0
"""
POINT = """
[[point]]
name = "power"
table = "input"
address = 6
type = "i32"
unit = "W"
"""


def point(**options: str) -> str:
    """Return a point with these lines, instead of those of POINT where they name the same."""
    lines = dict(line.split(" = ", 1) for line in POINT.split("\n") if " = " in line)
    lines.update(options)
    return "\n[[point]]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items() if value)


def mistakes(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(ProfileError) as error:
        parse_profile(text, PATH)
    return [(mistake.line, mistake.option, mistake.message) for mistake in error.value.mistakes]


def test_a_profile_becomes_points() -> None:
    text = HEAD + point(
        scale="0.1", order='"CDAB"', group='"slow"', deadband="2.5", low="-10", sentinel="[0x7FFF]"
    )
    profile = parse_profile(text, PATH).map
    made, field = profile.points[PointId("power")]
    assert (made.unit, made.kind, made.scale, made.deadband, made.low) == (
        "W",
        Kind.NUMBER,
        0.1,
        Deadband(2.5, 0.0),
        -10,
    )
    assert (field.span, field.type, field.order) == (Span(Table.INPUT, 6, 2), Type.I32, Order.CDAB)
    assert profile.groups == {"power": "slow"}


KINDS = {
    Kind.NUMBER: {"type": '"u16"'},
    Kind.COUNTER: {"type": '"u64"'},
    Kind.FLOAT32: {"type": '"float32"'},
    Kind.FLOAT64: {"type": '"float32"', "scale": "0.1"},
    Kind.BOOL: {"type": '"bool"', "mask": "4"},
    Kind.STATE: {"type": '"u16"', "states": '{ 0 = "off", 1 = "on" }'},
    Kind.TEXT: {"type": '"string"', "length": "8"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_a_point_follows_from_its_type(kind: Kind) -> None:
    profile = parse_profile(HEAD + point(**KINDS[kind]), PATH).map
    made = profile.points[PointId("power")].point
    assert made.kind is kind
    if kind is Kind.FLOAT64:
        assert (made.scale, made.offset) == (1.0, 0.0), "the driver has scaled it already"


RELAY = {"table": '"coil"', "type": "", "unit": "", "writable": "true"}


def test_a_profile_says_where_actuators_are_safe() -> None:
    mode = {
        "name": '"mode"',
        "table": '"holding"',
        "type": '"u16"',
        "unit": "",
        "writable": "true",
        "states": '{ 0 = "off", 1 = { name = "on", ru = "вкл", en = "switched on" } }',
    }
    text = HEAD + point(**RELAY, safe="false") + point(**mode, safe='"on"')
    profile = parse_profile(text, PATH).map
    assert profile.safe == {"power": False, "mode": "on"}
    assert profile.points[PointId("mode")].point.states == {0: "off", 1: "on"}


def test_personal_points_belong_to_their_audience() -> None:
    text = HEAD.replace("[source]", 'personal = ["power"]\n\n[source]')
    profile = parse_profile(text + POINT + point(name='"other"', address="9"), PATH).map
    assert profile.points[PointId("power")].point.audience == PERSONAL
    assert profile.points[PointId("other")].point.audience == OPERATIONS
    for problem in (
        text + point(name='"other"'),
        text + point(audience='"security"'),
    ):
        assert len(mistakes(problem)) == 1


def test_a_reference_may_stand_for_table_and_address() -> None:
    one = {"table": "", "address": ""}
    for reference, span in {
        "40001": Span(Table.HOLDING, 0, 2),
        "300007": Span(Table.INPUT, 6, 2),
    }.items():
        profile = parse_profile(HEAD + point(**one, reference=f'"{reference}"'), PATH).map
        assert profile.points[PointId("power")].field.span == span


MISTAKES = {
    "no TOML": (HEAD + "x = = 1\n", 11, "no TOML"),
    "unknown option": (HEAD + point(colour='"red"'), 18, "no such option"),
    "wrong type": (HEAD + point(address='"six"'), 15, "valid integer"),
    "missing name": (HEAD + point(name=""), 12, "missing"),
    "unknown table": (HEAD + point(table='"inputs"'), 14, "'holding' or 'input'"),
    "unknown type": (HEAD + point(type='"int"'), 16, "'u16'"),
    "unknown unit": (HEAD + point(unit='"kWh"'), 17, "kW.h"),
    "unknown order": (HEAD + point(order='"ABDC"'), 18, "'CDAB'"),
    "unknown group": (HEAD + point(group='"daily"'), 18, "fast, slow"),
    "zero scale": (HEAD + point(scale="0"), 12, "scale must not be 0"),
    "infinite scale": (HEAD + point(scale="inf"), 18, "finite"),
    "beyond the table": (HEAD + point(address="65535"), 12, "beyond 65535"),
    "no type": (HEAD + point(type=""), 12, "type is needed"),
    "no place": (HEAD + point(table=""), 12, "table and address"),
    "two places": (HEAD + point(reference='"40001"'), 12, "either"),
    "reference zero": (HEAD + point(table="", address="", reference='"40000"'), 12, "from 1"),
    "a mask of a coil": (HEAD + point(table='"coil"', mask="1", type=""), 12, "without a mask"),
    "a number of a coil": (HEAD + point(table='"coil"'), 12, "are bool"),
    "bool without mask": (HEAD + point(type='"bool"'), 12, "needs a mask"),
    "bool of two bits": (HEAD + point(type='"bool"', mask="3"), 12, "one bit"),
    "mask of a float": (HEAD + point(type='"float32"', mask="1"), 12, "mask goes with"),
    "mask too wide": (HEAD + point(type='"u16"', mask="0x10000"), 12, "wider"),
    "shift without mask": (HEAD + point(shift="1"), 12, "mask only"),
    "shift beyond mask": (HEAD + point(type='"u16"', mask="0xF0", shift="5"), 12, "beyond"),
    "odd string": (HEAD + point(type='"string"', length="3"), 12, "even length"),
    "scaled string": (HEAD + point(type='"string"', length="4", scale="2"), 12, "no scale"),
    "string in CDAB": (HEAD + point(type='"string"', length="4", order='"CDAB"'), 12, "BADC"),
    "length of a number": (HEAD + point(length="4"), 12, "only a string"),
    "sentinel too wide": (HEAD + point(type='"u16"', sentinel="[0x10000]"), 12, "16 bits"),
    "states with scale": (
        HEAD + point(type='"u16"', scale="2", states='{ 0 = "off" }'),
        12,
        "states go with",
    ),
    "a state without number": (HEAD + point(states='{ on = "on" }'), 18, "whole number"),
    "two states of one name": (HEAD + point(states='{ 0 = "a", 1 = "a" }'), 18, "same name"),
    "low above high": (HEAD + point(low="2", high="1"), 12, "low is above high"),
    "safe but not writable": (HEAD + point(safe="1"), 12, "safe goes with writable"),
    "safe outside the limits": (
        HEAD + point(table='"holding"', writable="true", high="5", safe="6"),
        20,
        "not between",
    ),
    "safe beside a coil": (
        HEAD + point(table='"coil"', type="", writable="true", safe="5"),
        18,
        "true or false",
    ),
    "a state without a name": (
        HEAD + point(states='{ 0 = { ru = "а", en = "a" } }'),
        18,
        "missing",
    ),
    "group and period": (HEAD + point(group='"slow"', period_s="5"), 12, "exclude"),
    "writable input": (HEAD + point(writable="true"), 12, "cannot be written"),
    "writable bits": (
        HEAD + point(table='"holding"', type='"u16"', mask="1", writable="true"),
        12,
        "read_modify_write = true",
    ),
    "write function without writing": (HEAD + point(write_function='"multiple"'), 12, "writable"),
    "too long to write": (
        HEAD + point(table='"holding"', type='"string"', length="250", writable="true", unit='"1"'),
        12,
        "at most 123",
    ),
    "another name than the file's": (HEAD.replace('"meter"', '"metre"') + POINT, 1, "'meter'"),
    "no points": (HEAD, 1, "missing"),
    "a group without period": (HEAD.replace("1.0", "0") + POINT, 9, "greater than 0"),
    "never, falling": (
        HEAD + "\n[limits]\nnever = { input = [[9, 8]] }\n" + POINT,
        13,
        "ends before",
    ),
    "never, wanted": (
        HEAD + "\n[limits]\nnever = { input = [[7, 8]] }\n" + POINT,
        18,
        "never to be read",
    ),
    "vector of nothing": (
        HEAD + POINT + '\n[[vector]]\nrequest = "04"\nanswer = "04"\nvalues = { x = 1 }\n',
        19,
        "no such points: x",
    ),
    "vector without hex": (
        HEAD + POINT + '\n[[vector]]\nrequest = "zz"\nanswer = "04"\n',
        20,
        "hexadecimal",
    ),
    "vector of an unknown cause": (
        HEAD + POINT + '\n[[vector]]\nrequest = ""\nanswer = ""\nflags = { power = "bad" }\n',
        22,
        "no_value",
    ),
}


@pytest.mark.parametrize("case", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_line_and_what_is_allowed(case: tuple[str, int, str]) -> None:
    text, line, says = case
    found = mistakes(text)
    assert [(at, says) for at, _, message in found if says in message] == [(line, says)]


def test_all_mistakes_are_told_at_once_with_the_names_of_their_points() -> None:
    text = HEAD + point(unit='"kWh"') + point(name='"other"', colour='"red"', address="-1")
    assert [(line, option) for line, option, _ in mistakes(text)] == [
        (17, "point power.unit"),
        (22, "point other.address"),
        (25, "point other.colour"),
    ]


OVERLAPS = {
    "partly": ({"address": "7"}, True),
    "same registers, another type": ({"type": '"u32"'}, True),
    "a field and the whole": ({"type": '"u32"', "mask": "1"}, True),
    "another name for the same": ({}, False),
    "another name with another scale": ({"scale": "0.1"}, False),
    "next to it": ({"address": "8"}, False),
    "another table": ({"table": '"holding"'}, False),
}


@pytest.mark.parametrize("case", OVERLAPS.values(), ids=OVERLAPS)
def test_points_may_not_overlap_unless_they_are_the_same(case: tuple[dict[str, str], bool]) -> None:
    options, refused = case
    text = HEAD + POINT + point(name='"other"', **options)
    if refused:
        [(_, option, message)] = mistakes(text)
        assert option == "point other.address"
        assert "other" in message
        assert "power" in message
    else:
        assert len(parse_profile(text, PATH).map.points) == 2


def test_bit_fields_share_their_registers() -> None:
    fields = [point(name=f'"b{bit}"', type='"bool"', mask=str(1 << bit)) for bit in range(3)]
    assert len(parse_profile(HEAD + "".join(fields), PATH).map.points) == 3


@given(st.text(max_size=200))
def test_any_text_is_a_profile_or_refused(text: str) -> None:
    with pytest.raises(ProfileError):
        parse_profile(text, PATH)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(["inf", '""', '"x"', "[]", "{}", "[1]"]),
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "table",
                "address",
                "type",
                "order",
                "length",
                "mask",
                "shift",
                "scale",
                "sentinel",
                "states",
                "low",
                "group",
                "period_s",
                "deadband",
                "writable",
                "reference",
                "unit",
            ]
        ),
        VALUES,
        max_size=5,
    )
)
def test_any_values_of_options_make_a_profile_or_are_refused(options: dict[str, object]) -> None:
    written = {
        key: str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in options.items()
        if value is not None
    }
    try:
        profile = parse_profile(HEAD + point(**written), PATH)
    except ProfileError as error:
        assert error.mistakes  # noqa: PT017  both ends are right
    else:
        assert profile.map.points


def test_a_profile_of_the_site_goes_before_ours(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    text = (SHIPPED / "demo-door.toml").read_text().replace("demonstration", "local")
    own = tmp_path / "profiles" / "demo-door.toml"
    own.write_text(text.replace('en = "Demonstration', 'en = "Our'))
    assert load_profile("demo-door", tmp_path).title.en.startswith("Our")
    assert load_profile("demo-door", None).title.en.startswith("Demonstration")
    assert load_profile("demo-light", tmp_path).map.name == "demo-light"


@pytest.mark.parametrize("name", ["demo-metre-3p", "../profiles/demo-door", "", "/etc/passwd"])
def test_an_unknown_profile_is_told_with_near_names(name: str, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="demo-"):
        load_profile(name, tmp_path)


def config(profile: str = "demo-meter-3p", **options: object) -> ModbusDevice:
    return modbus_device(None, profile=profile, **options)


def test_poll_groups_are_those_of_the_profile() -> None:
    groups = poll_groups(config())
    assert [(group.name, group.period_s) for group in groups] == [("fast", 1.0), ("slow", 10.0)]
    names = [point.name for group in groups for point in group.table]
    assert sorted(names) == sorted(load_profile("demo-meter-3p", None).map.points)


def test_devices_of_one_model_share_the_tables_of_their_groups() -> None:
    one, two = poll_groups(config(unit=1)), poll_groups(config(unit=2, period_s=5.0))
    assert [a.table is b.table for a, b in zip(one, two, strict=True)] == [True, True]
    fast, _, alone = poll_groups(config(periods={"frequency": 0.2}))
    assert fast.table is not one[0].table
    assert [point.name for point in alone.table] == ["frequency"]


def test_the_site_changes_periods_of_groups_and_of_single_points() -> None:
    groups = poll_groups(config(period_s=5.0, periods={"slow": 60, "frequency": 0.2}))
    assert {group.name: (group.period_s, len(group.table)) for group in groups} == {
        "fast": (5.0, 14),
        "slow": (60, 3),
        "frequency": (0.2, 1),
    }


def test_a_point_of_the_profile_may_have_a_period_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "meter.toml").write_text(
        HEAD + POINT + point(name='"daily"', address="9", period_s="3600")
    )
    made = modbus_device(tmp_path, profile="meter")
    assert [(group.name, group.period_s) for group in poll_groups(made)] == [
        ("fast", 1.0),
        ("every_3600s", 3600),
    ]


@pytest.mark.parametrize(
    ("options", "place", "says"),
    [
        ({"profile": "demo-metre"}, "profile", "did you mean demo-meter-3p"),
        ({"unit": 256}, "unit", "255"),
        ({"periods": {"medium": 1}}, "periods", "fast, slow"),
        ({"periods": {"fast": 0}}, "periods", "greater than 0"),
        ({"colour": 9600}, "colour", "Unexpected"),
        ({"framing": "ascii"}, "framing", "'mbap'"),
    ],
)
def test_wrong_options_are_told_at_their_place(
    options: dict[str, Any], place: str, says: str
) -> None:
    with pytest.raises(ValidationError) as error:
        config(**options)
    [problem] = error.value.errors()
    assert problem["loc"][0] == place
    assert says in problem["msg"]


@pytest.mark.parametrize(
    "name",
    sorted(path.stem for path in SHIPPED.glob("*.toml") if protocol_of(path) == "modbus"),
)
def test_every_profile_of_ours_passes_its_vectors(name: str) -> None:
    profile = load_profile(name, None)
    assert profile.vectors
    assert check_vectors(profile) == []


WRONG_VECTORS = {
    "another value": ("values = { power = 1 }", "power is 1301, not 1"),
    "a flag too many": ('flags = { power = "no_value" }', "has the flag None"),
    "no answer to it": ('answer = "04 04 0000"', "is no answer"),
    "no read": ('request = "10 0006 0002"', "no read request"),
}


@pytest.mark.parametrize("case", WRONG_VECTORS.values(), ids=WRONG_VECTORS)
def test_vectors_that_disagree_are_told(case: tuple[str, str]) -> None:
    line, says = case
    lines = {"request": '"04 0006 0002"', "answer": '"04 04 00000515"'}
    key, _, value = line.partition(" = ")
    lines[key] = value
    text = "\n[[vector]]\n" + "".join(f"{key} = {value}\n" for key, value in lines.items())
    [problem] = check_vectors(parse_profile(HEAD + POINT + text, PATH))
    assert says in problem
