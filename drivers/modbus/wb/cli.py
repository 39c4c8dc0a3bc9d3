"""`mayak import`: takes what a person has written for another gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from drivers.modbus.wb.json_text import TemplateError
from drivers.modbus.wb.template import Imported, import_template
from drivers.modbus.wb.wordings import Lang, Remark, language, say
from gateway.model.files import durable_write

EX_USAGE = 64
EX_DATAERR = 65

app = typer.Typer(
    help="Import what was written for another gateway: wb-template.", no_args_is_help=True
)
err = Console(stderr=True, highlight=False)


@app.callback()
def _import() -> None:
    """Import what was written for another gateway: wb-template."""


@app.command("wb-template")
def wb_template(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="your own template, as .json")],
    *,
    out: Annotated[
        Path | None, typer.Option(help="profile to write; left out: it goes to the terminal")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="name of the profile; left out: that of --out or the device")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace a file that is there")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="for scripts")] = False,
    lang: Annotated[str | None, typer.Option(help="ru or en; left out: the terminal's")] = None,
) -> None:
    """Make a profile of a template for Wiren Board, and say what is not in it."""
    chosen = language(lang)
    if out is not None and out.exists() and not force:
        _refuse(say(chosen, "exists", file=out), EX_USAGE)
    try:
        text = file.read_text(encoding="utf-8-sig")
        imported = import_template(text, file.name, name or (out.stem if out else None))
    except (OSError, UnicodeDecodeError) as error:
        _refuse(say(chosen, "unreadable", file=file, error=error), EX_DATAERR)
    except TemplateError as error:
        _refuse(say(chosen, error.key, file=file, **error.args_of), EX_DATAERR)
    if out is not None:
        try:
            durable_write(out, imported.text.encode())
        except OSError as error:
            _refuse(say(chosen, "not-written", file=out, error=error), 1)
    if as_json:
        typer.echo(json.dumps(_plain(imported, out, chosen), ensure_ascii=False, indent=2))
        return
    if out is None:
        typer.echo(imported.text, nl=False)
    _tell(imported, out, chosen)


def _tell(imported: Imported, out: Path | None, lang: Lang) -> None:
    for remark in imported.remarks:
        kind = say(lang, "left-out" if remark.left_out else "changed")
        err.print(f"{kind}: {remark.say(lang)}", markup=False, soft_wrap=True)
    left = sum(remark.left_out for remark in imported.remarks)
    noted = len(imported.remarks) - left
    done = say(lang, "done", points=imported.points, left=left, noted=noted)
    err.print(done, markup=False, soft_wrap=True)
    if out is not None:
        err.print(say(lang, "next", file=out), markup=False, soft_wrap=True)


def _plain(imported: Imported, out: Path | None, lang: Lang) -> dict[str, object]:
    def told(remark: Remark) -> dict[str, object]:
        return {"what": remark.what(lang), "key": remark.key, "says": remark.say(lang)}

    return {
        "name": imported.name,
        "file": None if out is None else str(out),
        "profile": imported.text,
        "points": imported.points,
        "left_out": [told(remark) for remark in imported.remarks if remark.left_out],
        "remarks": [told(remark) for remark in imported.remarks if not remark.left_out],
    }


def _refuse(sentence: str, code: int) -> NoReturn:
    err.print(sentence, markup=False, soft_wrap=True)
    raise typer.Exit(code)
