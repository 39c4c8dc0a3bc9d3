"""`mayak store history`: what one point said lately, as a table and a plot for the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from gateway.cli.place import SiteOption, chosen_site
from gateway.config.loading import load
from gateway.local_api.control import ask, control_path
from gateway.model.clock import SystemClock
from gateway.model.errors import GatewayError
from gateway.model.ids import DeviceId, PointId
from gateway.store.history import kept

WIDTH: Final = 60
HEIGHT: Final = 8
ROWS_MOST: Final = 40
"""Of the table; the plot shows all."""
UNITS_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Of a Braille sign, row by row (Unicode, block 2800-28FF)."""

Row = dict[str, Any]  # Any: JSON values


def history(
    target: Annotated[str, typer.Argument(metavar="DEVICE.POINT")],
    *,
    since: Annotated[str, typer.Option("--since", help="How far back: 90s, 30m, 6h, 2d.")] = "3h",
    site: SiteOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list, for scripts.")] = False,
) -> None:
    """Show what a point said lately; minutes only while the agent runs, never of personal points.

    Exit code 0 only when there is something to show.
    """
    store = load(chosen_site(site)).store.path
    device, _, point = target.rpartition(".")
    since_s = seconds(since)
    request = {"do": "history", "device": device, "point": point, "since_s": since_s}
    answer = ask(control_path(store), request)
    if answer is None:
        since_ms = SystemClock().now().wall_ms - 1000 * since_s
        found = kept(store, DeviceId(device), PointId(point), since_ms)
        rows = [asdict(sample) for sample in found]
    else:
        rows = answer["history"]
    if as_json:
        typer.echo(json.dumps(rows))
    else:
        console = Console()
        console.print(_table(target, rows))
        console.print("\n".join(plot(rows)), highlight=False)
    raise typer.Exit(0 if rows else 1)


def seconds(text: str) -> int:
    """Return a span in seconds.

    Raises:
        GatewayError: it is none.
    """
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text.strip())
    if match is None:
        msg = f"{text!r} is no span: write 90s, 30m, 6h or 2d"
        raise GatewayError(msg)
    return int(match[1]) * UNITS_S[match[2]]


def plot(rows: Sequence[Row], width: int = WIDTH, height: int = HEIGHT) -> list[str]:
    """Return lines of Braille: from the least to the greatest value at each time.

    Args:
        rows: samples as JSON, in order of time.
        width: signs; each is two dots wide.
        height: lines; each is four dots high.
    """
    told = [row for row in rows if row["least"] is not None and row["greatest"] is not None]
    if not told:
        return []
    low = min(row["least"] for row in told)
    high = max(row["greatest"] for row in told)
    begin, end = told[0]["at_ms"], told[-1]["at_ms"] + told[-1]["length_ms"]
    columns, dots = 2 * width, 4 * height

    def across(at_ms: int) -> int:
        return int((at_ms - begin) * columns // max(1, end - begin))

    def up(value: float) -> int:
        return round((value - low) / (high - low) * (dots - 1)) if high > low else dots // 2

    signs = [[0] * width for _ in range(height)]
    for row in told:
        first = min(columns - 1, across(row["at_ms"]))
        last = min(columns, across(row["at_ms"] + row["length_ms"]))
        for x in range(first, max(first + 1, last)):
            for y in range(up(row["least"]), up(row["greatest"]) + 1):
                line, dot = divmod(dots - 1 - y, 4)
                signs[line][x // 2] |= _DOTS[dot][x % 2]
    lines = ["".join(chr(0x2800 + sign) for sign in line) for line in signs]
    lines[0] += f"  {high:g}"
    lines[-1] += f"  {low:g}"
    between = max(1, width - 32)
    return [*lines, f"{_moment(begin)}{' ' * between}{_moment(end)}"]


def _table(target: str, rows: Sequence[Row]) -> Table:
    more = f", the last {ROWS_MOST} of {len(rows)}" if len(rows) > ROWS_MOST else ""
    table = Table(title=f"{target} (UTC{more})")
    for column in ("from", "min", "max", "mean", "last", "values"):
        table.add_column(column, justify="left" if column == "from" else "right")
    for row in rows[-ROWS_MOST:]:
        numbers = [_shown(row[part]) for part in ("least", "greatest", "mean", "last")]
        table.add_row(_moment(row["at_ms"]), *numbers, str(row["count"] or ""))
    return table


def _shown(value: object) -> str:
    return "—" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
