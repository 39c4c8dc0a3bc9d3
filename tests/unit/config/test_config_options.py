"""Every option is described, names its unit, and stands on the page of the room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.config import site
from gateway.config.explain import shown
from gateway.config.site import Site
from gateway.config.wording import allowed

README = Path(site.__file__).with_name("README.md").read_text(encoding="utf-8")
UNITS = ("_s", "_mib", "_hours", "_kib_per_min")
PLAIN = {"port", "window", "retries"}
"""Numbers without a unit: a TCP port, and counts."""


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in Site.model_fields.items():
        inner = field.annotation
        several = get_origin(inner) is list
        model = get_args(inner)[0] if several else inner
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        yield (f"[[{name}]]" if several else f"[{name}]"), model


def _options() -> Iterator[tuple[str, str, FieldInfo, type[BaseModel]]]:
    for section, model in _sections():
        for option, field in model.model_fields.items():
            yield section, option, field, model


SECTIONS = list(_sections())
OPTIONS = list(_options())
IDS = [f"{section} {option}" for section, option, _, _ in OPTIONS]


def _is_number(annotation: object) -> bool:
    if get_origin(annotation) in {Union, UnionType}:
        return any(_is_number(each) for each in get_args(annotation))
    return annotation in {int, float}


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "needed"
    return f"`{shown(field.default)}`" if field.default is not None else "none"


def _row(option: str, field: FieldInfo, model: type[BaseModel]) -> str:
    schema = model.model_json_schema()
    what = allowed(schema["properties"][option], schema, "en")
    return f"| `{option}` | {what} | {_default(field)} | {field.description} |"


@pytest.mark.parametrize(("section", "option", "field", "model"), OPTIONS, ids=IDS)
def test_an_option_stands_in_the_readme_as_the_model_has_it(
    section: str, option: str, field: FieldInfo, model: type[BaseModel]
) -> None:
    _, _, after = README.partition(f"### `{section}`\n")
    table = after.partition("\n### ")[0]
    assert _row(option, field, model) in table.split("\n")


def test_the_readme_names_no_option_that_is_not_there() -> None:
    rows = {_row(option, field, model) for _, option, field, model in OPTIONS}
    _, _, options = README.partition("## Options")
    told = [line for line in options.partition("\n## ")[0].split("\n") if line.startswith("| `")]
    assert set(told) <= rows
    assert len(told) == len(OPTIONS)


@pytest.mark.parametrize(("section", "option", "field", "model"), OPTIONS, ids=IDS)
def test_an_option_is_described_and_a_number_has_a_range_and_a_unit_in_its_name(
    section: str, option: str, field: FieldInfo, model: type[BaseModel]
) -> None:
    del section
    assert field.description
    if _is_number(field.annotation):
        part = model.model_json_schema()["properties"][option]
        assert {"minimum", "exclusiveMinimum"} & set(part)
        assert {"maximum", "exclusiveMaximum"} & set(part)
        assert option in PLAIN or option.endswith(UNITS)


@pytest.mark.parametrize(
    ("section", "model"), list(_sections()), ids=[name for name, _ in _sections()]
)
def test_a_section_never_changes_and_refuses_what_it_does_not_know(
    section: str, model: type[BaseModel]
) -> None:
    assert model.model_config["frozen"]
    assert model.model_config["strict"]
    open_to_plugins = section in {"[[line]]", "[[device]]"}
    assert model.model_config["extra"] == ("allow" if open_to_plugins else "forbid")


def test_a_literal_default_is_one_of_its_choices() -> None:
    for _, option, field, _ in OPTIONS:
        if get_origin(field.annotation) is Literal:
            assert field.default in get_args(field.annotation), option
