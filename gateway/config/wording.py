"""What was found and what is allowed, in words. Pure.

What is allowed is read from the JSON Schema of a model, so that a driver's options are explained
as well as our own. Values are shown as they are typed into a TOML file, in both languages.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.messages.catalogue import text
from gateway.messages.formatting import Language
from gateway.model.ids import NAME_PATTERN

Schema = Mapping[str, Any]  # Any: a JSON Schema
_SHOWN: Final = 60
"""Characters of a value that are shown."""
_ALIKE: Final = 0.5
"""From here on a name counts as meant (difflib's ratio): two letters of four changed places."""
_PATHS: Final = frozenset({"path", "file-path", "directory-path"})
"""Formats of texts that name files."""
_INT64: Final = 1 << 63


def found(value: object, lang: Language) -> str:
    """Return a value as it is typed into a TOML file, cut when it is long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if -_INT64 <= value < _INT64 else text("found-large", lang)
    if isinstance(value, str):
        shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
        return visible(json.dumps(shown, ensure_ascii=False))
    if isinstance(value, Mapping):
        return text("found-table", lang)
    if isinstance(value, Sequence):
        return text("found-list" if value else "found-nothing", lang)
    return str(value)


def visible(line: str) -> str:
    """Return a text in which nothing moves the cursor of a terminal or hides."""
    return "".join(
        char if char.isprintable() or char == "\t" else f"\\u{ord(char):04x}" for char in line
    )


def nearest(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant, or None."""
    matches = difflib.get_close_matches(str(name), list(known), n=1, cutoff=_ALIKE)
    return matches[0] if matches else None


def listed(names: Iterable[str], lang: Language, *, quote: str = "`") -> str:
    """Return names in a row, or a word for "none"."""
    row = ", ".join(f"{quote}{visible(name)}{quote}" for name in names)
    return row or text("allowed-nothing", lang)


def allowed(schema: Schema, root: Schema, lang: Language, *, name: str = "") -> str:
    """Return what a part of a JSON Schema allows, in words.

    Args:
        schema: the part.
        root: the whole, in which `$ref` points.
        lang: in whose words.
        name: of the option, for tables in double brackets.
    """
    part = resolve(schema, root)
    if "const" in part:
        return found(part["const"], lang)
    if "enum" in part:
        return _one_of([found(value, lang) for value in part["enum"]], lang)
    choices = part.get("anyOf") or part.get("oneOf") or ()
    said = [
        allowed(choice, root, lang, name=name)
        for choice in choices
        if resolve(choice, root).get("type") != "null"
    ]
    return _one_of(list(dict.fromkeys(said)), lang) if choices else _kind(part, root, lang, name)


def _kind(part: Schema, root: Schema, lang: Language, name: str) -> str:
    said = text("allowed-anything", lang)
    match part.get("type"):
        case "integer":
            said = _bounded(text("allowed-whole", lang), part, lang)
        case "number":
            said = _bounded(text("allowed-number", lang), part, lang)
        case "boolean":
            said = text("allowed-bool", lang)
        case "string":
            said = _text(part, lang)
        case "array":
            said = _array(part, root, lang, name)
        case "object":
            said = _table(part, root, lang)
    return said


def resolve(schema: Schema, root: Schema) -> Schema:
    """Return a part of a JSON Schema, a reference followed."""
    if "$ref" in schema:
        return resolve(root["$defs"][str(schema["$ref"]).rpartition("/")[2]], root)
    return schema


def _one_of(said: list[str], lang: Language) -> str:
    if not said:
        return text("allowed-nothing", lang)
    *others, last = said
    return text("or", lang, first=", ".join(others), second=last) if others else last


def _text(part: Schema, lang: Language) -> str:
    pattern, low, high = (part.get(word) for word in ("pattern", "minLength", "maxLength"))
    if part.get("format") in _PATHS:
        return text("allowed-path", lang)
    if pattern is not None:
        key = "allowed-name" if pattern == NAME_PATTERN else "allowed-pattern"
        return text(key, lang, pattern=pattern)
    if low is not None and high is not None:
        return text("allowed-text-between", lang, low=low, high=high)
    if low is not None:
        return text("allowed-text-from", lang, low=low)
    return text("allowed-text" if high is None else "allowed-text-to", lang, high=high or 0)


def _table(part: Schema, root: Schema, lang: Language) -> str:
    inner = part.get("additionalProperties")
    if isinstance(inner, Mapping):
        return text("allowed-table-of", lang, items=allowed(inner, root, lang))
    return text("allowed-table", lang)


def _array(part: Schema, root: Schema, lang: Language, name: str) -> str:
    item = resolve(part.get("items", {}), root)
    if item.get("type") == "object":
        return text("allowed-tables", lang, name=name)
    items = allowed(item, root, lang)
    if part.get("minItems"):
        return text("allowed-list-some", lang, low=part["minItems"], items=items)
    return text("allowed-list", lang, items=items)


def _bounded(what: str, part: Schema, lang: Language) -> str:
    low, high = part.get("minimum"), part.get("maximum")
    above, below = part.get("exclusiveMinimum"), part.get("exclusiveMaximum")
    key = "-".join(
        word
        for word, bound in (("above", above), ("from", low), ("below", below), ("to", high))
        if bound is not None
    )
    if not key:
        return what
    key = "between" if key == "from-to" else key
    first = low if above is None else above
    second = high if below is None else below
    return text(f"bounds-{key}", lang, what=what, low=_bound(first), high=_bound(second))


def _bound(value: float | None) -> str:
    if value is None:
        return ""
    return str(int(value)) if float(value).is_integer() else str(value)
