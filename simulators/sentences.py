"""What pydantic found wrong, as sentences a person can act on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

_EXTRA: Final = "extra_forbidden"
_UNEXPECTED: Final = "unexpected_keyword_argument"


def place(path: Sequence[str | int]) -> str:
    """Return a path into data as people write it: `twin[2].unit`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f"{'.' if text else ''}{step}"
    return text


def complaint(kind: str, message: str, found: object) -> str:
    """Return one sentence for one error: its pydantic type, message and the value found."""
    if kind in {_EXTRA, _UNEXPECTED}:
        return "no such option"
    if kind == "missing":
        return "this option is needed"
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return f"{message}, found {found!r}" if isinstance(found, str | int | float) else message


def sentences(error: ValidationError) -> list[str]:
    """Return one sentence for each thing that is wrong, with its place in front."""
    return [
        f"{place(item['loc'])}: {complaint(item['type'], item['msg'], item['input'])}"
        for item in error.errors()
    ]
