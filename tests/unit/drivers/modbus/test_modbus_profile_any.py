"""Whatever stands in a profile: it is a register map, or every mistake has a line of the file."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel

from drivers.modbus.fields import MappedPoint
from drivers.modbus.identify_schema import (
    IdentifyModel,
    ObjectModel,
    PlausibleModel,
    SignatureModel,
)
from drivers.modbus.point_schema import PointModel
from drivers.modbus.profile import ProfileError, parse_profile
from drivers.modbus.schema import LimitsModel, ProfileModel, VectorModel
from drivers.profiles.header import SourceModel
from drivers.profiles.writing import key_of, toml
from gateway.model.errors import Mistake

PATH = Path("meter.toml")
SECTIONS: dict[str, tuple[str, type[BaseModel], dict[str, object]]] = {
    "source": ("[source]", SourceModel, {"document": "a document", "edition": "1"}),
    "limits": ("[limits]", LimitsModel, {}),
    "identify": ("[identify]", IdentifyModel, {}),
    "object": ("[[identify.object]]", ObjectModel, {"id": 0, "pattern": "A"}),
    "signature": (
        "[[identify.signature]]",
        SignatureModel,
        {"table": "input", "address": 1, "type": "u16", "equals": [1]},
    ),
    "plausible": ("[[identify.plausible]]", PlausibleModel, {"point": "x", "low": 1, "high": 2}),
    "point": (
        "[[point]]",
        PointModel,
        {"name": "x", "table": "input", "address": 1, "type": "u16"},
    ),
    "vector": ("[[vector]]", VectorModel, {"request": "04 0001 0001", "answer": "04 02 0001"}),
}
HEAD: dict[str, object] = {"name": "meter", "title": {"ru": "а", "en": "a"}}

LEAVES = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "x", "V", "ABCD", "holding", "i16", "string", "40001", "(", "ff"])
)
VALUES = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.sampled_from("0x1y"), LEAVES)
TABLES = {header.strip("[]").split(".")[0] for header, _, _ in SECTIONS.values()}


@st.composite
def profiles(draw: st.DrawFn) -> str:
    """Return a sound profile with up to three options that may be anything."""
    tables: list[tuple[str, dict[str, object]]] = [("", {**HEAD})]
    known = [sorted(set(ProfileModel.model_fields) - TABLES)]
    for header, model, options in SECTIONS.values():
        tables.append((header, {**options}))
        known.append(sorted(set(model.model_fields) - set(SECTIONS)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(tables) - 1))
        tables[place][1][draw(st.sampled_from([*known[place], "colour"]))] = draw(VALUES)
    return written(tables)


def written(tables: Sequence[tuple[str, Mapping[str, object]]]) -> str:
    """Return tables as TOML."""
    return "\n".join(
        "\n".join([header, *(f"{key_of(key)} = {plain(value)}" for key, value in options.items())])
        for header, options in tables
    )


def plain(value: object) -> str:
    """Return a value as TOML; `toml` takes nothing that is nested deeper than these."""
    return toml(value)  # type: ignore[arg-type]


@given(profiles())
@example("")
def test_any_profile_is_a_register_map_or_every_mistake_has_its_line(text: str) -> None:
    mistakes: Sequence[Mistake] = ()
    points: Collection[MappedPoint] = ()
    try:
        points = parse_profile(text, PATH).map.points.values()
    except ProfileError as error:
        mistakes = error.mistakes
    assert bool(points) != bool(mistakes)
    lines = text.count("\n") + 1
    assert all(1 <= each.line <= lines and each.message for each in mistakes)
    assert all(mapped.field.span.end <= 0x10000 for mapped in points)


def test_the_profile_that_is_changed_is_sound_itself() -> None:
    text = written([("", HEAD), *((header, options) for header, _, options in SECTIONS.values())])
    assert list(parse_profile(text, PATH).map.points) == ["x"]
