"""JSON that strangers send, and places in it. Pure.

Source: RFC 8259 (JSON), RFC 6901 (JSON Pointer).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final, NoReturn

from gateway.model.errors import FrameError

DEEPEST: Final = 16
"""Objects and arrays inside one another; no device here has more than six."""
SHOWN: Final = 64
"""Bytes of what came that an error shows."""

Json = Any  # Any: what JSON holds; taken apart by `at`
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_TILDE: Final = re.compile(r"~(?![01])")
_BRACKET: Final = re.compile(rb"[\[\]{}]")
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


class _Missing:
    """Nothing stands there."""


MISSING: Final = _Missing()


def parse_pointer(text: str) -> tuple[str, ...]:
    """Return the steps of a JSON pointer.

    Raises:
        ValueError: it is none (RFC 6901, 3).
    """
    if not text:
        return ()
    if not text.startswith("/") or _TILDE.search(text):
        msg = f"{text!r} is no JSON pointer, as /a/b or /list/0"
        raise ValueError(msg)
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text[1:].split("/"))


def at(document: Json, steps: Sequence[str]) -> Json:
    """Return what stands at a place, or MISSING."""
    here: Json = document
    for step in steps:
        if isinstance(here, dict):
            if step not in here:
                return MISSING
            here = here[step]
        elif isinstance(here, list):
            if not _INDEX.fullmatch(step) or int(step) >= len(here):
                return MISSING
            here = here[int(step)]
        else:
            return MISSING
    return here


def read_json(raw: bytes) -> Json:
    """Return a document.

    Raises:
        FrameError: no JSON, not UTF-8, too deep, a name that stands twice, NaN or Infinity.
    """
    if depth_of(raw) > DEEPEST:
        msg = f"JSON deeper than {DEEPEST}"
        raise FrameError(msg, answer=raw[:SHOWN])
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        # What the library says of it quotes nothing; the bytes stand beside it.
        msg = f"no JSON: {type(error).__name__}"
        raise FrameError(msg, answer=raw[:SHOWN]) from error


def depth_of(raw: bytes) -> int:
    """Return how deep brackets stand in one another, outside of strings."""
    deepest = depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", raw)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a name stands twice"
        raise ValueError(msg)
    return found


def _no_number(name: str) -> NoReturn:
    msg = f"{name} is no JSON"
    raise ValueError(msg)
