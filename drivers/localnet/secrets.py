"""Passwords and tokens in files that nobody but their owner can read. Nothing here tells one."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

LONGEST: Final = 1024
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def read_secret(path: Path) -> str:
    """Return the one line of a file.

    Raises:
        ValueError: it cannot be read, others can read it, or it is not one printable line.
    """
    try:
        with path.open("rb") as file:
            mode = path.stat().st_mode
            content = file.read(LONGEST + 1)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise ValueError(msg) from error
    if not stat.S_ISREG(mode):
        msg = f"{path} is no file"
        raise ValueError(msg)
    if mode & _OTHERS:
        msg = f"{path} can be read by others than its owner: chmod 600"
        raise ValueError(msg)
    try:
        text = content.decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable() or len(content) > LONGEST:
        msg = f"{path} holds no single line of text"
        raise ValueError(msg)
    return text


def is_secret(path: Any, _before: Mapping[str, Any], _site_dir: Path | None) -> None:
    """Check the file where a site is checked.

    Raises:
        ValueError: as `read_secret`.
    """
    read_secret(path)
