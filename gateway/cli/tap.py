"""`mayak tap`: what goes over a line, byte by byte, as it happens.

Through the running agent, which goes on with its work; when none runs the port is opened and
listened to, and nothing is sent.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from gateway.cli.place import SiteOption, chosen_site
from gateway.config.loading import read as read_site
from gateway.local_api.control import Answer, ask, control_path
from gateway.model.driver import Direction, LosingMedium, TappedMedium
from gateway.model.errors import GatewayError
from gateway.plugins.assembling import assemble
from gateway.plugins.assembly import Assembly, LineSpec

tap = typer.Typer(help="Show what goes over a line, byte by byte.")

LOOK_EVERY_S: Final = 0.2
_ROW: Final = 24
"""Bytes shown in one row."""

Show = Callable[[int, Direction, bytes], None]
"""Takes microseconds since the first look, the direction, and the bytes."""


@tap.command()
def tap_command(
    line: Annotated[str | None, typer.Argument(metavar="[LINE]", help="id of the line")] = None,
    *,
    site: SiteOption = None,
    for_s: Annotated[
        float | None, typer.Option("--for", metavar="SECONDS", min=0.1, help="end after that")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a chunk, for scripts.")
    ] = False,
) -> None:
    """Show what goes over a line, until Ctrl+C. Sends nothing of its own."""
    assembly = assemble(read_site(chosen_site(site)))
    spec = _line(assembly, line)
    show = _as_json if as_json else _rows(Console())
    end_s = None if for_s is None else time.monotonic() + for_s
    door = control_path(assembly.site.store.path)
    request = {"do": "tap", "line": str(spec.id)}
    answer = ask(door, request)
    if answer is None:
        asyncio.run(_listen(spec, for_s, show))
        return
    try:
        while answer is not None:
            _pass_on(answer, show)
            if end_s is not None and time.monotonic() >= end_s:
                return
            if not answer["more"]:
                time.sleep(LOOK_EVERY_S)
            answer = ask(door, request)
    finally:
        ask(door, {**request, "end": True})


def _line(assembly: Assembly, name: str | None) -> LineSpec:
    """Return the line of that name, or the only one.

    Raises:
        GatewayError: there is no such line, or none was named and there are several.
    """
    known = {str(line.id): line for line in assembly.lines}
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name not in known:
        said = "name a line" if name is None else f"there is no line {name!r}"
        msg = f"{said}; the site has: {', '.join(sorted(known))}"
        raise GatewayError(msg)
    return known[name]


async def _listen(spec: LineSpec, for_s: float | None, show: Show) -> None:
    """Open the port and listen; nothing is sent.

    Raises:
        GatewayError: it carries no bytes, or cannot be opened.
    """
    medium = spec.manifest.build(spec.id, spec.config)
    if not isinstance(medium, TappedMedium):
        msg = f"line {spec.id} carries no bytes that could be shown"
        raise GatewayError(msg)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    medium.tap(lambda direction, data: show(round((loop.time() - began_s) * 1e6), direction, data))
    lost = asyncio.Event()
    if isinstance(medium, LosingMedium):  # a flood closes a port that nobody asks over
        medium.when_lost(lambda _error: lost.set())
    try:
        async with asyncio.timeout(for_s):
            while True:
                await medium.open()
                await lost.wait()
                lost.clear()
    except TimeoutError:
        return
    finally:
        await medium.close()


def _pass_on(answer: Answer, show: Show) -> None:
    if answer["dropped"]:
        typer.echo(f"{answer['dropped']} chunks were not taken in time", err=True)
    for at_us, direction, data in answer["chunks"]:
        show(at_us, Direction(direction), bytes.fromhex(data))


def _as_json(at_us: int, direction: Direction, data: bytes) -> None:
    typer.echo(json.dumps({"at_us": at_us, "way": direction.value, "bytes": data.hex()}))


def _rows(console: Console) -> Show:
    def show(at_us: int, direction: Direction, data: bytes) -> None:
        for start in range(0, len(data), _ROW):
            part = data[start : start + _ROW]
            time_shown = f"{at_us / 1e6:10.4f}" if not start else " " * 10
            plain = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)  # noqa: PLR2004 - printable ASCII
            row = Text(f"{time_shown} {direction.value} {part.hex(' '):{3 * _ROW}}")
            row.append(plain, style="dim")
            row.stylize("cyan" if direction is Direction.SENT else "green", 11, 12)
            console.print(row, soft_wrap=True)

    return show
