"""The page of all profiles, `drivers/profiles/README.md`, from what stands in them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from gateway.model.profile import ProfileSheet

INTRODUCTION: Final = """\
# drivers/profiles

Models of devices as data: one TOML file for each. A file `profiles/NAME.toml` beside a site file
goes before one here. Each names the document that was really read, and has test vectors:
`mayak profile test --all` reads every one with the real driver from a twin made of the profile. A
register map from memory would be an invention: there is none here.

| file | what |
|---|---|
| `header.py` | what every profile begins with: name, title, source, caveats, personal points |
| `reading.py` | finds a profile, reads it, tells every mistake with its line |
| `writing.py` | pieces of TOML, for who makes profiles |

What may stand in a file: [`../modbus/README.md`](../modbus/README.md) for `protocol = "modbus"`;
other protocols on the pages of their drivers. `mayak profile new NAME` writes a new one with
comments, `mayak import wb-template FILE` makes one of a Wiren Board template.

May import `gateway.model`, pydantic. Loaded where a site or a profile is checked, never in the
agent.

This page is made by `mayak profile page`; a test fails when it is stale.
"""


def page(sheets: Sequence[ProfileSheet]) -> str:
    """Return the whole page."""
    rows = [
        f"| [`{sheet.name}`](#{sheet.name}) | {_cell(sheet.title['en'])} | {sheet.protocol} | "
        f"{len(sheet.points)} | {_cell(_source(sheet))} |"
        for sheet in sheets
    ]
    table = ["| profile | device | protocol | points | source |", "|---|---|---|---|---|", *rows]
    return "\n\n".join([INTRODUCTION.rstrip(), "\n".join(table), *map(_section, sheets)]) + "\n"


def _section(sheet: ProfileSheet) -> str:
    about = [f"{_sentence(sheet.title['en'])} ({sheet.title['ru']})."]
    if sheet.maker:
        models = f": {', '.join(sheet.models)}" if sheet.models else ""
        about.append(f"Maker: {sheet.maker}{models}.")
    about.append(f"Source: {_source(sheet)}.")
    if sheet.where:
        about.append(f"{_sentence(sheet.where)}.")
    if sheet.groups:
        groups = ", ".join(f"{name} {period:g} s" for name, period in sheet.groups.items())
        about.append(f"Groups: {groups}.")
    if sheet.personal:
        about.append(f"Personal data: {', '.join(sheet.personal)}.")
    about.append(f"Test vectors: {sheet.vectors}.")
    rows = [
        f"| `{point.name}` | {_cell(point.unit)} | {point.kind} | {_cell(point.where)} | "
        f"{'yes' if point.writable else ''} | {_cell('; '.join(point.notes))} |"
        for point in sheet.points
    ]
    table = ["| point | unit | kind | where | writable | |", "|---|---|---|---|---|---|", *rows]
    parts = [f"## {sheet.name}", " ".join(about)]
    if sheet.caveats:
        parts.append("\n".join(map(_caveat, sheet.caveats)))
    if rows:
        parts.append("\n".join(table))
    return "\n\n".join(parts)


def _caveat(texts: Mapping[str, str]) -> str:
    return f"- {' '.join(texts['en'].split())}"


def _source(sheet: ProfileSheet) -> str:
    return f"{' '.join(sheet.document.split())}, {' '.join(sheet.edition.split())}"


def _sentence(text: str) -> str:
    return " ".join(text.split()).removesuffix(".")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
