"""Files that change whole, and files that keep a reader waiting.

A file of the kernel is read in one piece, so each change here is a rename. A read that takes time
is a FIFO: who opens it waits until this side opens it as well.
"""

from __future__ import annotations

import asyncio
import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

LOOK_S: Final = 0.01
"""How often a FIFO is looked at for somebody who waits."""
BROKEN: Final = Path("/proc/self/mem")
"""A file of the real kernel whose first byte cannot be read: EIO, as from a chip that is gone."""


class SlowFile:
    """A file that answers each reader after a while, or never."""

    def __init__(self, path: Path, delay_s: float | None) -> None:
        """Take the place of a file.

        Args:
            path: of the file.
            delay_s: after which a reader gets the text; None: never.
        """
        self._path: Final = path
        self._delay_s: Final = delay_s
        self._loop: Final = asyncio.get_running_loop()
        self._text = b""
        self._timer: asyncio.TimerHandle | None = None
        self._writing = -1
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        os.mkfifo(fresh)
        fresh.replace(path)
        if delay_s is not None:
            self._look()

    def write(self, text: bytes) -> None:
        """Hand this to whoever reads from now on."""
        self._text = text

    def close(self) -> None:
        """Let go whoever waits: he reads nothing."""
        if self._timer is not None:
            self._timer.cancel()
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1
        with suppress(FileNotFoundError):
            os.close(os.open(self._path, os.O_RDWR | os.O_NONBLOCK))

    def _look(self) -> None:
        try:
            self._writing = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno not in {errno.ENXIO, errno.ENOENT}:
                raise
            self._timer = self._loop.call_later(LOOK_S, self._look)
        else:
            self._timer = self._loop.call_later(self._delay_s or 0, self._answer)

    def _answer(self) -> None:
        with suppress(BrokenPipeError):  # he has gone meanwhile
            os.write(self._writing, self._text)
        os.close(self._writing)
        self._writing = -1
        self._timer = self._loop.call_later(LOOK_S, self._look)


def put(path: Path, text: bytes) -> None:
    """Give a file new contents, all at once.

    Raises:
        OSError: the folder is not there.
    """
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(text)
    fresh.replace(path)


def break_(path: Path) -> None:
    """Let every reader of a file get an input/output error."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(BROKEN)
    fresh.replace(path)
