"""`make soak`: kill everything at random, a thousand times, and count what the platform lacks."""

from __future__ import annotations

import asyncio
import json
import secrets
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.model.clock import SystemClock
from tests.soak.campaign import Campaign, Judged
from tests.soak.judging import Verdict

KILLS: Final = 1_000
REPORT: Final = "soak.json"


def soak(
    *,
    kills: Annotated[int, typer.Option(min=1, help="SIGKILLs, at least.")] = KILLS,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the plan; else any.")] = None,
    minutes: Annotated[float, typer.Option(min=0.5, help="It ends then at the latest.")] = 60.0,
    sites: Annotated[int, typer.Option(min=1, max=16, help="Sites at a time.")] = 3,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="For report and files; else a temporary one.")
    ] = None,
) -> None:
    """Kill agents, brokers and receivers at random, and count what the platform lacks.

    The last line is `soak: K kills, L lost, D duplicated`. Exit code 0: both are 0, all kills were
    done, every file was sound after every kill.
    """
    console = Console()
    place = (folder or Path(tempfile.mkdtemp(prefix="mayak-soak-"))).resolve()
    place.mkdir(parents=True, exist_ok=True)
    chosen = secrets.randbelow(2**31) if seed is None else seed
    console.print(f"seed {chosen}, files in {place}", soft_wrap=True, highlight=False)
    campaign = Campaign(place, chosen, kills, minutes * 60, sites, SystemClock())
    verdict = _watched(campaign, console)
    report = place / REPORT
    report.write_text(json.dumps(campaign.report(), indent=1) + "\n", encoding="utf-8")
    for each in campaign.judged:
        if not each.verdict.clean:
            _say(each, console)
    _say_sum(verdict, console)
    enough = verdict.killed >= kills
    if not enough:
        console.print(f"Time was up: {verdict.killed} of {kills} kills.", style="bold")
    console.print(f"report: {report}", soft_wrap=True, highlight=False)
    console.print(verdict.line, highlight=False)
    raise typer.Exit(0 if verdict.clean and enough else 1)


def _watched(campaign: Campaign, console: Console) -> Verdict:
    columns = (
        TextColumn("kills"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=campaign.kills)
        judged = 0

        def show() -> None:
            nonlocal judged
            progress.update(task, completed=campaign.killed, description=campaign.counts())
            if len(campaign.judged) > judged and not console.is_terminal:
                console.print(f"{campaign.killed} kills: {campaign.counts()}", soft_wrap=True)
            judged = len(campaign.judged)

        campaign.told = show
        return asyncio.run(campaign.run())


def _say(judged: Judged, console: Console) -> None:
    verdict = judged.verdict
    console.print(
        f"{judged.name} ({judged.setup}, seed {judged.seed}): {verdict.lost} lost,"
        f" {verdict.duplicated} duplicated, {verdict.reordered} out of order",
        style="bold",
        highlight=False,
        soft_wrap=True,
    )
    for finding in verdict.findings:
        console.print(f"  {finding}", markup=False, highlight=False, soft_wrap=True)


def _say_sum(verdict: Verdict, console: Console) -> None:
    kills = ", ".join(f"{role} {count}" for role, count in sorted(verdict.kills.items()))
    faults = ", ".join(f"{mode} {count}" for mode, count in sorted(verdict.link_faults.items()))
    console.print(
        f"killed: {kills}. Faults of the link: {faults or 'none'}.\n"
        f"Twins served {verdict.served} numbers: {verdict.stored} are stored,"
        f" {verdict.forgiven} were of a second before an agent's kill.\n"
        f"{verdict.events} events that the agent said in its log are there once.\n"
        f"The platform holds {verdict.readings} values; {verdict.repeats} batches came again and"
        f" were known; {verdict.checks} files were looked through.",
        highlight=False,
        soft_wrap=True,
    )


if __name__ == "__main__":
    typer.run(soak)
