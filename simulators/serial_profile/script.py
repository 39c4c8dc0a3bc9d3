"""What a profile of telegrams says of a device, read anew: its test vectors, and what it tells.

Reads the TOML by itself and knows of it only what a twin needs: which bytes are asked, which are
said to them. How they are made is the business of the vectors.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

_ESCAPE: Final = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)")
_SHORT: Final = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "e": "\x1b", "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Line:
    """One test vector: what is asked and what is said."""

    asked: bytes
    """Nothing: the device tells it by itself."""
    said: bytes
    group: str
    sets: str
    """The point that is set, or nothing."""
    value: object
    values: Mapping[str, object]
    refused: int | None


@dataclass(frozen=True, slots=True)
class Script:
    """What a device says."""

    name: str
    lines: Sequence[Line]
    tells_every_s: float | None
    """A fifth of the longest silence of what it tells by itself; None: it tells nothing."""


def read_script(profile: str) -> Script:
    """Return the script of a profile: one of Mayak's own by its name, or a file.

    Raises:
        ValueError: there is none, or it is no profile of telegrams with vectors.
    """
    path = Path(profile)
    try:
        if path.suffix == ".toml":
            text = path.read_text(encoding="utf-8")
        else:
            text = files("drivers.profiles").joinpath(f"{profile}.toml").read_text(encoding="utf-8")
        found = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"profile {profile}: {error}"
        raise ValueError(msg) from error
    lines = [_line(each) for each in found.get("vector", [])]
    if found.get("protocol") != "serial" or not lines:
        msg = f"profile {profile} has no vectors of telegrams"
        raise ValueError(msg)
    told = [
        float(group.get("period_s", 10.0)) for group in found.get("group", []) if group.get("told")
    ]
    return Script(str(found.get("name", profile)), lines, min(told) / 5 if told else None)


def _line(vector: Mapping[str, Any]) -> Line:  # Any: what TOML holds
    return Line(
        _bytes(vector, "request"),
        _bytes(vector, "answer"),
        str(vector.get("group", "")),
        str(vector.get("write", "")),
        vector.get("value"),
        dict(vector.get("values", {})),
        vector.get("refused"),
    )


def _bytes(vector: Mapping[str, Any], key: str) -> bytes:  # Any: what TOML holds
    digits = vector.get(f"{key}_hex", "")
    if digits:
        return bytes.fromhex(str(digits))
    text = str(vector.get(key, ""))
    return _ESCAPE.sub(_unescaped, text).replace("{{", "{").replace("}}", "}").encode("latin-1")


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else _SHORT.get(code, code)
