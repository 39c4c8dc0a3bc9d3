"""Room in need: on a full file system even a deletion needs room, so some is kept by.

A ballast file lies beside the store. When the card takes nothing it is removed, with the damaged
files that were set aside; what is deleted in the store then becomes free pages within it. The
ballast comes back when there is plenty of room again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from gateway.store.aside import remove_asides
from gateway.store.database import LOG_BYTES

GROWTH_BYTES: Final = 256 * 1024
"""By which the file may still grow on a full card."""
BALLAST_BYTES: Final = (LOG_BYTES + GROWTH_BYTES) * 4 // 3
"""What the write-ahead log may hold must go into the file when nothing else goes; a third more for
the heads of its frames, its index, and the commit with which it was full."""
PLENTY: Final = 4
"""So many times the ballast must be free before it is made again."""
COMMITS_BETWEEN: Final = 60
"""How many commits pass before one looks again whether it can be made."""


class Relief:
    """The ballast beside one store."""

    def __init__(self, store: Path) -> None:
        """Take the path of the store; nothing is made yet."""
        self._store: Final = store
        self._ballast: Final = store.with_name(f"{store.name}.ballast")
        self._commits = 0

    def give(self) -> bool:
        """Remove what is not needed; say whether there was any."""
        try:
            there = self._ballast.exists()
            self._ballast.unlink(missing_ok=True)
            return remove_asides(self._store) or there
        except OSError:  # a card that is read-only gives nothing
            return False

    def give_when_full(self) -> bool:
        """Likewise, but only when the file system has less room than the ballast takes."""
        try:
            room = os.statvfs(self._store.parent)
        except OSError:
            return False
        return room.f_bavail * room.f_frsize < BALLAST_BYTES and self.give()

    def went_well(self) -> bool:
        """Take note of a commit; now and then make the ballast again, and say whether it is there.

        It is tried again later when it cannot be made.
        """
        self._commits += 1
        if self._commits % COMMITS_BETWEEN != 1:
            return False
        try:
            return self._ballast.exists() or self._make()
        except OSError:
            return False

    def _make(self) -> bool:
        room = os.statvfs(self._store.parent)
        if room.f_bavail * room.f_frsize < PLENTY * BALLAST_BYTES:
            return False
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, BALLAST_BYTES)
        except OSError:
            self._ballast.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        return True
