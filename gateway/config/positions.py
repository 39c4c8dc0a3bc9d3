"""Where each key of a TOML text stands. Pure.

`tomllib` gives values without lines; a message without a line sends a technician searching. This
scanner walks the same text beside it and notes every key, table and element. It checks nothing:
what is not TOML is refused by `tomllib`, and of such a text the scanner notes as much as it
understands, without ever raising.

Source: TOML v1.0.0.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.model.errors import KeyPath


class Position(NamedTuple):
    """One place in a text."""

    line: int
    """Counted from 1."""
    column: int
    """Characters before it in its line, counted from 0."""
    width: int
    """Characters of the key as it is written, quotes included; 0 for an element of an array."""


class Repeat(NamedTuple):
    """A key that stands twice in one table."""

    path: KeyPath
    first: Position
    second: Position


_START: Final = Position(1, 0, 0)
MAX_DEPTH: Final = 32
"""No site file needs more; time and stack of `tomllib` grow with depth, so deeper is refused."""


@dataclass(frozen=True, slots=True)
class Positions:
    """The places of everything in one text."""

    places: Mapping[KeyPath, Position]
    repeats: tuple[Repeat, ...] = ()
    too_deep: Position | None = None
    """Where names or values are nested deeper than MAX_DEPTH; nothing is noted from there on."""

    def find(self, path: Sequence[str | int]) -> Position:
        """Return the place of `path`, or of the nearest thing around it that stands in the text."""
        known = tuple(path)
        while known:
            if known in self.places:
                return self.places[known]
            known = known[:-1]
        return _START

    def has(self, path: Sequence[str | int]) -> bool:
        """Say whether `path` itself stands in the text."""
        return tuple(path) in self.places


def scan(text: str) -> Positions:
    """Return where everything in `text` stands. Lines end as in TOML: LF or CR LF."""
    scanner = _Scanner(text.replace("\r\n", "\n"))
    too_deep = None
    try:
        scanner.run()
    except _TooDeepError:
        too_deep = scanner.here(0)
    except _LostError:
        too_deep = None  # not TOML from here on: tomllib says so; what was noted still helps
    return Positions(scanner.places, tuple(scanner.repeats), too_deep)


class _LostError(Exception):
    """The text is not TOML here."""


class _TooDeepError(_LostError):
    """More than MAX_DEPTH names or containers inside one another."""


class _Part(NamedTuple):
    """One name of a dotted key."""

    name: str
    position: Position


@dataclass(slots=True)
class _Open:
    """An array or an inline table that is not closed yet."""

    closing: str
    path: KeyPath
    count: int = 0


_BLANK: Final = re.compile(r"[ \t]*")
_BETWEEN: Final = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_BETWEEN_ITEMS: Final = re.compile(r"(?:[ \t\n,]|#[^\n]*)*")
_REST_OF_LINE: Final = re.compile(r"[^\n]*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_BASIC: Final = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')
_LITERAL: Final = re.compile(r"'[^'\n]*'")
_IN_LONG_BASIC: Final = re.compile(r'\\.|"""', re.DOTALL)
_SCALAR: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]*|[^\s,\]}#]+")


@dataclass(slots=True)
class _Scanner:
    text: str
    at: int = 0
    line: int = 1
    line_start: int = 0
    counted_to: int = 0
    places: dict[KeyPath, Position] = field(default_factory=dict)
    repeats: list[Repeat] = field(default_factory=list)
    arrays: dict[KeyPath, int] = field(default_factory=dict)
    """Arrays of tables, with how many elements each has so far."""
    valued: set[KeyPath] = field(default_factory=set)
    """Keys that were given a value."""

    def run(self) -> None:
        """Walk the whole text."""
        table: KeyPath = ()
        while True:
            self._skip(_BETWEEN)
            if self.at >= len(self.text):
                return
            if self.text.startswith("[[", self.at):
                table = self._header(2)
            elif self.text.startswith("[", self.at):
                table = self._header(1)
            else:
                self._value(self._assignment(table))
                self._skip(_REST_OF_LINE)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()

    def _expect(self, what: str) -> None:
        if not self.text.startswith(what, self.at):
            raise _LostError
        self.at += len(what)

    def here(self, width: int) -> Position:
        """Return the present place; lines are counted once, as the scan goes on."""
        self.line += self.text.count("\n", self.counted_to, self.at)
        newline = self.text.rfind("\n", self.counted_to, self.at)
        if newline >= 0:
            self.line_start = newline + 1
        self.counted_to = self.at
        return Position(self.line, self.at - self.line_start, width)

    def _key(self) -> list[_Part]:
        """Read a dotted key, up to what follows it."""
        parts: list[_Part] = []
        while True:
            if len(parts) == MAX_DEPTH:
                raise _TooDeepError
            self._skip(_BLANK)
            parts.append(self._key_part())
            self._skip(_BLANK)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _key_part(self) -> _Part:
        for pattern in (_BARE_KEY, _BASIC, _LITERAL):
            match = pattern.match(self.text, self.at)
            if match:
                raw = match.group()
                name = raw if pattern is _BARE_KEY else _unquoted(raw)
                part = _Part(name, self.here(len(raw)))
                self.at = match.end()
                return part
        raise _LostError

    def _header(self, brackets: int) -> KeyPath:
        """Read `[table]` or `[[array]]` and return the path of the table it opens."""
        self.at += brackets
        *outer, last = self._key()
        self._expect("]" * brackets)
        self._skip(_REST_OF_LINE)
        path: KeyPath = ()
        for part in outer:
            path = (*path, part.name)
            self.places.setdefault(path, part.position)
            path = self._last_of(path)
        path = (*path, last.name)
        if brackets == 1:
            if path in self.arrays:
                return self._last_of(path)
            self._give(path, last.position)
            return path
        self.places.setdefault(path, last.position)
        count = self.arrays.get(path, 0)
        self.arrays[path] = count + 1
        element = (*path, count)
        self.places[element] = last.position
        return element

    def _last_of(self, path: KeyPath) -> KeyPath:
        count = self.arrays.get(path)
        return path if count is None else (*path, count - 1)

    def _assignment(self, table: KeyPath) -> KeyPath:
        """Read `key =` and return the path of the value that follows."""
        *outer, last = self._key()
        self._expect("=")
        path = table
        for part in outer:
            path = (*path, part.name)
            self.places.setdefault(path, part.position)
        path = (*path, last.name)
        self._give(path, last.position)
        return path

    def _give(self, path: KeyPath, position: Position) -> None:
        """Note what is defined here, and whether it was defined before."""
        if path in self.valued:
            self.repeats.append(Repeat(path, self.places[path], position))
            return
        self.valued.add(path)
        self.places[path] = position

    def _value(self, path: KeyPath) -> None:
        """Walk over one value, noting what is inside; it keeps its own stack."""
        stack: list[_Open] = []
        while True:
            self._skip(_BLANK)
            opened = self.text[self.at : self.at + 1]
            if opened in {"[", "{"}:
                if len(stack) == MAX_DEPTH:
                    raise _TooDeepError
                stack.append(_Open("]" if opened == "[" else "}", path))
                self.at += 1
            else:
                self._scalar()
            within = self._next_value(stack)
            if within is None:
                return
            path = within

    def _next_value(self, stack: list[_Open]) -> KeyPath | None:
        """Go to the next value inside the innermost open container; None when all are closed."""
        while stack:
            innermost = stack[-1]
            self._skip(_BETWEEN_ITEMS)
            if self.text.startswith(innermost.closing, self.at):
                self.at += 1
                stack.pop()
            elif self.at >= len(self.text):
                raise _LostError
            elif innermost.closing == "]":
                path = (*innermost.path, innermost.count)
                innermost.count += 1
                self.places[path] = self.here(0)
                return path
            else:
                return self._assignment(innermost.path)
        return None

    def _scalar(self) -> None:
        """Walk over a string, a number, a date or a word."""
        if self.text.startswith('"""', self.at):
            self._long_basic()
        elif self.text.startswith("'''", self.at):
            end = self.text.find("'''", self.at + 3)
            self._close_long("'", end)
        else:
            first = self.text[self.at : self.at + 1]
            pattern = {'"': _BASIC, "'": _LITERAL}.get(first, _SCALAR)
            match = pattern.match(self.text, self.at)
            if match is None:
                raise _LostError
            self.at = match.end()

    def _long_basic(self) -> None:
        for match in _IN_LONG_BASIC.finditer(self.text, self.at + 3):
            if match.group() == '"""':
                self._close_long('"', match.start())
                return
        raise _LostError

    def _close_long(self, quote: str, end: int) -> None:
        """Step behind the closing quotes; up to two more quotes belong to the string."""
        if end < 0:
            raise _LostError
        self.at = end + 3
        for _ in range(2):
            if self.text.startswith(quote, self.at):
                self.at += 1


def _unquoted(raw: str) -> str:
    """Return the name that a quoted key stands for."""
    try:
        name = tomllib.loads(f"k = {raw}")["k"]
    except tomllib.TOMLDecodeError as error:
        raise _LostError from error
    if not isinstance(name, str):
        raise _LostError
    return name
