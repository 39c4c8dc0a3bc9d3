"""Files that are whole after a power cut: the one way state, keys and configuration are written."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600
"""Mode of a file with a secret: its owner, nobody else."""
PUBLIC: Final = 0o644


def durable_write(path: Path, content: bytes, *, mode: int = PUBLIC) -> None:
    """Put `content` at `path` so that a power cut leaves the old file or the new one, never a part.

    A temporary file beside it gets the mode before its first byte, is synced, renamed over the
    place, and the folder is synced. A private mode never depends on the umask of the caller.

    Args:
        path: where; its folder must be there. A file of that name is replaced.
        content: the whole new content.
        mode: permission bits; the umask can only take from them.

    Raises:
        OSError: it could not be written; what stood at `path` is untouched.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
