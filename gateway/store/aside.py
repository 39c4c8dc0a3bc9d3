"""A damaged file and the new one beside it: names, and which stands where after a power cut."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from gateway.model.errors import StoreFullError

ASIDE_MOST: Final = 2
"""Damaged files that are kept: the newest."""
PARTS: Final = ("-wal", "-shm", "")
"""Of one database, in the order in which they are renamed: no file meets another one's log."""


def take_over(path: Path) -> None:
    """End a renewal that a power cut stopped between its last two steps.

    Raises:
        StoreFullError: the card does not let us.
    """
    fresh = path.with_name(f"{path.name}.renewed")
    try:
        if fresh.exists() and not path.exists():
            fresh.rename(path)
    except OSError as error:
        msg = f"{path}: the store cannot be opened: {error.strerror}"
        raise StoreFullError(msg) from error


def asides(path: Path) -> list[Path]:
    """Return the damaged files that were set aside, the oldest first."""
    found = [part for part in path.parent.glob(f"{path.name}.damaged-*") if _number(part)]
    return sorted(found, key=_number)


def remove_asides(path: Path, keep: int = 0) -> bool:
    """Remove the files that were set aside but for the newest; say whether there were any."""
    gone = asides(path)
    gone = gone[: len(gone) - keep]
    for each in gone:
        remove(each)
    return bool(gone)


def swap(path: Path, fresh: Path) -> Path:
    """Give the new file the name of the old one, and the old one another."""
    number = 1 + max(map(_number, asides(path)), default=0)
    aside = path.with_name(f"{path.name}.damaged-{number}")
    for part in PARTS:
        old = path.with_name(path.name + part)
        if old.exists():
            old.rename(aside.with_name(aside.name + part))
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    remove_asides(path, keep=ASIDE_MOST)
    return aside


def remove(path: Path) -> None:
    """Remove a database with what belongs to it."""
    for part in PARTS:
        path.with_name(path.name + part).unlink(missing_ok=True)


def _number(aside: Path) -> int:
    number = aside.name.rpartition("-")[2]
    return int(number) if number.isdigit() else 0
