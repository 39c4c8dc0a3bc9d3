"""Every option is described, names its unit, and stands on the page of the room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from gateway.config import site
from gateway.config.checking import adapter, names_of
from gateway.config.explain import shown
from gateway.config.site import Site
from gateway.config.wording import allowed
from gateway.model.options import Options

README = Path(site.__file__).with_name("README.md").read_text(encoding="utf-8")
UNITS = ("_s", "_mib", "_tib", "_hours", "_days", "_kib_per_min")
PLAIN = {"port", "window", "retries"}
"""Numbers without a unit: a TCP port, and counts."""


Row = tuple[str, str, type[Options]]


def _sections() -> Iterator[tuple[str, type[Options]]]:
    for name, inner in get_type_hints(Site).items():
        several = get_origin(inner) is list
        model = get_args(inner)[0] if several else inner
        if isinstance(model, type) and issubclass(model, Options):
            yield (f"[[{name}]]" if several else f"[{name}]"), model


def _options() -> Iterator[Row]:
    for section, model in _sections():
        for option in names_of(model):
            yield section, option, model


OPTIONS = list(_options())
IDS = [f"{section} {option}" for section, option, _ in OPTIONS]


def _field(option: str, model: type[Options]) -> Field[Any]:
    return next(each for each in fields(model) if each.name == option)  # type: ignore[arg-type]


def _numbers(part: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    choices = [part, *part.get("anyOf", ())]
    return [each for each in choices if each.get("type") in {"integer", "number"}]


def _default(option: str, model: type[Options]) -> str:
    default = _field(option, model).default
    if default is MISSING:
        return "needed"
    return f"`{shown(default)}`" if default is not None else "none"


def _row(option: str, model: type[Options]) -> str:
    schema = adapter(model).json_schema()
    part = schema["properties"][option]
    what = allowed(part, schema, "en")
    return f"| `{option}` | {what} | {_default(option, model)} | {part['description']} |"


@pytest.mark.parametrize(("section", "option", "model"), OPTIONS, ids=IDS)
def test_an_option_stands_in_the_readme_as_the_model_has_it(
    section: str, option: str, model: type[Options]
) -> None:
    _, _, after = README.partition(f"### `{section}`\n")
    table = after.partition("\n### ")[0]
    assert _row(option, model) in table.split("\n")


def test_the_readme_names_no_option_that_is_not_there() -> None:
    rows = {_row(option, model) for _, option, model in OPTIONS}
    _, _, options = README.partition("## Options")
    told = [line for line in options.partition("\n## ")[0].split("\n") if line.startswith("| `")]
    assert set(told) <= rows
    assert len(told) == len(OPTIONS)


@pytest.mark.parametrize(("section", "option", "model"), OPTIONS, ids=IDS)
def test_an_option_is_described_and_a_number_has_a_range_and_a_unit_in_its_name(
    section: str, option: str, model: type[Options]
) -> None:
    del section
    part = adapter(model).json_schema()["properties"][option]
    assert part["description"]
    for number in _numbers(part):
        assert {"minimum", "exclusiveMinimum"} & set(number)
        assert {"maximum", "exclusiveMaximum"} & set(number)
        assert option in PLAIN or option.endswith(UNITS)


@pytest.mark.parametrize(
    ("section", "model"), list(_sections()), ids=[name for name, _ in _sections()]
)
def test_a_section_never_changes_and_refuses_what_it_does_not_know(
    section: str, model: type[Options]
) -> None:
    frozen = model.__dataclass_params__.frozen  # type: ignore[attr-defined]  # of every dataclass
    assert frozen
    assert model.__pydantic_config__["strict"]
    # what an open section does not know, the plugin does, or it is told as a mistake of its options
    open_to_plugins = section in {"[[line]]", "[[device]]"}
    assert model.__pydantic_config__["extra"] == ("ignore" if open_to_plugins else "forbid")


def test_a_default_is_one_that_may_be_written() -> None:
    for _, option, model in OPTIONS:
        part = adapter(model).json_schema()["properties"][option]
        default = _field(option, model).default
        if default is not MISSING and "enum" in part:
            assert default in part["enum"], option
        for number in _numbers(part) if isinstance(default, int | float) else ():
            assert number.get("minimum", default) <= default <= number["maximum"], option
