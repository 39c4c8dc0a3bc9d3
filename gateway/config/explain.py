"""What counts and where it came from; what changes from one site file to another. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway.config.document import Document
from gateway.config.parts import Effective, Part
from gateway.config.wording import found, visible
from gateway.messages.catalogue import text
from gateway.messages.formatting import Language

WHOLE_AGENT: Final = frozenset({"gateway", "store", "keys", "consumer"})
"""Sections that everything else is built upon."""


class Row(NamedTuple):
    """One effective value."""

    option: str
    value: str
    """As it is typed into a TOML file."""
    raw: Any  # Any: whatever an option can be
    line: int | None
    """Where it is written; None when it is a default."""


def explain(parts: Iterable[Part], document: Document) -> list[Row]:
    """Return every effective value with the line it stands on, in the order of sections."""
    return [
        Row(
            ".".join(filter(None, (*part.key, option))),
            shown(effective.value),
            effective.value,
            document.positions.find(effective.path).line
            if document.positions.has(effective.path)
            else None,
        )
        for part in parts
        for option, effective in part.options.items()
    ]


def shown(value: object) -> str:
    """Return a value as it is typed into a TOML file; nothing for an option that is left out."""
    match value:
        case Enum():
            said = shown(value.value)
        case str() | Path():
            said = in_quotes(str(value))
        case list() | tuple() | set() | frozenset():
            said = f"[{', '.join(map(shown, value))}]"
        case _:
            said = "" if value is None else "{}" if value == {} else found(value, "en")
    return said


def in_quotes(value: str) -> str:
    """Return a text in quotes, never cut."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return visible(f'"{escaped}"')


class Kind(StrEnum):
    """What happened to a table or an option."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference."""

    kind: Kind
    section: str
    name: str
    option: str = ""
    """Empty when the whole table came or went."""
    old: str = ""
    new: str = ""

    def sentence(self, lang: Language) -> str:
        """Return it in words."""
        return text(
            f"diff-{self.kind}",
            lang,
            what=label(self.section, self.name, lang),
            option=self.option,
            old=self.old or text("diff-nothing", lang),
            new=self.new or text("diff-nothing", lang),
        )


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes from one site to another."""

    changes: tuple[Change, ...]
    unchanged: int
    """Tables in which nothing changes."""
    restarted: tuple[tuple[str, str], ...]
    """Section and name of what is started anew; `("agent", "")` when that is everything."""


def label(section: str, name: str, lang: Language) -> str:
    """Return what a person calls a table: `device meter-1`, `section store`."""
    if section == "agent":
        return text("what-agent", lang)
    if name:
        return text(f"what-{section}", lang, name=name)
    return text("what-section", lang, name=section)


def diff(old: Iterable[Part], new: Iterable[Part], folders: tuple[Path, Path]) -> Difference:
    """Compare the effective values of two sites; what is written as its default changes nothing.

    Args:
        old: tables of the site that runs.
        new: tables of the site that shall run.
        folders: of the two files; a path inside its folder is compared without it.
    """
    before = {part.key: part for part in old}
    after = {part.key: part for part in new}
    changes: list[Change] = []
    unchanged = 0
    for key in [*before, *(key for key in after if key not in before)]:
        found_changes = list(_changes(before.get(key), after.get(key), folders))
        changes += found_changes
        unchanged += not found_changes
    return Difference(tuple(changes), unchanged, tuple(_restarted(changes, after)))


def _changes(old: Part | None, new: Part | None, folders: tuple[Path, Path]) -> Iterator[Change]:
    if old is None:
        if new is not None:
            yield Change(Kind.ADDED, *new.key)
        return
    if new is None:
        yield Change(Kind.REMOVED, *old.key)
        return
    for option in [*old.options, *(option for option in new.options if option not in old.options)]:
        was = _comparable(old.options.get(option), folders[0])
        now = _comparable(new.options.get(option), folders[1])
        if was != now:
            yield Change(Kind.CHANGED, *old.key, option, was, now)


def _comparable(effective: Effective | None, folder: Path) -> str:
    return "" if effective is None else shown(_inside(effective.value, folder))


def _inside(value: object, folder: Path) -> object:
    if isinstance(value, list | tuple):
        return [_inside(each, folder) for each in value]
    if isinstance(value, Path) and value.is_relative_to(folder):
        return value.relative_to(folder)
    return value


def _restarted(
    changes: Iterable[Change], after: Mapping[tuple[str, str], Part]
) -> Iterator[tuple[str, str]]:
    """Yield what has to be started anew: a line with all its devices, a device alone."""
    touched = dict.fromkeys((change.section, change.name) for change in changes)
    if any(section in WHOLE_AGENT for section, _ in touched):
        yield "agent", ""
        return
    lines = {name for section, name in touched if section == "line"}
    on_them = [
        key
        for key, part in after.items()
        if key[0] == "device" and part.options["line"].value in lines
    ]
    yield from dict.fromkeys(key for key in (*touched, *on_them) if key in after)
