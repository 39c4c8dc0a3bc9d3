"""How profiles are shown to people: tables and lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.table import Table
from rich.text import Text

from gateway.model.profile import ProfileSheet
from simulators.demo.wordings import Lang
from simulators.profiles.trying import Verdict
from simulators.profiles.wordings import say

_STYLES: Final = {True: "green", False: "bold red"}


def verdict_view(verdicts: Sequence[Verdict], lang: Lang) -> Table:
    """Return what came of each profile."""
    table = _table(lang, "profile", "protocol", "vectors", "twin", "outcome")
    for verdict in verdicts:
        outcome = say(lang, "passed" if verdict.passed else "failed")
        table.add_row(
            Text(verdict.file.stem),
            Text(verdict.protocol),
            str(verdict.vectors),
            say(lang, "yes") if verdict.twin else "",
            Text(outcome, style=_STYLES[verdict.passed]),
        )
    return table


def list_view(sheets: Sequence[ProfileSheet], lang: Lang) -> Table:
    """Return all profiles, one a row."""
    table = _table(lang, "profile", "protocol", "title", "source")
    for sheet in sheets:
        source = f"{sheet.document}, {sheet.edition}"
        table.add_row(*map(Text, (sheet.name, sheet.protocol, sheet.title[lang], source)))
    return table


def sheet_lines(sheet: ProfileSheet, lang: Lang) -> Iterator[str]:
    """Return what stands above the points of a profile."""
    yield f"{sheet.name}: {sheet.title[lang]}"
    rows = (
        ("protocol", sheet.protocol),
        ("maker", sheet.maker),
        ("models", ", ".join(sheet.models)),
        ("source", ", ".join(filter(None, (sheet.document, sheet.edition, sheet.where)))),
        ("groups", ", ".join(f"{name} {period:g} s" for name, period in sheet.groups.items())),
        ("personal", ", ".join(sheet.personal)),
        ("vectors", str(sheet.vectors)),
        *(("caveat", caveat[lang]) for caveat in sheet.caveats),
    )
    for key, text in rows:
        if text:
            yield f"  {say(lang, key)}: {text}"


def point_view(sheet: ProfileSheet, lang: Lang) -> Table:
    """Return the points of a profile."""
    table = _table(lang, "point", "unit", "kind", "where", "writable", "notes")
    for point in sheet.points:
        writable = say(lang, "yes") if point.writable else ""
        cells = (point.name, point.unit, point.kind, point.where, writable, "; ".join(point.notes))
        table.add_row(*map(Text, cells))
    return table


def _table(lang: Lang, *columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for key in columns:
        table.add_column(say(lang, key), overflow="fold")
    return table
