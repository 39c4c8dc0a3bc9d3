"""`mayak doctor`: what is wrong with a line or a device, and what to do next.

A running agent lends the line while it is looked at.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from gateway.cli.place import SiteOption, chosen_site
from gateway.config.loading import read as read_site
from gateway.diagnosis.evidence import Evidence, Finding
from gateway.diagnosis.examine import examine
from gateway.diagnosis.judge import judge
from gateway.local_api.borrowing import borrowed
from gateway.messages.catalogue import language, next_action, text
from gateway.messages.formatting import Language
from gateway.model.errors import GatewayError
from gateway.plugins.assembling import assemble
from gateway.plugins.assembly import Assembly, DeviceSpec, LineSpec

doctor = typer.Typer(help="Say what is wrong with a line, and what to do next.")


@doctor.command()
def doctor_command(
    target: Annotated[
        str | None, typer.Argument(metavar="[LINE|DEVICE]", help="without it: all lines")
    ] = None,
    *,
    site: SiteOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
    lang: Annotated[str | None, typer.Option(help="ru or en; default: the terminal's.")] = None,
) -> None:
    """Look at lines and their devices; exit code 0 only when all is well."""
    assembly = assemble(read_site(chosen_site(site)))
    tongue: Language = "ru" if lang == "ru" else "en" if lang == "en" else language()
    console = Console(stderr=as_json)
    told: list[dict[str, Any]] = []  # Any: JSON values
    wrong = False
    for line, devices in _wanted(assembly, target):
        evidence = asyncio.run(_look(assembly, line, devices, console, tongue))
        findings = judge(evidence)
        wrong = wrong or any(finding.wrong for finding in findings)
        if as_json:
            told.append({"line": str(line.id), "findings": [_told(f, tongue) for f in findings]})
        else:
            _show(console, findings, tongue)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
    raise typer.Exit(1 if wrong else 0)


def _wanted(assembly: Assembly, target: str | None) -> list[tuple[LineSpec, Sequence[DeviceSpec]]]:
    """Return the lines to look at, each with those of its devices that are meant.

    Raises:
        GatewayError: there is no such line or device.
    """
    devices = [each for each in assembly.devices if target in {None, each.id, each.line}]
    lines = [
        line
        for line in assembly.lines
        if target in {None, line.id} or any(device.line == line.id for device in devices)
    ]
    if not lines:
        names = sorted({*(each.id for each in assembly.devices), *(e.id for e in assembly.lines)})
        msg = f"there is no line or device {target!r}; there are: {', '.join(names)}"
        raise GatewayError(msg)
    return [(line, [each for each in devices if each.line == line.id]) for line in lines]


async def _look(
    assembly: Assembly,
    line: LineSpec,
    devices: Sequence[DeviceSpec],
    console: Console,
    lang: Language,
) -> Evidence:
    with console.status(text("doctor-looking", lang, line=str(line.id))) as status:

        def say(what: str, share: float) -> None:
            shown = text("doctor-looking", lang, line=str(line.id))
            status.update(f"{shown} {what}, {share:.0%}")

        async with borrowed(assembly.site.store.path, line.id):
            return await examine(line, devices, say)


def _told(finding: Finding, lang: Language) -> dict[str, Any]:  # Any: JSON values
    found = asdict(finding)
    found["text"], found["next"] = _words(finding, lang)
    return found


def _words(finding: Finding, lang: Language) -> tuple[str, str]:
    args = dict(finding.args)
    after = ""
    with suppress(KeyError):
        after = next_action(finding.key, lang, **args)
    return text(finding.key, lang, **args), after


def _show(console: Console, findings: Sequence[Finding], lang: Language) -> None:
    for finding in findings:
        said, after = _words(finding, lang)
        style = "bold red" if finding.wrong else "bold green"
        console.print(Text(said, style=style))
        if after:
            console.print(Padding(Text(after), (0, 0, 1, 2)))
