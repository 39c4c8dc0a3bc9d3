"""A figure against the work, as an SVG written by hand: both axes by powers of two."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from simulators.bench.figures import Figure, shown

WIDTH: Final = 640
HEIGHT: Final = 400
LEFT: Final = 90
RIGHT: Final = 30
TOP: Final = 60
BOTTOM: Final = 60
_STYLE: Final = (
    "text{font:14px sans-serif;fill:#222}.line{fill:none;stroke:#1f5fa8;stroke-width:2}"
    ".dot{fill:#1f5fa8}.budget{stroke:#b03a2e;stroke-width:1.5;stroke-dasharray:6 4}"
    ".grid{stroke:#ddd}.small{font-size:12px;fill:#666}"
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
    """Return the plot as SVG; a value of 0 or below lies on the floor."""
    figure = curve[min(curve)]
    budget = figure.budget
    values = {work: each.value for work, each in sorted(curve.items())}
    shown_values = [*values.values(), *([budget.limit] if budget is not None else [])]
    above = [value for value in shown_values if value > 0] or [1.0]
    low = math.floor(math.log2(min(above)))
    high = math.ceil(math.log2(max(above))) if max(above) > 2**low else low + 1
    last = math.log2(max(values)) or 1.0

    def x(work: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log2(work) / last

    def y(value: float) -> float:
        height = 0.0 if value <= 0 else (math.log2(value) - low) / (high - low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * height

    parts = [
        f'<text x="{LEFT}" y="28">{escape(f"{figure.row}: {figure.name}, {figure.unit}")}</text>'
    ]
    for step in range(low, high + 1, max(1, (high - low) // 6)):
        at = y(2.0**step)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        )
        parts.append(_text(LEFT - 8, at + 5, shown(2.0**step), "end"))
    parts += [_text(x(work), HEIGHT - BOTTOM + 24, f"{work}x", "middle") for work in values]
    parts.append(_text(WIDTH / 2, HEIGHT - 12, f"times the {grows}", "middle"))
    if budget is not None:
        at = y(budget.limit)
        parts.append(
            f'<line class="budget" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        )
        parts.append(_text(WIDTH - RIGHT, at - 6, f"budget {budget}", "end"))
    points = " ".join(f"{x(work):.1f},{y(value):.1f}" for work, value in values.items())
    parts.append(f'<polyline class="line" points="{points}"/>')
    for work, value in values.items():
        parts.append(f'<circle class="dot" cx="{x(work):.1f}" cy="{y(value):.1f}" r="4"/>')
        parts.append(_text(x(work), y(value) - 10, shown(value), "middle"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text class="small" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
