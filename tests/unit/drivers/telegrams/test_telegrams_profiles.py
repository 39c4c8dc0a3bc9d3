"""Profiles of telegrams: their vectors, their mistakes, and any bytes as answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.profiles.reading import SHIPPED, ProfileError, protocol_of
from drivers.serial_profile.kind import KIND, check
from drivers.telegrams.profile import parse_profile, sheet
from drivers.telegrams.template import TemplateError, hex_template, plain, text_template
from gateway.model.ids import PERSONAL
from tests.fuzz import fuzz_telegrams

PROFILES = [path for path in sorted(SHIPPED.glob("*.toml")) if protocol_of(path) == "serial"]
HEAD = """
name = "p"
protocol = "serial"
title = { ru = "п", en = "p" }
[source]
document = "d"
edition = "1"
[frame]
end = '\\r\\n'
"""
GROUP = """
[[group]]
name = "g"
request = 'R\\r\\n'
answer = 'A=(?P<a>[0-9.]{1,6})'
[[point]]
name = "a"
"""


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_every_profile_passes_its_vectors(path: Path) -> None:
    assert check(path) == []
    told = sheet(path)
    assert told.vectors
    assert len(told.points) >= 1
    assert KIND.schema()["properties"]["group"]


WRONG = {
    "no end": (HEAD.replace("end =", "start =") + GROUP, "give one of end"),
    "no group of that name": (HEAD + GROUP + 'field = "b"', "no group (?P<b>"),
    "a group without points": (HEAD + GROUP.replace('"a"', '"a"\ngroup = "h"'), "is not one of"),
    "a pattern that goes back": (HEAD + GROUP.replace("[0-9.]{1,6}", "(?:a+)+"), "repetition"),
    "an address that is not": (HEAD + GROUP.replace("'R", "'{address}R"), "table [address]"),
    "a checksum that is not": (HEAD + GROUP.replace("'R", "'{checksum}R"), "table [checksum]"),
    "no request": (HEAD + GROUP.replace("request", "#"), "told = true"),
    "an unknown unit": (HEAD + GROUP + 'unit = "furlong"', "UCUM"),
    "codes without states": (HEAD + GROUP + "codes = { A = 1 }", "lead to states"),
    "a write of nothing": (
        HEAD + GROUP + "[[write]]\npoint = 'z'\nrequest = '{value}'",
        "no point",
    ),
    "a write without a value": (HEAD + GROUP + "[[write]]\npoint = 'a'", "a request is needed"),
    "an unknown checksum": (HEAD + GROUP + '[checksum]\nkind = "crc17"', "kind is one of"),
    "personal": ('personal = ["b"]\n' + HEAD + GROUP, "no such points: b"),
    "a vector of nothing": (HEAD + GROUP + '[[vector]]\ngroup = "z"', "is not one of"),
    "twice": (HEAD + GROUP + '[[point]]\nname = "a"', "stands twice"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_told_with_its_line(name: str) -> None:
    text, says = WRONG[name]
    with pytest.raises(ProfileError) as error:
        parse_profile(text, Path("p.toml"))
    assert says in str(error.value)
    assert all(mistake.line > 0 for mistake in error.value.mistakes)


def test_vectors_that_disagree_are_told() -> None:
    vectors = """
[[vector]]
group = "g"
request = 'Q\\r\\n'
answer = 'A=12\\r\\n'
values = { a = 13 }
"""
    path = Path(__file__).parent / "p.toml"
    profile = parse_profile(HEAD + GROUP + vectors, path)
    from drivers.telegrams.vectors import check_vectors  # noqa: PLC0415 - only here

    first, second = check_vectors(profile)
    assert "the request is" in first
    assert "a is 12.0, not 13" in second


def test_what_is_personal_goes_to_its_own_audience() -> None:
    profile = parse_profile('personal = ["a"]\n' + HEAD + GROUP, Path("p.toml"))
    [(point, _)] = profile.language.points.values()
    assert point.audience == PERSONAL


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (r"{address:02X}{{{value:.1f}}}\x02\\", b"0A{1.5}\x02\\"),
        (r"{value:03d}\e\0", b"002\x1b\x00"),
        ("{value}", b"1.5"),
    ],
)
def test_templates_as_text(text: str, made: bytes) -> None:
    assert text_template(text).fill({"address": 10, "value": 1.5}) == made


def test_templates_in_hex() -> None:
    made = hex_template("AA {address} {value:i16le} FF{value:float32be}")
    assert made.fill({"address": 10, "value": -2}) == bytes.fromhex("AA 0A FE FF FF C0 00 00 00")
    with pytest.raises(TemplateError, match="does not fit"):
        made.fill({"address": 300, "value": 0})


@pytest.mark.parametrize("text", ["{colour}", "{address:9z}", "\\q", "}", "é", "{", "\\x0"])
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(TemplateError):
        text_template(text)


def test_a_plain_text_has_no_places() -> None:
    assert plain(r"\r\n") == b"\r\n"
    with pytest.raises(TemplateError):
        plain("{address}")


@given(st.binary(max_size=120))
def test_any_bytes_do_not_break_a_profile(data: bytes) -> None:
    fuzz_telegrams.one(data)
