"""A figure against the work, as an SVG written by hand: both axes by powers, or from zero."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from simulators.bench.figures import Figure, shown

WIDTH: Final = 720
HEIGHT: Final = 440
LEFT: Final = 80
RIGHT: Final = 60
TOP: Final = 100
BOTTOM: Final = 84
STEPS: Final = 5
"""About so many lines of a grid that begins at zero."""
LINES_MOST: Final = 10
LEAST: Final = 1e-9
"""What is smaller counts as zero."""
NEAR: Final = 16
"""Pixels within which two labels would cover each other."""
_STYLE: Final = (
    "text{font:13px sans-serif;fill:#222}.title{font-size:16px;font-weight:600}"
    ".line{fill:none;stroke:#1f5fa8;stroke-width:2}.dot{fill:#1f5fa8}"
    ".raw{fill:none;stroke:#777;stroke-width:1.5;stroke-dasharray:2 3}"
    ".budget{stroke:#b03a2e;stroke-width:1.5;stroke-dasharray:7 4}"
    ".grid{stroke:#e3e3e3}.axis{fill:#666;font-size:12px}"
    # a label stays readable where a line runs through it
    ".value{fill:#1f5fa8;font-weight:600;paint-order:stroke;stroke:#fff;stroke-width:4px}"
    ".asked{fill:#b03a2e}.beside{fill:#555}"
)


def draw(curve: Mapping[int, Figure], grows: str, folder: Path) -> Path:
    """Write the plot of one figure and return its file.

    Args:
        curve: the figure by how many times the work it was measured at; not empty.
        grows: what there is more of.
        folder: where to write; it exists.

    Raises:
        OSError: the file cannot be written.
    """
    figure = curve[min(curve)]
    file = folder / f"{_slug(figure.row)}-{_slug(figure.name)}.svg"
    file.write_text(svg(curve, grows), encoding="utf-8")
    return file


def svg(curve: Mapping[int, Figure], grows: str) -> str:
    """Return the plot as SVG.

    Heights are by powers where all is well above zero, so that equal ratios are equal distances;
    else they begin at zero.
    """
    figure = curve[min(curve)]
    budget = figure.budget
    values = {work: each.value for work, each in sorted(curve.items())}
    raws = {
        work: each.value / each.ratio
        for work, each in sorted(curve.items())
        if each.ratio and math.isfinite(each.value / each.ratio)
    }
    limits = [] if budget is None else [budget.limit]
    y, grid = _heights([*values.values(), *raws.values(), *limits])
    last = math.log2(max(values)) or 1.0

    def x(work: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log2(work) / last

    parts = [_text(16, 28, f"{figure.row}: {figure.name}", "start", "title"), *_legend(curve)]
    for at in grid:
        parts += [_level(y(at), "grid"), _text(LEFT - 8, y(at) + 4, _tick(at), "end", "axis")]
    parts.append(_text(LEFT - 8, TOP - 26, figure.unit or "count", "end", "axis"))
    for work in values:
        ratio = curve[work].ratio
        parts.append(_text(x(work), HEIGHT - BOTTOM + 24, f"{work}x", "middle", "axis"))
        if ratio is not None:
            told = f"{shown(ratio)} x raw"
            parts.append(_text(x(work), HEIGHT - BOTTOM + 42, told, "middle", "axis beside"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, f"times the {grows}", "middle"))
    if budget is not None:
        parts.append(_level(y(budget.limit), "budget"))
    if raws:
        parts.append(_polyline({x(work): y(raw) for work, raw in raws.items()}, "raw"))
    parts.append(_polyline({x(work): y(value) for work, value in values.items()}, "line"))
    for work, value in values.items():
        parts.append(f'<circle class="dot" cx="{x(work):.1f}" cy="{y(value):.1f}" r="4"/>')
        below = budget is not None and 0 <= y(value) - y(budget.limit) < NEAR
        at = y(value) + (20 if below and y(value) + 20 < HEIGHT - BOTTOM else -10)
        parts.append(_text(x(work), at, shown(value), "middle", "value"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _heights(shown_values: list[float]) -> tuple[Callable[[float], float], list[float]]:
    """Return where a value lies, and the values of the grid."""
    room = HEIGHT - TOP - BOTTOM
    low, high = min(shown_values), max(shown_values)
    if low >= LEAST:
        powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
        marks = [m * 10.0**power for power in powers for m in (1, 2, 5)]
        floor = max(mark for mark in marks if mark <= low * (1 + 1e-9))
        roof = min(mark for mark in marks if mark >= high * (1 - 1e-9) and mark > floor)
        between = [mark for mark in marks if floor <= mark <= roof]
        grid = between[:: math.ceil(len(between) / LINES_MOST)]
        lasts = math.log(roof / floor)
        return lambda v: HEIGHT - BOTTOM - room * math.log(max(v, floor) / floor) / lasts, grid
    step = _step(high / STEPS) if high >= LEAST else 1.0
    count = max(1, math.ceil(high / step - 1e-9))
    grid = [step * number for number in range(count + 1)]
    return lambda v: HEIGHT - BOTTOM - room * max(v, 0.0) / grid[-1], grid


def _step(least: float) -> float:
    """Return the next larger of 1, 2, 5, 10 ..."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))


def _legend(curve: Mapping[int, Figure]) -> list[str]:
    """Return what each line is, in one row below the title."""
    figure = curve[min(curve)]
    entries = [("line", "measured")]
    if figure.budget is not None:
        entries.append(("budget", f"asked: {figure.budget} {figure.unit}".rstrip()))
    if figure.ratio is not None:
        entries.append(("raw", f"raw: {figure.baseline}, same run"))
    parts, at = [], 16
    for kind, told in entries:
        parts.append(f'<line class="{kind}" x1="{at}" x2="{at + 28}" y1="52" y2="52"/>')
        parts.append(_text(at + 34, 56, told, "start", "axis"))
        at += 34 + 7 * len(told) + 24
    return parts


def _level(y: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _polyline(points: Mapping[float, float], kind: str) -> str:
    told = " ".join(f"{x:.1f},{y:.1f}" for x, y in points.items())
    return f'<polyline class="{kind}" points="{told}"/>'


def _tick(value: float) -> str:
    return shown(value) if value < 1e4 else f"{shown(value / 1000)} k"  # noqa: PLR2004 - 5 digits


def _text(x: float, y: float, text: str, anchor: str, kind: str = "axis") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
