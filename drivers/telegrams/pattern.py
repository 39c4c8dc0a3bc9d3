r"""Patterns of text answers: regular expressions that cannot blow up. Pure.

A pattern is a small part of Python's regular expressions, matched against a whole answer. Every
repetition is made possessive and every group atomic (Python 3.11): what was taken is never given
back, so that the time of a match grows with the length of the answer and no faster. A pattern that
would need to give back (`.*;`) just does not match, which a test vector shows at once; write what
the characters are (`[^;]*;`).
"""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 1024
"""Characters of a pattern."""
LONGEST_REPEAT: Final = 1024

_GROUP: Final = re.compile(r"\((?:\?P<([A-Za-z_][A-Za-z0-9_]*)>|\?:)")
_REPEAT: Final = re.compile(r"[?*+]|\{(\d{1,4})(?:,(\d{0,4}))?\}")
_CLASS: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")
_ESCAPE: Final = re.compile(r"\\(?:[dDwWsS]|x[0-9A-Fa-f]{2}|[rnt]|[^A-Za-z0-9])")


_ADDRESS: Final = re.compile(r"\{address(?::(0?\d{0,2}[dX]))?\}")


class PatternError(ValueError):
    """A pattern has something in it that patterns may not have."""


def safe(pattern: str) -> str:
    """Return the pattern as Python takes it, with nothing in it that goes back.

    Raises:
        PatternError: it is too long, or has something in it that goes back: a reference, a look
            around, a repetition inside a repetition; or is no regular expression.
    """
    if len(pattern) > LONGEST:
        msg = f"a pattern has at most {LONGEST} characters"
        raise PatternError(msg)
    return _Translator(pattern).run()


def addressed(pattern: str) -> bool:
    """Say whether the address of the device stands in the pattern."""
    return _ADDRESS.search(pattern) is not None


def compiled(pattern: str, address: float | str = 0) -> re.Pattern[str]:
    """Return the pattern, safe and compiled; use `fullmatch`.

    Args:
        pattern: with `{address}` or `{address:02d}` in it where the address stands.
        address: of the device.

    Raises:
        PatternError: as `safe`.
    """

    def written(found: re.Match[str]) -> str:
        text = f"{address:{found[1]}}" if found[1] else str(address)
        return re.sub(r"(\W)", r"\\\1", text)

    made = safe(_ADDRESS.sub(written, pattern))
    try:
        return re.compile(made, re.ASCII)
    except re.error as error:
        msg = f"{error}"
        raise PatternError(msg) from error


class _Translator:
    """Goes through a pattern once, from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def run(self) -> str:
        made, _ = self._alternatives(depth=0)
        if self._at < len(self._pattern):
            self._refuse("`)` without `(`")
        return made

    def _alternatives(self, depth: int) -> tuple[str, bool]:
        """Return what stands up to the end of this group, and whether it repeats anything."""
        parts: list[str] = []
        repeats = False
        while self._at < len(self._pattern) and self._pattern[self._at] != ")":
            if self._pattern[self._at] == "|":
                parts.append("|")
                self._at += 1
                continue
            item, inner = self._item(depth)
            bounds = self._repeat()
            if bounds is not None:
                if inner and bounds not in {"?", "{1}", "{0,1}"}:
                    self._refuse("a repetition inside a repetition")
                item += f"{bounds}+"
                repeats = True
            repeats |= inner
            parts.append(item)
        return "".join(parts), repeats

    def _item(self, depth: int) -> tuple[str, bool]:
        char = self._pattern[self._at]
        if char == "(":
            return self._group(depth)
        for known in (_CLASS, _ESCAPE):
            found = known.match(self._pattern, self._at)
            if found:
                self._at = found.end()
                return found[0], False
        if char in "\\[?*+^$":
            self._refuse(f"{self._pattern[self._at : self._at + 2]!r}")
        self._at += 1
        return ("\\{" if char == "{" else char), False

    def _group(self, depth: int) -> tuple[str, bool]:
        found = _GROUP.match(self._pattern, self._at)
        if found is None or depth > 4:  # noqa: PLR2004 - deep enough for any answer
            self._refuse("a group that is neither (?P<name>...) nor (?:...), or one too deep")
        head = found[0] if found and found[1] else "(?:"
        self._at = found.end() if found else self._at
        inside, repeats = self._alternatives(depth + 1)
        if self._at >= len(self._pattern):
            self._refuse("`(` without `)`")
        self._at += 1
        return f"(?>{head}{inside}))", repeats

    def _repeat(self) -> str | None:
        found = _REPEAT.match(self._pattern, self._at)
        if found is None:
            return None
        if any(int(bound) > LONGEST_REPEAT for bound in found.groups() if bound):
            self._refuse(f"more than {LONGEST_REPEAT} repetitions")
        self._at = found.end()
        if self._pattern[self._at : self._at + 1] in {"?", "+", "*"}:
            self._refuse("a repetition of a repetition")
        return found[0]

    def _refuse(self, what: str) -> None:
        msg = f"a pattern may not have {what} (at character {self._at + 1})"
        raise PatternError(msg)
