"""One agent on a store, never two."""

from __future__ import annotations

import errno
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from gateway.model.errors import GatewayError, StoreFullError


@dataclass(slots=True)
class Lock:
    """Keeps every other agent from a store; ends with the process at last.

    Two writers would give the same sequence to different batches. The lock is on a file beside the
    database: closing a second descriptor of the database itself would drop SQLite's own locks.
    """

    store: Path
    _descriptor: int | None = None

    def take(self) -> None:
        """Take it, unless we have it.

        Raises:
            GatewayError: another agent works on the store.
            StoreFullError: the card does not let us make it.
        """
        if self._descriptor is not None:
            return
        beside = self.store.with_name(f"{self.store.name}.lock")
        try:
            self.store.parent.mkdir(parents=True, exist_ok=True)
            descriptor = _opened(beside)
        except OSError as error:
            msg = f"{beside}: cannot be made: {error.strerror}"
            raise StoreFullError(msg) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            msg = f"another agent works on {self.store}: stop it first"
            raise GatewayError(msg) from error
        self._descriptor = descriptor

    def free(self) -> None:
        """Let others have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _opened(file: Path) -> int:
    """Open a lock file, made when there is none; on a read-only card the one of before will do."""
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
