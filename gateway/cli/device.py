"""`mayak read` and `mayak write`: one shot, through the running agent when there is one.

The site file is found by `--site`, the variable MAYAK_SITE, `site.toml` here, or
`/etc/mayak/site.toml`.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from gateway.acquisition.devices import PolledDevice
from gateway.acquisition.poller import Poller
from gateway.cli.place import SiteOption, chosen_site
from gateway.config.loading import read as read_site
from gateway.local_api.control import Answer, ask, control_path
from gateway.local_api.handlers import Handlers
from gateway.local_api.latest import Latest
from gateway.model.clock import SystemClock
from gateway.model.command import Outcome
from gateway.model.errors import GatewayError
from gateway.model.ids import DeviceId
from gateway.plugins.assembling import assemble
from gateway.plugins.assembly import Assembly

read = typer.Typer(help="Read one device now.")
write = typer.Typer(help="Set one point of a device now, and read it back.")

DIGITS_MOST: Final = 40
"""A whole number of more digits than any register has."""
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")]


@read.command()
def read_command(
    target: Annotated[str, typer.Argument(metavar="DEVICE[.POINT]")],
    *,
    site: SiteOption = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Show which reads are merged, as learned so far.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read a device, or one point of it; exit code 0 only when every value shown is good."""
    assembly = _assembly(site)
    device, point = _split(assembly, target)
    if plan:
        reads = _ask(assembly, device, {"do": "plan", "device": device})["plan"]
        typer.echo(json.dumps(reads) if as_json else _plan(reads))
        return
    rows = _ask(assembly, device, {"do": "read", "device": device})["values"]
    if point is not None:
        rows = [row for row in rows if row["point"] == point]
        if not rows:
            msg = f"device {device} has no point {point!r}"
            raise GatewayError(msg)
    if as_json:
        typer.echo(json.dumps(rows))
    else:
        Console().print(_table(rows))
    raise typer.Exit(0 if all(row["quality"] == "good" for row in rows) else 1)


@write.command()
def write_command(
    target: Annotated[str, typer.Argument(metavar="DEVICE.POINT")],
    value: Annotated[str, typer.Argument(help="A number, true, false, or text.")],
    *,
    site: SiteOption = None,
    as_json: AsJson = False,
) -> None:
    """Set a point and read it back; exit code 0 only when the device confirms the value."""
    assembly = _assembly(site)
    device, point = _split(assembly, target)
    if point is None:
        msg = f"{target}: write DEVICE.POINT, for example {device}.relay_1"
        raise GatewayError(msg)
    request = {"do": "write", "device": device, "point": point, "value": _value(value)}
    answer = _ask(assembly, device, request)
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        Console().print(_sentence(target, answer), highlight=False, soft_wrap=True)
    raise typer.Exit(0 if answer["outcome"] == Outcome.DONE.value else 1)


def _assembly(site: Path | None) -> Assembly:
    return assemble(read_site(chosen_site(site)))


def _split(assembly: Assembly, target: str) -> tuple[DeviceId, str | None]:
    """Take DEVICE[.POINT] apart; a device's name may have dots, a point's has none."""
    names = {device.id for device in assembly.devices}
    if target in names:
        return DeviceId(target), None
    device, _, point = target.rpartition(".")
    if device not in names:
        msg = f"there is no device {device or target!r}; known: {', '.join(sorted(names))}"
        raise GatewayError(msg)
    return DeviceId(device), point


def _ask(assembly: Assembly, device: DeviceId, request: dict[str, Any]) -> Answer:  # Any: JSON
    """Ask the running agent, or the device itself when no agent runs."""
    answer = ask(control_path(assembly.site.store.path), request)
    return asyncio.run(_ask_directly(assembly, device, request)) if answer is None else answer


async def _ask_directly(
    assembly: Assembly,
    device: DeviceId,
    request: dict[str, Any],  # Any: JSON values
) -> Answer:
    async with _opened(assembly, device) as poller:
        clock = SystemClock()
        handlers = Handlers({device: poller}, Latest(), clock, dict)
        return await handlers.by_name()[request["do"]](request)


@asynccontextmanager
async def _opened(assembly: Assembly, device: DeviceId) -> AsyncIterator[Poller]:
    """Open the line of one device, and close it afterwards."""
    spec = next(each for each in assembly.devices if each.id == device)
    line = next(each for each in assembly.lines if each.id == spec.line)
    medium = line.manifest.build(line.id, line.config)
    driver = spec.manifest.build(spec.prepared, medium)
    poller = Poller(
        medium,
        [PolledDevice(device, driver, retries=spec.retries)],
        clock=SystemClock(),
        deliver=lambda _reading: None,
        happened=lambda _event: None,
    )
    await medium.open()
    try:
        yield poller
    finally:
        await medium.close()


def _plan(reads: dict[str, list[str]]) -> str:
    return "\n".join(f"{group}: {', '.join(asked)}" for group, asked in reads.items())


def _value(text: str) -> bool | int | float | str:
    """Return the value a person typed: true, false, a number (also with a decimal comma), text.

    What Python takes for a number and no person does (`nan`, `1_000`, other digits) stays text.
    """
    match text.strip().lower():
        case "true" | "on":
            return True
        case "false" | "off":
            return False
    plain = text.strip().replace(",", ".")
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", plain, re.ASCII | re.IGNORECASE):
        return text
    if plain.lstrip("+-").isdigit():
        return int(plain) if len(plain) < DIGITS_MOST else text
    number = float(plain)
    return number if math.isfinite(number) else text


def _table(rows: list[dict[str, Any]]) -> Table:  # Any: JSON values
    table = Table(box=None)
    for column in ("device", "point", "value", "unit", "quality"):
        table.add_column(column, justify="right" if column == "value" else "left", no_wrap=True)
    for row in rows:
        value = "—" if row["value"] is None else str(row["value"])
        if isinstance(row["value"], float):
            value = f"{row['value']:.6g}"
        if row["state"]:
            value = f"{value} ({row['state']})"
        quality = row["quality"] + (f": {row['cause']}" if row["cause"] else "")
        unit = "" if row["unit"] == "1" else row["unit"]
        table.add_row(row["device"], row["point"], value, unit, quality)
    return table


def _sentence(target: str, answer: Answer) -> str:
    match Outcome(answer["outcome"]):
        case Outcome.DONE:
            return f"{target}: the device confirms {answer['read_back']}."
        case Outcome.FAILED:
            return f"{target}: sent, but the device says {answer['read_back']}. {answer['reason']}"
        case Outcome.UNKNOWN:
            return f"{target}: sent, not confirmed. Look at the device. {answer['reason']}"
        case Outcome.REFUSED | Outcome.EXPIRED as ended:
            return f"{target}: {ended.value}, nothing was changed. {answer['reason']}"
