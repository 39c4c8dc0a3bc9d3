"""A small file that is either the old one or the new one, whatever happens meanwhile."""

from __future__ import annotations

import os
from pathlib import Path


def durable_write(path: Path, content: bytes) -> None:
    """Replace the file at `path`: temporary file, fsync, rename, fsync of the folder.

    Raises:
        OSError: it cannot be written; the old file is as before.
    """
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with fresh.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
