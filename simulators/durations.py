"""Durations and endpoints as people type them on a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|min|h|d)?")
_UNITS: Final[Mapping[str | None, float]] = {
    None: 1.0,
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
}


def seconds(text: str) -> float:
    """Return a duration in seconds: `30s`, `500ms`, `2m`, `1h`, `90d` or a plain number.

    Raises:
        ValueError: it is none; click shows the text as a usage error.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        msg = f"{text!r} is no duration; write 30s, 500ms, 2m, 1h or 90d"
        raise ValueError(msg)
    return float(found[1]) * _UNITS[found[2]]
