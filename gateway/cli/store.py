"""`mayak store`: what is kept, for how long, is it sound."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gateway.cli.history import history
from gateway.config.loading import load
from gateway.store.inspection import Finding, Status, export, inspect, verify

app = typer.Typer(help="What is kept, for how long, and is it sound.", no_args_is_help=True)
app.command()(history)

SiteFile = Annotated[Path, typer.Argument(help="The site file.", metavar="SITE.toml")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")]


@app.command()
def status(site: SiteFile, *, as_json: AsJson = False) -> None:
    """Show what is kept per stream, since when, and how long the room lasts."""
    loaded = load(site)
    found = inspect(loaded.store.path, loaded.store.max_mib)
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    Console().print(_table(found))
    Console().print(_sentence(found))


@app.command(name="verify")
def verify_command(site: SiteFile, *, as_json: AsJson = False) -> None:
    """Check the file: pages, sequences without holes, heads, epoch records. Reads only."""
    findings = verify(load(site).store.path)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        _say(findings)
    raise typer.Exit(1 if findings else 0)


@app.command(name="export")
def export_command(
    site: SiteFile, target: Annotated[Path, typer.Argument(help="File to write.")]
) -> None:
    """Write all that is kept, still sealed, as a CBOR sequence of [topic, payload]."""
    loaded = load(site)
    count = export(loaded.store.path, loaded.gateway.id, target)
    typer.echo(f"{count} messages in {target}")


def _table(found: Status) -> Table:
    table = Table(title=str(found.path))
    for column in ("stream", "audience", "sequences", "batches", "values", "KiB", "oldest (UTC)"):
        table.add_column(column, justify="left" if column in {"stream", "audience"} else "right")
    for row in found.channels:
        table.add_row(
            row.stream,
            row.audience,
            f"{row.oldest} ... {row.newest}" if row.batches else f"... {row.newest}",
            str(row.batches),
            str(row.kept),
            f"{row.size / 1024:.1f}",
            row.oldest_utc or "—",
        )
    return table


def _sentence(found: Status) -> str:
    lasts = "—" if found.hours_left is None else f"{found.hours_left:.1f} h"
    return (
        f"{found.kept} values wait for the platform in {found.size / 2**20:.1f} MiB "
        f"of {found.max_mib} MiB; at the rate of the last hour the room lasts {lasts}. "
        f"{found.gaps} gaps wait to be told."
    )


def _say(findings: list[Finding]) -> None:
    console = Console()
    for finding in findings:
        console.print(f"{finding.where}: {finding.what}", soft_wrap=True)
    console.print("The store is sound." if not findings else f"{len(findings)} findings.")
