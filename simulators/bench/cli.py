"""`mayak bench`: measure, print beside the budget, say what is met."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from simulators.bench.figures import Figure, merged
from simulators.bench.form import Form, Measurement
from simulators.bench.plot import draw
from simulators.bench.rows import MEASUREMENTS
from simulators.bench.show import as_json, as_table
from simulators.programs.children import ChildError

app = typer.Typer(help="Measure this build on this machine, beside its budgets.")

QUICK_AT_ONCE: Final = 3
WORK: Final = (1, 2, 4, 8)
"""How many times the usual work a plot shows."""
FILE_WIDTH: Final = 170
"""Columns of the table where there is no terminal: a log, a pipe."""


@app.command()
def bench(
    *,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"Only these: {', '.join(MEASUREMENTS)}."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Short and rough: shows it works.")
    ] = False,
    long: Annotated[bool, typer.Option("--long", help="Also the outages of a minute.")] = False,
    runs: Annotated[
        int | None, typer.Option(min=1, help="Runs of each; the median is told.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Exit code 1 when a budget is missed.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw each figure at 1, 2, 4, 8 times the work."),
    ] = None,
    as_json_: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    broker: Annotated[str, typer.Option(help="auto, mosquitto or iotcore.")] = "auto",
    folder: Annotated[Path | None, typer.Option("--dir", help="Keep the runs' files here.")] = None,
) -> None:
    """Measure the figures of README. Exit code 0: everything was measured."""
    unknown = sorted(set(only or ()) - set(MEASUREMENTS))
    if unknown:
        msg = f"there is no {', '.join(unknown)}; there are: {', '.join(MEASUREMENTS)}"
        raise typer.BadParameter(msg)
    chosen = [
        each
        for name, each in MEASUREMENTS.items()
        if (name in only if only else each.in_quick or not quick)
    ]
    console = Console(stderr=as_json_)
    if not console.is_terminal:
        console.width = FILE_WIDTH
    place = (folder or Path(tempfile.mkdtemp(prefix="mayak-bench-"))).resolve()
    place.mkdir(parents=True, exist_ok=True)
    form = Form(place, broker, quick=quick, long=long)
    try:
        figures = asyncio.run(_measure(chosen, form, runs, console))
        if plot is not None:
            plot.mkdir(parents=True, exist_ok=True)
            asyncio.run(_plot(chosen, form, figures, plot, console))
    except ChildError as error:
        console.print(str(error), style="bold", highlight=False, markup=False)
        console.print(f"The files of this run: {place}", soft_wrap=True)
        raise typer.Exit(1) from error
    console.print(as_table(figures))
    if folder is None:
        shutil.rmtree(place)
    if as_json_:
        sys.stdout.write(json.dumps(as_json(figures, quick=quick), ensure_ascii=False) + "\n")
    missed = [figure for figure in figures if figure.met is False]
    raise typer.Exit(1 if check and missed else 0)


async def _measure(
    chosen: list[Measurement], form: Form, runs: int | None, console: Console
) -> list[Figure]:
    """Measure one after the other; in the short form several at once: it is rough anyway."""
    at_once = asyncio.Semaphore(QUICK_AT_ONCE if form.quick else 1)

    async def repeat(measurement: Measurement) -> list[Figure]:
        times = runs or (1 if form.quick else measurement.runs)
        sheets = []
        async with at_once:
            for number in range(1, times + 1):
                console.print(f"{measurement.what} ({number} of {times})", highlight=False)
                sheets.append(await measurement.measure(form.of(f"{measurement.name}-{number}")))
        return merged(sheets)

    failed: list[BaseException] = []
    tasks = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(repeat(each), name=each.name) for each in chosen]
    except* ChildError as broken:
        failed += broken.exceptions
    if failed:
        raise failed[0]
    return [figure for task in tasks for figure in task.result()]


async def _plot(
    chosen: list[Measurement], form: Form, figures: list[Figure], folder: Path, console: Console
) -> None:
    """Measure once more at 2, 4 and 8 times the work, and draw each figure."""
    for measurement in chosen:
        curves = {figure.name: {1: figure} for figure in figures if figure.row == measurement.name}
        for work in WORK[1:]:
            console.print(f"{measurement.what}, {work} times the work", highlight=False)
            sheet = await measurement.measure(form.of(f"{measurement.name}-x{work}", work))
            for figure in sheet.figures:
                curves.setdefault(figure.name, {})[work] = figure
        for curve in curves.values():
            file = draw(curve, measurement.grows, folder)
            console.print(f"{file}", highlight=False, soft_wrap=True)
