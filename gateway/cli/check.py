"""`mayak check` and `mayak config`: is a site file sound, what does it mean, what would change."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.config.document import Document
from gateway.config.explain import diff as compare
from gateway.config.explain import explain as explained
from gateway.config.explain import label
from gateway.config.loading import Draft, read
from gateway.config.report import Tone, report
from gateway.config.schema import profile_schema, site_schema
from gateway.messages.catalogue import language, text
from gateway.messages.formatting import Language
from gateway.model.errors import ConfigError, Mistake
from gateway.plugins.assembling import assemble, not_there, parts
from gateway.plugins.assembly import Assembly
from gateway.plugins.finding import Catalogue

WIDE: Final = 200
"""Columns of a table that goes into a file or a pipe."""
_STYLES: Final[Mapping[Tone, str]] = {
    Tone.PLACE: "bold",
    Tone.SOURCE: "",
    Tone.MARK: "red",
    Tone.MESSAGE: "",
    Tone.COUNT: "bold",
}

check = typer.Typer(help="Check a site file: every mistake at once, with its line.")
config = typer.Typer(
    help="Explain a site file, compare two, export the schema for editors.", no_args_is_help=True
)

SitePath = Annotated[Path, typer.Argument(metavar="SITE.toml", help="the site file")]
AsJson = Annotated[bool, typer.Option("--json", help="for scripts")]
Lang = Annotated[
    Language | None, typer.Option(help="language of the messages; left out: that of the terminal")
]


@check.command()
def check_site(
    site: SitePath,
    *,
    as_json: AsJson = False,
    probe: Annotated[
        bool, typer.Option("--probe", help="a port or key that is not there now is a mistake too")
    ] = False,
    lang: Lang = None,
) -> None:
    """Check a site file: every mistake at once, with its line. Exit code 78 when there is one."""
    chosen = lang or language()
    draft = read(site, chosen)
    assembly: Assembly | None = None
    mistakes: Sequence[Mistake] = ()
    notes: Sequence[Mistake] = ()
    try:
        assembly = assemble(draft)
        if probe or not as_json:
            notes = not_there(assembly, _document(draft), chosen)
    except ConfigError as error:
        mistakes = error.mistakes
    if probe:
        mistakes = mistakes or notes
    if mistakes or assembly is None:
        if as_json:
            _print_json([_plain(mistake) for mistake in mistakes])
        else:
            _print_report(mistakes, chosen, Console(highlight=False))
        raise typer.Exit(os.EX_CONFIG)
    if as_json:
        _print_json([])
        return
    console = Console(highlight=False)
    for note in notes:
        reason = f"{note.file}:{note.line}: {note.message.rstrip('.')}"
        console.print(Text(text("check-note", chosen, reason=reason)), soft_wrap=True)
    counts = {
        "lines": len(assembly.lines),
        "devices": len(assembly.devices),
        "points": assembly.count_points(),
    }
    console.print(Text(text("check-fine", chosen, file=str(site), **counts)), soft_wrap=True)


@config.command()
def explain(site: SitePath, *, as_json: AsJson = False, lang: Lang = None) -> None:
    """Show each value that counts, and where it came from."""
    chosen = lang or language()
    assembly, document = _assembled(site, chosen, as_json=as_json)
    rows = explained(parts(assembly, document), document)
    if as_json:
        _print_json(
            [
                {
                    "option": row.option,
                    "value": to_jsonable_python(row.raw, serialize_unknown=True),
                    "source": "file" if row.line else "default",
                    "file": str(site) if row.line else None,
                    "line": row.line,
                }
                for row in rows
            ]
        )
        return
    table = Table(box=None, pad_edge=False)
    for key in ("column-option", "column-value", "column-source"):
        table.add_column(text(key, chosen), overflow="fold")
    for row in rows:
        source = f"{site.name}:{row.line}" if row.line else text("source-default", chosen)
        table.add_row(Text(row.option), Text(row.value), Text(source))
    Console(highlight=False, width=None if sys.stdout.isatty() else WIDE).print(table)


@config.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD.toml", help="the site file that runs")],
    new: Annotated[Path, typer.Argument(metavar="NEW.toml", help="the one that shall run")],
    *,
    as_json: AsJson = False,
    lang: Lang = None,
) -> None:
    """Say what changes from one site file to another, and what would be restarted."""
    chosen = lang or language()
    before, old_document = _assembled(old, chosen, as_json=as_json)
    after, new_document = _assembled(new, chosen, as_json=as_json)
    folders = (old_document.folder, new_document.folder)
    difference = compare(parts(before, old_document), parts(after, new_document), folders)
    if as_json:
        _print_json(
            {
                "changes": [
                    {
                        "kind": change.kind,
                        "section": change.section,
                        "name": change.name,
                        "option": change.option,
                        "old": change.old,
                        "new": change.new,
                    }
                    for change in difference.changes
                ],
                "unchanged": difference.unchanged,
                "restarted": [
                    {"section": section, "name": name} for section, name in difference.restarted
                ],
            }
        )
        return
    said = [change.sentence(chosen) for change in difference.changes]
    if not said:
        said.append(text("diff-none", chosen))
    said.append(text("diff-unchanged", chosen, count=difference.unchanged))
    if difference.restarted:
        names = ", ".join(label(section, name, chosen) for section, name in difference.restarted)
        said.append(text("diff-restart", chosen, names=names))
    console = Console(highlight=False)
    for sentence in said:
        console.print(Text(sentence), soft_wrap=True)


@config.command()
def schema(
    *,
    profile: Annotated[
        bool, typer.Option("--profile", help="of a profile instead of a site file")
    ] = False,
) -> None:
    """Print the JSON Schema for editors, with the options of everything installed."""
    media, drivers = Catalogue.installed().load_all()
    if not profile:
        _print_json(site_schema(media, drivers))
        return
    found = profile_schema(drivers)
    if found is None:
        typer.echo(text("schema-no-profiles", language()), err=True)
        raise typer.Exit(os.EX_UNAVAILABLE)
    _print_json(found)


def _assembled(site: Path, lang: Language, *, as_json: bool) -> tuple[Assembly, Document]:
    draft = read(site, lang)
    try:
        return assemble(draft), _document(draft)
    except ConfigError as error:
        _refuse(error.mistakes, lang, as_json=as_json)


def _refuse(mistakes: Sequence[Mistake], lang: Language, *, as_json: bool) -> NoReturn:
    """Print the mistakes where errors go, and leave: what was asked for has no answer."""
    if as_json:
        typer.echo(json.dumps([_plain(each) for each in mistakes], ensure_ascii=False), err=True)
    else:
        _print_report(mistakes, lang, Console(stderr=True, highlight=False))
    raise typer.Exit(os.EX_CONFIG)


def _document(draft: Draft) -> Document:
    if draft.document is None:
        raise ConfigError(draft.mistakes)
    return draft.document


def _plain(mistake: Mistake) -> dict[str, str | int]:
    return {
        "file": str(mistake.file),
        "line": mistake.line,
        "option": mistake.option,
        "message": mistake.message,
    }


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def _print_report(mistakes: Iterable[Mistake], lang: Language, console: Console) -> None:
    for line in report(mistakes, lang):
        console.print(Text(line.text, style=_STYLES[line.tone]), soft_wrap=True)
