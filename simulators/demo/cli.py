"""`mayak demo`: a whole site in one terminal, with a verdict at the end."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live

from gateway.model.clock import SystemClock
from simulators.demo.show import Scoreboard, screen
from simulators.demo.sites import example_lines, kinds, site_of
from simulators.demo.stage import Plan, Stage
from simulators.demo.verdict import Verdict, as_table
from simulators.demo.wordings import language, say
from simulators.durations import seconds
from simulators.programs.children import ChildError

app = typer.Typer(help="Run a whole simulated site: twins, broker, platform and gateway.")

EXAMPLE_PORT: Final = 8883
RUN_S: Final = 30.0
Duration = partial(typer.Option, parser=seconds, metavar="DURATION")


@app.command()
def demo(  # each is an option of the command line
    kind: Annotated[str, typer.Argument(help=f"Kind of site: {', '.join(kinds())}.")] = "lighting",
    *,
    for_s: Annotated[float | None, Duration("--for", help="How long to run; else 30s.")] = None,
    outage_s: Annotated[float | None, Duration("--outage", help="Cut the link so long.")] = None,
    kill: Annotated[bool, typer.Option("--kill", help="SIGKILL the gateway on the way.")] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="TWIN=FAULT", help="Play a fault: light-1=silent (mayak sim faults)."),
    ] = None,
    print_site: Annotated[bool, typer.Option("--print-site", help="Print the site file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Last line: one JSON object.")] = False,
    broker: Annotated[str, typer.Option(help="auto, mosquitto or iotcore.")] = "auto",
    lang: Annotated[str | None, typer.Option(help="ru or en; default: the terminal's.")] = None,
    folder: Annotated[Path | None, typer.Option("--dir", help="Keep the run's files here.")] = None,
) -> None:
    """Run a whole simulated site; exit code 0 only when nothing was lost and nothing came twice."""
    if kind not in kinds():
        msg = f"there is no site {kind!r}; there are: {', '.join(kinds())}"
        raise typer.BadParameter(msg)
    if print_site:
        typer.echo(site_of(kind, example_lines(kind), EXAMPLE_PORT), nl=False)
        return
    faults = tuple(_fault(text) for text in fault or ())
    plan = Plan(kind, RUN_S if for_s is None else for_s, outage_s or 0.0, kill, broker, faults)
    tongue = language(lang)
    console = Console(stderr=as_json)
    kept = folder is not None
    place = folder or Path(tempfile.mkdtemp(prefix="mayak-demo-"))
    place.mkdir(parents=True, exist_ok=True)
    try:
        verdict = asyncio.run(_play(plan, place.resolve(), tongue, console))
    except ChildError as error:
        console.print(str(error), style="bold", highlight=False)
        raise typer.Exit(1) from error
    console.print(as_table(verdict, tongue))
    good = "verdict-good" if verdict.clean else "verdict-bad"
    console.print(say(tongue, good), style="bold")
    if verdict.clean and not kept:
        shutil.rmtree(place)
    else:
        console.print(say(tongue, "kept-in", folder=place), soft_wrap=True)
    if as_json:
        sys.stdout.write(json.dumps(verdict.as_json()) + "\n")
    raise typer.Exit(0 if verdict.clean else 1)


def _fault(text: str) -> tuple[str, str]:
    twin, sign, name = text.partition("=")
    if not (twin and sign and name):
        msg = f"--fault {text}: write TWIN=FAULT, for example light-1=silent"
        raise typer.BadParameter(msg)
    return twin, name


async def _play(plan: Plan, folder: Path, lang: str, console: Console) -> Verdict:
    tongue = language(lang)
    with Live(console=console, auto_refresh=False, transient=False) as live:

        def show(board: Scoreboard) -> None:
            live.update(screen(board, tongue), refresh=console.is_terminal)

        def step(text: str) -> None:
            live.console.print(text)

        return await Stage(plan, folder, tongue, SystemClock(), show, step).play()
