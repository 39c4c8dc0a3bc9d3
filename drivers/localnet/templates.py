"""Topics, paths and payloads with placeholders: `{id}`, `{value}`, names of parameters. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

from drivers.localnet.packets import is_topic

_NAME: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_PATH: Final = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*")

Plain = str | bool | int | float


def names_in(template: str) -> frozenset[str]:
    """Return the names of the placeholders."""
    return frozenset(_NAME.findall(template))


def _fill(template: str, values: Mapping[str, Plain], shown: Callable[[Plain], str]) -> str:
    return _NAME.sub(lambda found: shown(values[found.group(1)]), template)


def text_of(value: Plain) -> str:
    """Return a value as plain text: as JSON has it, whole numbers without a point."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return json.dumps(value)


def fill_topic(template: str, values: Mapping[str, Plain]) -> str:
    """Return a topic.

    Raises:
        ValueError: what is filled in makes a wildcard of it, or a topic of the broker's own.
    """
    topic = _fill(template, values, text_of)
    if not is_topic(topic) or topic.startswith("$"):
        msg = f"{topic!r} is no topic of one device: no +, no #, no $ at the beginning"
        raise ValueError(msg)
    return topic


def fill_path(template: str, values: Mapping[str, Plain]) -> str:
    """Return the path and query of a request; what is filled in cannot leave its place.

    Raises:
        ValueError: it is no path.
    """
    path = _fill(template, values, lambda value: quote(text_of(value), safe=""))
    if not _PATH.fullmatch(path):
        msg = f"{path!r} is no path of a request"
        raise ValueError(msg)
    return path


def fill_json(template: str, values: Mapping[str, Plain]) -> bytes:
    """Return a payload of JSON: texts come with their quotes."""

    def shown(value: Plain) -> str:
        return json.dumps(value) if isinstance(value, str) else text_of(value)

    return _fill(template, values, shown).encode()


def fill_plain(template: str, values: Mapping[str, Plain]) -> bytes:
    """Return a payload of plain text."""
    return _fill(template, values, text_of).encode()
