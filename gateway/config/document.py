"""A TOML file as read: its text, its values, and where each of them stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.config.positions import MAX_DEPTH, Positions, scan
from gateway.messages.catalogue import text
from gateway.messages.formatting import Language
from gateway.model.errors import ConfigError, KeyPath, Mistake, option_name

MAX_MIB: Final = 4
_AT_LINE: Final = re.compile(r"(?s)(?P<what>.*) \(at (?:line (?P<line>\d+), .*|end of .*)\)")
_CHAR: Final = re.compile(r"(?:Illegal|Found invalid) character (?P<char>.+)")
_MANY_DIGITS: Final = re.compile(r"[0-9_]{4300}")
"""What `int` refuses for its length."""

_TOMLLIB_SAYS: Final = (
    ("Expected '=' after a key", "toml-before-equals"),
    ("Expected newline or end of document", "toml-end"),
    ("Invalid initial character for a key part", "toml-key"),
    ("Invalid statement", "toml-key"),
    ("Expected ']", "toml-header"),
    ("Invalid value", "toml-value"),
    ("Invalid date", "toml-date"),
    ("Illegal character '\\n'", "toml-string"),
    ("Cannot overwrite a value", "toml-defined"),
    ("Cannot mutate immutable namespace", "toml-defined"),
    ("Duplicate inline table key", "toml-defined"),
    ("Cannot redefine namespace", "toml-table-twice"),
    ("Cannot declare", "toml-table-twice"),
    ("Unclosed array", "toml-array"),
    ("Unclosed inline table", "toml-inline"),
    ("Unterminated string", "toml-string"),
    ("Expected \"'", "toml-string"),
    ("Unescaped '\\' in a string", "toml-escape"),
    ("Invalid hex value", "toml-escape"),
    ("Escaped character is not", "toml-escape"),
)
"""How the messages of `tomllib` begin, and the text of ours that says the same."""


@dataclass(frozen=True, slots=True)
class Document:
    """One TOML file."""

    file: Path
    text: str
    tree: Mapping[str, Any]  # Any: whatever TOML can hold
    positions: Positions

    @property
    def folder(self) -> Path:
        """Return the folder of the file: paths in it are relative to this."""
        return self.file.absolute().parent

    def mistake(self, path: KeyPath, message: str) -> Mistake:
        """Return a mistake about what stands, or should stand, at `path`."""
        line = self.positions.find(path).line
        return Mistake(self.file, line, option_name(path), message)


def read_document(file: Path, lang: Language) -> Document:
    """Read a TOML file.

    Args:
        file: where.
        lang: language of what may be wrong.

    Raises:
        ConfigError: it is not there, not readable, too large, not UTF-8 or not TOML.
    """
    limit = MAX_MIB * 1024 * 1024
    try:
        with file.open("rb") as stream:
            raw = stream.read(limit + 1)
    except FileNotFoundError as error:
        raise _refusal(file, 0, text("config-file-missing", lang, file=str(file))) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise _refusal(file, 0, text("config-file-unreadable", lang, reason=reason)) from error
    if len(raw) > limit:
        raise _refusal(file, 0, text("config-file-too-large", lang, limit=MAX_MIB))
    return parse_document(file, raw, lang)


def parse_document(file: Path, raw: bytes, lang: Language) -> Document:
    """Take a TOML text apart; `file` only names it.

    Raises:
        ConfigError: it is not UTF-8, not TOML, or nested too deeply.
    """
    try:
        content = raw.decode("utf-8-sig")  # editors of Windows put a byte order mark first
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _refusal(file, line, text("config-encoding", lang)) from error
    positions = scan(content)
    if positions.too_deep is not None:
        message = text("config-too-deep", lang, limit=MAX_DEPTH)
        raise _refusal(file, positions.too_deep.line, message)
    try:
        tree = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_not_toml(file, content, positions, str(error), lang)]) from error
    except ValueError as error:  # a number with more digits than Python converts
        digits = _MANY_DIGITS.search(content)
        line = content.count("\n", 0, digits.start() if digits else None) + 1
        message = text("config-toml", lang, detail=text("found-large", lang))
        raise _refusal(file, line, message) from error
    return Document(file, content, tree, positions)


def _refusal(file: Path, line: int, message: str) -> ConfigError:
    return ConfigError([Mistake(file, line, "", message)])


def _not_toml(file: Path, content: str, positions: Positions, says: str, lang: Language) -> Mistake:
    match = _AT_LINE.match(says)
    what = match["what"] if match else says
    lines = content.rstrip().count("\n") + 1
    line = int(match["line"]) if match and match["line"] else lines
    for repeat in positions.repeats:
        if repeat.second.line == line:
            message = text(
                "config-key-twice", lang, first=repeat.first.line, second=repeat.second.line
            )
            return Mistake(file, line, option_name(repeat.path), message)
    key = next((key for start, key in _TOMLLIB_SAYS if what.startswith(start)), "toml-other")
    char = _CHAR.match(what)
    if char and key == "toml-other":
        key = "toml-char"
    detail = text(key, lang, reason=what, char=char["char"] if char else "")
    return Mistake(file, line, "", text("config-toml", lang, detail=detail))
