"""`mayak profile`: make, show and test profiles of devices."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from gateway.model.files import durable_write
from gateway.model.profile import HeadWords, ProfileKind, ProfileSheet
from simulators.demo.wordings import Lang, language
from simulators.modbus.profile.reader import FOLDER
from simulators.profiles.page import page as whole_page
from simulators.profiles.show import list_view, point_view, sheet_lines, verdict_view
from simulators.profiles.trying import (
    NoProfileError,
    Verdict,
    find,
    kinds,
    nobody_knows,
    protocol_of,
    shipped,
    try_profile,
)
from simulators.profiles.wordings import say

EX_USAGE: Final = 64
EX_CONFIG: Final = 78
WIDE: Final = 160
"""Columns of a table that goes into a file or a pipe."""

app = typer.Typer(help="Profiles of devices: new, test, list, show.", no_args_is_help=True)
err = Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="for scripts")]
Language = Annotated[str | None, typer.Option("--lang", help="ru or en; left out: the terminal's")]
Folder = Annotated[
    Path | None, typer.Option("--folder", help="where profiles of a site lie; goes before ours")
]


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="name of the profile: small letters, digits, . _ -")],
    *,
    protocol: Annotated[str, typer.Option(help="what the device speaks")] = "modbus",
    title_ru: Annotated[str | None, typer.Option(help="what a person calls it, Russian")] = None,
    title_en: Annotated[str | None, typer.Option(help="what a person calls it, English")] = None,
    maker: Annotated[str, typer.Option(help="who makes it")] = "",
    model: Annotated[list[str] | None, typer.Option(help="type on its nameplate; several")] = None,
    document: Annotated[str, typer.Option(help="the document you read")] = "...",
    edition: Annotated[str, typer.Option(help="its edition or date")] = "...",
    where: Annotated[str, typer.Option(help="its address, and the chapter")] = "",
    out: Annotated[
        Path | None, typer.Option(help="file to write; left out: NAME.toml here; - is the terminal")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace a file that is there")] = False,
    lang: Language = None,
) -> None:
    """Write a new profile with comments, to be filled in."""
    chosen, known = language(lang), kinds()
    make = known[protocol].skeleton if protocol in known else None
    if make is None:
        able = ", ".join(sorted(key for key, kind in known.items() if kind.skeleton))
        _refuse(say(chosen, "no-skeleton", protocol=protocol, known=able), code=EX_USAGE)
    words = HeadWords(
        name,
        title_ru or name,
        title_en or name,
        document,
        edition,
        where=where,
        maker=maker,
        models=model or (),
    )
    text = make(words)
    if out == Path("-"):
        typer.echo(text, nl=False)
        return
    file = out or Path(f"{name}.toml")
    if file.exists() and not force:
        _refuse(say(chosen, "exists", file=file), code=EX_USAGE)
    try:
        durable_write(file, text.encode())
    except OSError as error:
        _refuse(say(chosen, "not-written", file=file, reason=error), code=1)
    _console().print(say(chosen, "written", file=file), markup=False, soft_wrap=True)


@app.command("test")
def try_out(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME|FILE...")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="all of Mayak's own")] = False,
    folder: Folder = None,
    as_json: AsJson = False,
    lang: Language = None,
) -> None:
    """Check profiles and read their vectors with the real driver from twins made of them."""
    chosen, known = language(lang), kinds()
    files = [_find(name, folder) for name in names or ()]
    if every:
        files += [*(sorted(folder.glob("*.toml")) if folder else ()), *shipped()]
    if not files:
        _refuse(say(chosen, "what"), code=EX_USAGE)
    verdicts = asyncio.run(_try_all(files, known, chosen, quiet=as_json))
    failed = sum(not verdict.passed for verdict in verdicts)
    if as_json:
        _print_json(
            {
                "profiles": [
                    {**asdict(each), "file": str(each.file), "passed": each.passed}
                    for each in verdicts
                ],
                "passed": len(verdicts) - failed,
                "failed": failed,
            }
        )
    else:
        console = _console()
        console.print(verdict_view(verdicts, chosen))
        for verdict in verdicts:
            for problem in verdict.problems:
                console.print(problem, markup=False, soft_wrap=True)
        console.print(f"profiles: {len(verdicts) - failed} passed, {failed} failed")
    raise typer.Exit(int(failed > 0))


@app.command("list")
def list_all(folder: Folder = None, as_json: AsJson = False, lang: Language = None) -> None:
    """List the profiles that there are."""
    files = [*(sorted(folder.glob("*.toml")) if folder else ()), *shipped()]
    sheets, problems = _readable(files, kinds())
    if as_json:
        _print_json([_plain(sheet) for sheet in sheets])
    else:
        _console().print(list_view(sheets, language(lang)))
    if problems:
        _refuse(*problems, code=1)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE")],
    folder: Folder = None,
    as_json: AsJson = False,
    lang: Language = None,
) -> None:
    """Show one profile: the device, its source, its points."""
    [sheet] = _sheets([_find(name, folder)], kinds())
    if as_json:
        _print_json(_plain(sheet))
        return
    chosen, console = language(lang), _console()
    for line in sheet_lines(sheet, chosen):
        console.print(line, markup=False, soft_wrap=True)
    console.print(point_view(sheet, chosen))


@app.command()
def page(
    file: Annotated[Path, typer.Option("--out", help="the page")] = FOLDER / "README.md",
    check: Annotated[
        bool, typer.Option("--check", help="write nothing; fail when it is not as it should be")
    ] = False,
    lang: Language = None,
) -> None:
    """Write the page of all of Mayak's own profiles."""
    text = whole_page(_sheets(shipped(), kinds()))
    if not check:
        durable_write(file, text.encode())
    elif not file.is_file() or file.read_text(encoding="utf-8") != text:
        _refuse(say(language(lang), "stale", file=file), code=1)


async def _try_all(
    files: Sequence[Path], known: dict[str, ProfileKind], lang: Lang, *, quiet: bool
) -> list[Verdict]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    shown = not quiet and err.is_terminal
    with Progress(*columns, console=err, transient=True, disable=not shown) as progress:
        task = progress.add_task(say(lang, "trying"), total=len(files))
        verdicts = []
        for file in files:
            verdicts.append(await try_profile(file, known, progress.refresh))
            progress.advance(task)
        return verdicts


def _find(name: str, folder: Path | None) -> Path:
    try:
        return find(name, folder)
    except NoProfileError as error:
        _refuse(str(error), code=EX_CONFIG)


def _sheets(files: Sequence[Path], known: dict[str, ProfileKind]) -> list[ProfileSheet]:
    """Return what the files say; refuse when one of them cannot be used."""
    sheets, problems = _readable(files, known)
    if problems:
        _refuse(*problems, code=EX_CONFIG)
    return sheets


def _readable(
    files: Sequence[Path], known: dict[str, ProfileKind]
) -> tuple[list[ProfileSheet], list[str]]:
    """Return what the files say, and a sentence for each thing wrong with the others."""
    sheets: list[ProfileSheet] = []
    problems: list[str] = []
    for file in files:
        protocol = protocol_of(file)
        if protocol not in known:
            problems.append(nobody_knows(file, protocol, known))
            continue
        try:
            sheets.append(known[protocol].sheet(file))
        except ValueError as error:
            problems += str(error).splitlines()
    return sheets, problems


def _refuse(*sentences: str, code: int) -> NoReturn:
    for sentence in sentences:
        err.print(sentence, markup=False, soft_wrap=True)
    raise typer.Exit(code)


def _console() -> Console:
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)


def _plain(sheet: ProfileSheet) -> dict[str, Any]:  # Any: JSON values
    return asdict(sheet)


def _print_json(value: Any) -> None:  # Any: JSON values
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=dict))
