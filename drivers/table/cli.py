"""`mayak drivers`: which drivers there are, and what stands behind each."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from drivers.table.facts import COLUMNS, Facts, FactsError, collect, placed
from drivers.table.facts import table as made_table

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "drivers" / "README.md"
WIDE: Final = 200
"""Columns of a list that goes into a file or a pipe."""

app = typer.Typer(
    help="Drivers: which there are, and what stands behind each.", no_args_is_help=True
)


@app.command("list")
def list_command(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list, for scripts.")] = False,
) -> None:
    """List the drivers: protocol, source, twin, what was verified, whether on hardware."""
    rows = _rows()
    if as_json:
        typer.echo(json.dumps([{**asdict(row), "saw_hardware": row.saw_hardware} for row in rows]))
        return
    shown = Table(*COLUMNS, box=None)
    for row in rows:
        shown.add_row(*row.cells)
    console = Console()
    if not console.is_terminal:
        console.width = WIDE
    console.print(shown)


@app.command("table")
def table_command(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 1 when the page is not as the files are.")
    ] = False,
    write: Annotated[bool, typer.Option("--write", help="Put it into the page.")] = False,
    page: Annotated[Path, typer.Option(help="page with the two markers")] = PAGE,
) -> None:
    """Make the table of the page of drivers from what each folder says in facts.toml."""
    rows = _rows()
    if not (check or write):
        typer.echo(made_table(rows), nl=False)
        return
    before = page.read_text(encoding="utf-8")
    try:
        after = placed(before, made_table(rows))
    except FactsError as error:
        _give_up(str(error))
    if write:
        page.write_text(after, encoding="utf-8")
    elif after != before:
        _give_up(f"{page} is not as the files are: run mayak drivers table --write")


def _rows() -> list[Facts]:
    known = {entry.name: entry.module for entry in entry_points(group="gateway.drivers")}
    try:
        return collect(ROOT, known)
    except FactsError as error:
        _give_up(str(error))


def _give_up(why: str) -> NoReturn:
    typer.echo(why, err=True)
    raise typer.Exit(1)
