"""The page of all profiles, and what a person sees of one."""

from __future__ import annotations

import io
import re
import string
from pathlib import Path

from rich.console import Console

from gateway.model.profile import PointSheet, ProfileSheet
from simulators.demo.wordings import Lang
from simulators.profiles.page import INTRODUCTION, page
from simulators.profiles.show import list_view, point_view, sheet_lines, verdict_view
from simulators.profiles.trying import Verdict
from simulators.profiles.wordings import TEXTS

METER = ProfileSheet(
    name="meter",
    protocol="modbus",
    title={"ru": "Счётчик", "en": "Meter."},
    maker="Maker",
    models=("M1", "M2"),
    document="Manual\nof the meter",
    edition="2",
    where="somewhere",
    caveats=({"ru": "Осторожно", "en": "Take | care"},),
    groups={"fast": 1.0, "slow": 60.0},
    points=(
        PointSheet("voltage", "V", "number", "input 0 u16", False, ("scale 0.1", "0 to 500")),
        PointSheet("relay", "1", "bool", "coil 0", True),
    ),
    vectors=3,
    personal=("voltage",),
)
CARD = ProfileSheet(
    name="card",
    protocol="ble",
    title={"ru": "Карта", "en": "Card | tag"},
    maker="",
    models=(),
    document="Card",
    edition="1",
    where="",
    caveats=(),
    groups={},
    points=(PointSheet("x", "1", "text", "a | b", False),),
    vectors=1,
)


def drawn(view: object) -> str:
    out = io.StringIO()
    Console(width=200, file=out).print(view)
    return out.getvalue()


def test_the_page_lists_every_profile_with_its_source_and_every_point() -> None:
    text = page((METER, CARD))
    assert text.startswith(INTRODUCTION)
    assert "| [`meter`](#meter) | Meter. | modbus | 2 | Manual of the meter, 2 |" in text
    assert "| [`card`](#card) | Card \\| tag | ble | 1 | Card, 1 |" in text
    meter, card = text.split("\n## ")[1:]
    assert meter.splitlines()[2] == (
        "Meter (Счётчик). Maker: Maker: M1, M2. Source: Manual of the meter, 2. somewhere. "
        "Groups: fast 1 s, slow 60 s. Personal data: voltage. Test vectors: 3."
    )
    assert "- Take | care" in meter
    assert "| `voltage` | V | number | input 0 u16 |  | scale 0.1; 0 to 500 |" in meter
    assert "| `relay` | 1 | bool | coil 0 | yes |  |" in meter
    assert "| `x` | 1 | text | a \\| b |  |  |" in card
    assert "Groups" not in card


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", page((METER, CARD)), re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(cells) == 1


def test_a_profile_is_shown_in_the_language_of_the_person() -> None:
    said: dict[Lang, str] = {lang: "\n".join(sheet_lines(METER, lang)) for lang in ("ru", "en")}
    assert "Осторожно" in said["ru"]
    assert "Take | care" in said["en"]
    assert "poll groups: fast 1 s, slow 60 s" in said["en"]
    assert "personal data: voltage" in said["en"]
    assert "maker" not in "\n".join(sheet_lines(CARD, "en"))
    assert "scale 0.1; 0 to 500" in drawn(point_view(METER, "en"))
    assert "Счётчик" in drawn(list_view((METER, CARD), "ru"))


def test_a_verdict_says_how_far_it_went() -> None:
    text = drawn(
        verdict_view(
            (
                Verdict(Path("a.toml"), "modbus", 3, twin=True, problems=()),
                Verdict(Path("b.toml"), "ble", 1, twin=False, problems=("wrong",)),
            ),
            "en",
        )
    )
    rows = [line.split() for line in text.splitlines()[1:]]
    assert rows == [["a", "modbus", "3", "yes", "passed"], ["b", "ble", "1", "FAILED"]]


def test_every_text_has_the_same_places_in_both_languages() -> None:
    for key, pair in TEXTS.items():
        places = [
            {name for _, name, _, _ in string.Formatter().parse(each) if name} for each in pair
        ]
        assert places[0] == places[1], key
