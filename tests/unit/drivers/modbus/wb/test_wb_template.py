"""A template for Wiren Board becomes a profile; nothing of it is lost unsaid."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import drivers.modbus.wb as package
from drivers.modbus.profile import Profile, parse_profile
from drivers.modbus.wb.channel import KNOWN
from drivers.modbus.wb.cli import app
from drivers.modbus.wb.json_text import TemplateError, loads
from drivers.modbus.wb.template import Imported, import_template
from drivers.modbus.wb.wordings import TEXTS, language, say
from drivers.modbus.wb.words import TYPES, UNITS, profile_name, slug
from gateway.model.ids import PointId
from gateway.model.reading import Kind
from gateway.model.units import is_unit


def template(*channels: dict[str, Any], **device: Any) -> str:  # Any: JSON
    return json.dumps(
        {
            "device_type": "My Thing",
            "device": {"name": "thing", "channels": list(channels), **device},
        }
    )


def imported(*channels: dict[str, Any], **device: Any) -> tuple[Profile, Imported]:  # Any: JSON
    made = import_template(template(*channels, **device), "thing.json")
    return parse_profile(made.text, Path(f"{made.name}.toml")), made


def told(made: Imported, lang: str = "en") -> list[str]:
    return [each.say(language(lang)) for each in made.remarks]


GOOD = {"name": "Good one", "reg_type": "input", "address": 0}


def only(**channel: Any) -> tuple[Any, Any]:  # Any: JSON in, a point and its field out
    profile, made = imported({"name": "X", "address": 7, **channel})
    assert not made.remarks, told(made)
    [mapped] = profile.map.points.values()
    return mapped


FIELDS: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "nothing said": ({}, "holding 7", {"type": "u16", "order": "ABCD", "mask": None}),
    "hexadecimal": ({"address": "0x0A"}, "holding 10", {}),
    "signed": ({"format": "s16", "reg_type": "input"}, "input 7", {"type": "i16"}),
    "a float": ({"format": "float"}, "holding 7..8", {"type": "float32"}),
    "a double": ({"format": "double"}, "holding 7..10", {"type": "float64"}),
    "low word first": (
        {"format": "u32", "word_order": "little_endian"},
        "holding 7..8",
        {"order": "CDAB"},
    ),
    "bytes exchanged": (
        {"format": "s64", "byte_order": "little_endian"},
        "holding 7..10",
        {"order": "BADC"},
    ),
    "both": (
        {"format": "u64", "byte_order": "little_endian", "word_order": "little_endian"},
        "holding 7..10",
        {"order": "DCBA"},
    ),
    "words of one register": ({"word_order": "little_endian"}, "holding 7", {"order": "ABCD"}),
    "some bits": ({"address": "7:1:2"}, "holding 7", {"mask": 6, "shift": 1}),
    "a byte": ({"format": "u8", "readonly": True}, "holding 7", {"mask": 0xFF, "type": "u16"}),
    "decimal digits": ({"format": "bcd32"}, "holding 7..8", {"type": "bcd32"}),
    "a wrong value": ({"error_value": "0xFFFF"}, "holding 7", {"sentinels": {0xFFFF}}),
    "a negative one": (
        {"format": "s32", "error_value": -1, "unsupported_value": "0x7FFFFFFF"},
        "holding 7..8",
        {"sentinels": {0xFFFFFFFF, 0x7FFFFFFF}},
    ),
    "scaled": ({"scale": 0.5, "offset": -12.5}, "holding 7", {"scale": 0.5, "offset": -12.5}),
    "of another unit": (
        {"scale": 2, "offset": 100, "units": "mOhm"},
        "holding 7",
        {"scale": 0.002, "offset": 0.1},
    ),
    "always function 16": ({"reg_type": "holding_multi"}, "holding 7", {"write_multiple": True}),
    "one register, function 6": ({"reg_type": "holding_single"}, "holding 7", {}),
    "a coil": ({"reg_type": "coil"}, "coil 7", {"type": "bool"}),
    "an input contact": ({"reg_type": "discrete", "type": "alarm"}, "discrete 7", {}),
}


@pytest.mark.parametrize("case", FIELDS.values(), ids=FIELDS)
def test_where_a_channel_lies_is_carried_over(
    case: tuple[dict[str, Any], str, dict[str, Any]],
) -> None:
    channel, span, expected = case
    _, field = only(**channel)
    assert str(field.span) == span
    assert {key: getattr(field, key) for key in expected} == expected


POINTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a type that stands for a unit": ({"type": "voltage"}, {"unit": "V"}),
    "a unit": ({"units": "deg C"}, {"unit": "Cel", "kind": Kind.NUMBER}),
    "writable": ({}, {"writable": True}),
    "read only": ({"readonly": True}, {"writable": False}),
    "an input": ({"reg_type": "input"}, {"writable": False}),
    "a slider": ({"type": "range", "min": 5, "max": "99,5"}, {"low": 5, "high": 99.5}),
    "a switch in a register": (
        {"type": "switch", "on_value": "0xFF"},
        {"states": {0: "off", 255: "on"}, "kind": Kind.STATE},
    ),
    "a bit": ({"type": "alarm", "address": "7:3:1"}, {"kind": Kind.BOOL, "writable": True}),
    "a list": (
        {"enum": [0, 5], "enum_titles": ["Off", "On"]},
        {"states": {0: "off", 5: "on"}},
    ),
    "two titles that read alike": (
        {"enum": [0, 5], "enum_titles": ["On!", "On"]},
        {"states": {0: "on", 5: "on_5"}},
    ),
    "a rounding finer than the step": ({"scale": 0.1, "round_to": 0.01}, {"deadband": None}),
}


@pytest.mark.parametrize("case", POINTS.values(), ids=POINTS)
def test_what_a_channel_means_is_carried_over(case: tuple[dict[str, Any], dict[str, Any]]) -> None:
    channel, expected = case
    point, _ = only(**channel)
    assert {key: getattr(point, key) for key in expected} == expected


REMARKS: dict[str, tuple[dict[str, Any], str]] = {
    "a condition": ({"condition": "a==1"}, "condition 'a==1'"),
    "a rounding": ({"round_to": 10}, "not rounded to 10"),
    "an unknown unit": ({"units": "parsec"}, "parsec"),
    "another address to write": ({"write_address": 9}, "another address (9)"),
    "registers one by one": ({"reg_type": "holding_single", "format": "u32"}, "function 16"),
    "a written byte": ({"format": "u8"}, "0 to 255"),
    "an error value of a bit": ({"reg_type": "coil", "error_value": 1}, "error_value = 1"),
    "limits of a reading": ({"reg_type": "input", "max": 5}, "max = 5"),
    "an event": ({"sporadic": True}, "it is polled"),
    "states without titles": ({"enum": [1, -2]}, "1, -2"),
    "a scaled state": ({"enum": [1], "enum_titles": ["a"], "scale": 2}, "scale = 2"),
    "a button": ({"reg_type": "coil", "type": "pushbutton"}, "push button"),
    "an unknown option": ({"colour": "red"}, "colour = red"),
    "a period beyond a day": ({"read_period_ms": 86_400_001}, "read_period_ms"),
}


@pytest.mark.parametrize("case", REMARKS.values(), ids=REMARKS)
def test_what_is_not_as_it_was_is_told(case: tuple[dict[str, Any], str]) -> None:
    channel, says = case
    _, made = imported({"name": "X", "address": 7, **channel})
    [remark] = made.remarks
    assert not remark.left_out
    assert remark.say("en").startswith("channel X: ")
    assert says in remark.say("en")
    assert remark.say("ru") != remark.say("en")


LEFT_OUT: dict[str, tuple[object, str]] = {
    "no object": (5, "no JSON object"),
    "no address": ({"name": "X"}, "no address"),
    "only to be written": ({"name": "X", "write_address": 5}, "only be written"),
    "a switch without state": ({"name": "X", "address": 5, "type": "wo-switch"}, "only be written"),
    "no address at all": ({"name": "X", "address": "five"}, "five"),
    "bits beyond the register": ({"name": "X", "address": "5:10:7"}, "5:10:7"),
    "bits of a float": ({"name": "X", "address": "5:1:1", "format": "float"}, "5:1:1"),
    "beyond the table": ({"name": "X", "address": 65536}, "65535"),
    "another protocol": ({"name": "X", "address": 5, "reg_type": "param"}, "param"),
    "24 bits": ({"name": "X", "address": 5, "format": "s24"}, "s24"),
    "a string": ({"name": "X", "address": 5, "format": "string"}, "string"),
    "compound": ({"name": "X", "consists_of": []}, "compound"),
    "a colour": ({"name": "X", "address": 5, "type": "rgb"}, "compound"),
    "a device inside": ({"name": "X", "device_type": "Y"}, "inside the device"),
    "switched off": ({"name": "X", "address": 5, "enabled": False}, "switched off"),
    "overlapping": ({"name": "X", "address": 0, "reg_type": "input", "format": "u32"}, "good_one"),
    "no number": ({"name": "X", "address": 5, "scale": "many"}, "scale = many"),
    "zero scale": ({"name": "X", "address": 5, "scale": 0}, "scale must not be 0"),
    "an error value too wide": ({"name": "X", "address": 5, "error_value": "0x10000"}, "0x10000"),
    "no list": ({"name": "X", "address": 5, "enum": 3}, "enum = 3"),
}


@pytest.mark.parametrize("case", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_cannot_be_carried_over_is_told_and_the_rest_is_there(
    case: tuple[Any, str],
) -> None:
    channel, says = case
    profile, made = imported(GOOD, channel)
    assert list(profile.map.points) == ["good_one"]
    [remark] = made.remarks
    assert remark.left_out
    assert says in remark.say("en")
    assert remark.say("ru") != remark.say("en")


def test_settings_become_points_that_are_read_rarely() -> None:
    parameters = [
        {"id": "delay", "title": "Delay", "address": 100, "min": 1, "max": 9, "default": 3},
        {"id": "odd", "title": "Odd", "address": 101, "offset": 0.5},
    ]
    as_table = {each["id"]: {k: v for k, v in each.items() if k != "id"} for each in parameters}
    for form in (parameters, as_table):
        profile, made = imported(GOOD, parameters=form)
        point, _ = profile.map.points[PointId("delay")]
        assert (point.low, point.high, point.writable) == (1, 9, True)
        assert profile.map.groups[PointId("delay")] == "settings"
        assert profile.map.periods["settings"] == 3600
        assert [(each.name, each.left_out) for each in made.remarks] == [
            ("delay", False),
            ("odd", True),
        ]


def test_periods_and_limits_of_reading_are_carried_over() -> None:
    profile, made = imported({**GOOD, "read_period_ms": 500}, max_reg_hole=3, max_read_registers=40)
    assert not made.remarks
    assert (profile.map.limits.max_gap, profile.map.limits.max_registers) == (3, 40)
    assert profile.map.periods[profile.map.groups[PointId("good_one")]] == 0.5
    assert imported(GOOD)[0].map.limits.max_gap == 0, "nothing said: no register in between"


def test_names_and_translations_are_kept() -> None:
    profile, made = imported(
        {"name": "Напряжение фазы А", "reg_type": "input", "address": 0},
        {"name": "Напряжение фазы А", "reg_type": "input", "address": 1, "description": "Note"},
        {"name": "5th", "reg_type": "input", "address": 2},
        translations={
            "en": {"Напряжение фазы А": "Voltage, phase A", "Else": "x"},
            "ru": {"Note": "Заметка"},
            "de": {},
        },
    )
    titles = {each.name: (each.title, each.caveat) for each in profile.model.point}
    assert list(titles) == ["napryazhenie_fazy_a", "napryazhenie_fazy_a_2", "point_5th"]
    title, caveat = titles["napryazhenie_fazy_a_2"]
    assert title is not None
    assert title.en == "Voltage, phase A"
    assert caveat is not None
    assert (caveat.ru, caveat.en) == ("Заметка", "Note")
    assert [each.key for each in made.remarks] == ["renamed", "languages", "titles"]


def test_all_else_of_a_template_is_told() -> None:
    text = json.dumps(
        {
            "device_type": "T",
            "group": "g",
            "deprecated": True,
            "hw": [{"signature": "SIG"}, 1],
            "device": {
                "id": "t",
                "channels": [GOOD | {"group": "loose"}],
                "groups": [{"id": "a", "title": "Group A"}],
                "setup": [{"title": "Mode", "address": 1, "value": 2}, 7],
                "subdevices": [{"device_type": "S", "device": {}}, 8],
                "response_timeout_ms": 300,
                "guard_interval_us": 1,
                "max_read_registers": 0,
            },
        }
    )
    made = import_template(text, "t.json")
    says = "\n".join(told(made))
    for expected in (
        "group = g",
        "deprecated = True",
        "SIG, 1",
        "Group A, loose",
        "setup Mode: writes 2 to register 1",
        "setup 2",
        "subdevice S",
        "subdevice 2",
        "response_timeout_s = 0.3",
        "guard_interval_us = 1",
        "max_read_registers = 0",
    ):
        assert expected in says
    assert len(made.remarks) == 11


REFUSED = {
    "jinja": ('{"device": {\n{% for x in y %} {} }}', "jinja", {"line": 2}),
    "no JSON": ('{"device":\n\n 5 5}', "no-json", {"line": 3}),
    "a list": ("[]", "no-template", {"missing": "device"}),
    "no type": ('{"device": {}}', "no-template", {"missing": "device_type"}),
    "another protocol": (template(GOOD, protocol="dlms"), "protocol", {"protocol": "dlms"}),
    "nothing in it": (template(), "nothing", {}),
    "too deep": ("[" * 100_000, "no-json", {"line": 1}),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_file_that_is_no_template_is_refused_with_the_reason(
    case: tuple[str, str, dict[str, object]],
) -> None:
    text, key, args = case
    with pytest.raises(TemplateError) as error:
        import_template(text, "x.json")
    assert error.value.key == key
    assert args.items() <= error.value.args_of.items()
    for lang in ("ru", "en"):
        assert "x.json" in say(language(lang), key, file="x.json", **error.value.args_of)


def test_comments_are_no_part_of_a_template() -> None:
    text = '{ // "a": {{ 1\n "b": "// {{ no comment", /* {%\n */ "c": [1, 2, /* x */ ], }'
    assert loads(text) == {"b": "// {{ no comment", "c": [1, 2]}


NAMES = st.text("aбЯ {}[]\"'\\/,:;#$%-_\n", max_size=6)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | NAMES
    | st.sampled_from(["0xFF", "7:1:2", "-5", "input", "coil", "switch", "s32", "mOhm"])
)
OPTIONS = st.sampled_from(sorted({*KNOWN, "consists_of", "colour"}))
PARTS = ("groups", "setup", "parameters", "translations", "hw", "max_reg_hole", "name")
CHANNELS = st.dictionaries(OPTIONS, LEAVES | st.lists(LEAVES, max_size=3), max_size=6)


@given(
    st.lists(CHANNELS.map(lambda found: {"address": 3, **found}) | LEAVES, max_size=4),
    st.dictionaries(
        st.sampled_from(
            ["groups", "setup", "parameters", "translations", "hw", "max_reg_hole", "name"]
        ),
        LEAVES | st.lists(LEAVES | CHANNELS, max_size=3) | CHANNELS,
    ),
)
def test_any_template_is_a_profile_or_refused_and_no_channel_is_lost_unsaid(
    channels: list[Any], device: dict[str, Any]
) -> None:
    text = json.dumps({"device_type": "T", "device": {**device, "channels": channels}})
    try:
        made = import_template(text, "t.json")
    except TemplateError as error:
        assert say("en", error.key, file="t.json", **error.args_of)  # noqa: PT017 - both ends are right
        return
    profile = parse_profile(made.text, Path("t.toml"))
    parameters = device.get("parameters")
    settings = len(parameters) if isinstance(parameters, (list, dict)) else 0
    left = [each for each in made.remarks if each.part in {"channel", "parameter"} if each.left_out]
    assert len(profile.map.points) + len(left) == len(channels) + settings
    assert all(each.say("ru") and each.say("en") for each in made.remarks)


@given(st.text(max_size=200))
def test_any_text_is_a_profile_or_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        import_template(text, "x.json")


@given(st.text(max_size=100))
def test_any_name_becomes_one_that_a_point_may_have(text: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]{0,62}", slug(text))
    assert re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,62}", profile_name(text))


def test_every_unit_is_one_of_ours() -> None:
    assert all(is_unit(code) and factor > 0 for code, factor in UNITS.values())
    assert {unit for unit in TYPES.values() if unit not in UNITS} == {"Gcal/h"}


def test_every_sentence_has_the_same_places_in_both_languages() -> None:
    for key, (russian, english) in TEXTS.items():
        places = [
            {name for _, name, _, _ in string.Formatter().parse(text) if name}
            for text in (russian, english)
        ]
        assert places[0] == places[1], key


def test_every_key_that_is_used_has_a_sentence() -> None:
    used = set()
    for path in Path(package.__file__).parent.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        used |= set(
            re.findall(r'(?:key=|remark\(|Error\(|say\(chosen, |say\(lang, )"([\w-]+)"', text)
        )
    assert used
    assert used <= set(TEXTS)


# The command


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["wb-template", *arguments, "--lang", "en"])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_writes_a_profile_and_says_what_is_not_in_it(tmp_path: Path) -> None:
    file, out = tmp_path / "t.json", tmp_path / "thing.toml"
    file.write_text(template(GOOD, {"name": "Bad"}), encoding="utf-8")
    code, _, said = run(str(file), "--out", str(out))
    assert code == 0
    assert "left out: channel Bad: there is no address to read" in said
    assert "Points carried over: 1. Left out: 1" in said
    assert parse_profile(out.read_text(encoding="utf-8"), out).map.name == "thing"
    assert run(str(file), "--out", str(out))[0] == 64, "a file that is there stays"
    assert run(str(file), "--out", str(out), "--force")[0] == 0


def test_the_command_prints_the_profile_when_no_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    file.write_text(template(GOOD), encoding="utf-8")
    code, out, _ = run(str(file), "--name", "own-name")
    assert code == 0
    assert parse_profile(out, Path("own-name.toml")).map.points


def test_the_command_tells_scripts_all_of_it(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    file.write_text(template(GOOD, {"name": "Bad"}, GOOD | {"condition": "a"}), encoding="utf-8")
    code, out, _ = run(str(file), "--json")
    plain = json.loads(out)
    assert code == 0
    assert (plain["name"], plain["points"]) == ("my-thing", 2)
    assert [each["what"] for each in plain["left_out"]] == ["channel Bad"]
    assert [each["key"] for each in plain["remarks"]] == ["condition", "renamed"]


@pytest.mark.parametrize("content", [b"{", b"\xff", None, b'{"device": {{ x }}}'])
def test_the_command_refuses_what_it_cannot_import(tmp_path: Path, content: bytes | None) -> None:
    file, out = tmp_path / "t.json", tmp_path / "thing.toml"
    if content is not None:
        file.write_bytes(content)
    code, _, said = run(str(file), "--out", str(out))
    assert code == 65
    assert str(file) in said.replace("\n", "")
    assert not out.exists()


def test_the_command_says_where_it_cannot_write(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    file.write_text(template(GOOD), encoding="utf-8")
    code, _, said = run(str(file), "--out", str(tmp_path / "none" / "thing.toml"))
    assert code == 1
    assert "cannot be written" in said
