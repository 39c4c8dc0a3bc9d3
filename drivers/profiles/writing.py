"""Writes pieces of TOML, for who makes profiles."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.model.profile import HeadWords

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}

Plain = bool | int | float | str
"""What a profile holds beside tables and lists."""


def toml(value: Plain | Sequence[Plain] | Mapping[str, Plain]) -> str:
    """Return a value as it stands behind the sign of equality; a mapping as an inline table.

    Raises:
        ValueError: a number is not finite.
    """
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        if not math.isfinite(value):
            msg = f"{value} has no place in a profile"
            raise ValueError(msg)
        return repr(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return (
            "{ " + ", ".join(f"{key_of(key)} = {toml(each)}" for key, each in value.items()) + " }"
        )
    return "[" + ", ".join(toml(each) for each in value) + "]"


def quoted(text: str) -> str:
    """Return a text as a basic string of TOML, on one line."""
    return '"' + "".join(_escaped(letter) for letter in text) + '"'


def key_of(name: str) -> str:
    """Return a key, in quotes where it needs them."""
    return name if _BARE.fullmatch(name) else quoted(name)


def comment(text: str, width: int = 100) -> str:
    """Return a text as lines of comment, broken between words."""
    lines, line = [], "#"
    for word in text.split():
        if len(line) + 1 + len(word) > width and line != "#":
            lines.append(line)
            line = "#"
        line += f" {word}"
    return "\n".join([*lines, line])


def head(words: HeadWords, protocol: str) -> str:
    """Return the options that every profile begins with."""
    lines = [
        f"name = {quoted(words.name)}",
        f"protocol = {quoted(protocol)}",
        f"title = {toml({'ru': words.title_ru, 'en': words.title_en})}",
        f"maker = {quoted(words.maker)}",
        f"models = {toml(list(words.models))}",
        "",
        "[source]",
        f"document = {quoted(words.document)}",
        f"edition = {quoted(words.edition)}",
        f"where = {quoted(words.where)}",
    ]
    return "\n".join(lines) + "\n"


def _escaped(letter: str) -> str:
    if letter in _ESCAPES:
        return _ESCAPES[letter]
    code = ord(letter)
    if letter.isprintable() and not 0xD800 <= code < 0xE000:  # noqa: PLR2004 - surrogates
        return letter
    if 0xD800 <= code < 0xE000:  # noqa: PLR2004 - half of a letter: TOML has no place for it
        return "\ufffd"
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"  # noqa: PLR2004
