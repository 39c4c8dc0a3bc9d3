"""Does the page of a driver list what the driver has? Each row of its tables is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter

from gateway.model.driver import PollGroup
from gateway.model.options import Options


def missing_options(page: Path, model: type[Options]) -> list[str]:
    """Return the options that have no row with their description."""
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", page.read_text(), re.MULTILINE)
    options = TypeAdapter(model).json_schema()["properties"].items()
    return [
        name
        for name, option in options
        if not any(row == name and option["description"] in text for row, text in rows)
    ]


def missing_points(page: Path, groups: Iterable[PollGroup]) -> list[str]:
    """Return the points that have no row with unit, kind and group."""
    pattern = r"^\| `(\w+)` \| (\S+) \| (\S+) \| (\S+) \|"
    listed = set(re.findall(pattern, page.read_text(), re.MULTILINE))
    return [
        point.name
        for group in groups
        for point in group.table
        if (point.name, point.unit, str(point.kind), group.name) not in listed
    ]
