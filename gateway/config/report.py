"""Mistakes as a good compiler shows them: the place, the line itself, a mark, what to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from gateway.config.document import MAX_MIB
from gateway.config.loading import in_order
from gateway.config.wording import visible
from gateway.messages.catalogue import text
from gateway.messages.formatting import Language
from gateway.model.errors import Mistake

SHOWN: Final = 160
"""Characters of a line that are shown."""


class Tone(StrEnum):
    """What a printed line is, so that a terminal can colour it; never told by colour alone."""

    PLACE = "place"
    SOURCE = "source"
    MARK = "mark"
    MESSAGE = "message"
    COUNT = "count"


class Line(NamedTuple):
    """One printed line."""

    tone: Tone
    text: str


def lines_of(file: Path) -> list[str]:
    """Return the lines of a file to show, none when it cannot be read."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_MIB * 1024 * 1024)
    except (OSError, ValueError):
        return []  # the mistake itself says that the file is not there
    return raw.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").split("\n")


def report(
    mistakes: Iterable[Mistake],
    lang: Language,
    read_lines: Callable[[Path], list[str]] = lines_of,
) -> Iterator[Line]:
    """Yield what to print.

    Args:
        mistakes: at least one.
        lang: language of the count.
        read_lines: how to get the lines of a file.
    """
    files: dict[Path, int] = {}
    texts: dict[Path, list[str]] = {}
    for mistake in in_order(mistakes):
        files[mistake.file] = files.get(mistake.file, 0) + 1
        if mistake.file not in texts:
            texts[mistake.file] = read_lines(mistake.file)
        yield from _one(mistake, texts[mistake.file])
    for file, count in files.items():
        yield Line(Tone.COUNT, text("check-count", lang, count=count, file=visible(str(file))))


def _one(mistake: Mistake, lines: list[str]) -> Iterator[Line]:
    option = f": {mistake.option}" if mistake.option else ""
    yield Line(Tone.PLACE, visible(f"{mistake.file}:{mistake.line}{option}"))
    if 0 < mistake.line <= len(lines):
        source = lines[mistake.line - 1][:SHOWN]
        margin = f"{mistake.line:5d} | "
        yield Line(Tone.SOURCE, margin + visible(source))
        yield Line(Tone.MARK, " " * (len(margin) - 2) + "| " + _mark(source, mistake.option))
    yield Line(Tone.MESSAGE, f"  {visible(mistake.message)}")
    yield Line(Tone.MESSAGE, "")


def _mark(source: str, option: str) -> str:
    """Return blanks and a mark under the option, or under the whole line when it is not there."""
    name = option.rpartition(".")[2]
    spot = re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", source) if name else None
    start = spot.start() if spot else len(source) - len(source.lstrip())
    width = len(name) if spot else len(source.strip())
    # A tab is as wide as the terminal makes it: keep it; what `visible` widened is as wide here.
    before = "".join(char if char == "\t" else " " * len(visible(char)) for char in source[:start])
    return before + "^" * max(width, 1)
