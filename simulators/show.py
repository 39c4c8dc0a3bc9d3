"""What a person sees of a running scene, of the faults, and of a link."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from simulators.faults import FAULTS, options_of
from simulators.lines.proxy import Direction, LinkProxy
from simulators.running import Running
from simulators.twin import Twin


def scene_view(running: Running, running_s: float) -> RenderableType:
    """Return lines and twins as tables.

    Args:
        running: the scene.
        running_s: how long it has been running.
    """
    lines = Table(title=f"lines, running for {running_s:.0f} s", title_justify="left")
    for header in ("line", "medium", "address", "state"):
        lines.add_column(header)
    for name, line in running.lines.items():
        lines.add_row(name, line.medium, *line.words())
    twins = Table(title="twins", title_justify="left")
    twins.add_column("twin")
    twins.add_column("line")
    for header in ("address", "requests", "answered", "struck", "counter"):
        twins.add_column(header, justify="right")
    twins.add_column("faults")
    for name, twin in running.twins.items():
        twins.add_row(name, running.line_name(name), *_figures(twin), _faults(twin))
    return Group(lines, twins)


def _figures(twin: Twin) -> tuple[str, ...]:
    counts = twin.counts
    address = ", ".join(map(str, twin.about().values()))
    numbers = (counts.requests, counts.answered, counts.struck, twin.answers)
    return address, *(f"{number:,}" for number in numbers)


def _faults(twin: Twin) -> Text:
    return Text(", ".join(held.fault.name for held in twin.faults), style="bold")


def faults_view() -> RenderableType:
    """Return every fault: what it does in both languages, where, and its numbers."""
    table = Table(title="faults", title_justify="left", show_lines=True)
    table.add_column("fault", no_wrap=True)
    table.add_column("what it does", ratio=3)
    table.add_column("lines", no_wrap=True)
    table.add_column("options and defaults", ratio=2)
    for name, kind in FAULTS.items():
        table.add_row(
            name,
            Group(Text(kind.en), Text(kind.ru, style="dim")),
            "any" if kind.media is None else "\n".join(sorted(kind.media)),
            _options(options_of(kind())),
        )
    return table


def _options(options: Mapping[str, object]) -> str:
    return "\n".join(f"{key} = {value}" for key, value in options.items())


def link_state(proxy: LinkProxy) -> dict[str, object]:
    """Return what a link does and did as plain values."""
    return {
        "mode": proxy.mode.name,
        "open": proxy.open,
        "connections": proxy.connections,
        "bytes_up": proxy.passed[Direction.UP],
        "bytes_down": proxy.passed[Direction.DOWN],
    }
