"""A card that goes wrong on order: a file system of its own (FUSE) over a folder.

The kernel refuses to make a file system read-only while files on it are open for writing, which is
just what a card that fails under a running agent does. Run as a program it is the file system.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FUSE_DEVICE: Final = Path("/dev/fuse")
WITHIN_S: Final = 10.0
WELL: Final = ""
READ_ONLY: Final = "read-only"
"""Everything that changes something ends with EROFS."""
FULL: Final = "full"
"""Nothing new and nothing longer is taken (ENOSPC); what is there may be written over."""
BROKEN: Final = "broken"
"""Writes and syncs end with EIO."""
UNSYNCED: Final = "unsynced"
"""Writes are taken; syncs end with EIO, so that nobody knows what of them is there."""


def lacking() -> str | None:
    """Return what is not here that a card like this needs."""
    if not FUSE_DEVICE.exists():
        return f"{FUSE_DEVICE} is not here"
    if shutil.which("fusermount3") is None:
        return "fuse3 is not installed"
    return None


@dataclass(slots=True)
class FaultyCard:
    """A mounted card."""

    folder: Path
    """Where it is mounted."""
    _orders: Path

    def be(self, what: str) -> None:
        """Go on as `WELL`, `READ_ONLY`, `FULL`, `BROKEN` or `UNSYNCED`."""
        fresh = self._orders.with_suffix(".new")
        fresh.write_text(what, encoding="ascii")
        fresh.rename(self._orders)


@contextmanager
def faulty_card(where: Path, folder: Path) -> Iterator[FaultyCard]:
    """Mount a card on a folder, which is made.

    Args:
        where: the contents, the orders and the log are kept here.
        folder: where the card is mounted.
    """
    behind, orders = where / "behind", where / "orders"
    for each in (behind, folder):
        each.mkdir(parents=True)
    orders.write_text(WELL, encoding="ascii")
    log = (where / "card.log").open("wb")
    command = [sys.executable, __file__, *map(str, (behind, folder, orders))]
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline_s = time.monotonic() + WITHIN_S
        while not folder.is_mount():
            if process.poll() is not None or time.monotonic() > deadline_s:
                raise AssertionError((where / "card.log").read_text(encoding="utf-8"))
            time.sleep(0.01)
        yield FaultyCard(folder, orders)
    finally:
        subprocess.run(["fusermount3", "-u", "-z", folder], check=False, capture_output=True)
        process.terminate()
        process.wait(WITHIN_S)
        log.close()


class _Behind:
    """The calls of the kernel, passed on to a folder; method names and arguments are FUSE's."""

    use_ns = True

    def __init__(self, behind: Path, orders: Path) -> None:
        self._behind = behind
        self._orders = orders

    def _at(self, path: str) -> Path:
        return self._behind / path.lstrip("/")

    def _change(self, *, refused_by: tuple[str, ...] = (), grows: bool = False) -> None:
        """Refuse a change with EROFS, ENOSPC or EIO when that is the order."""
        order = self._orders.read_text(encoding="ascii")
        if order == READ_ONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        if order == FULL and grows:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if order in refused_by:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def getattr(self, path: str, _fh: int | None = None) -> dict[str, int]:
        found = self._at(path).lstat()
        names = ("mode", "nlink", "uid", "gid", "size", "ino", "blocks")
        times = {f"st_{t}": getattr(found, f"st_{t}_ns") for t in ("atime", "mtime", "ctime")}
        return {f"st_{name}": getattr(found, f"st_{name}") for name in names} | times

    def readdir(self, path: str, _fh: int) -> list[str]:
        return [".", "..", *(each.name for each in self._at(path).iterdir())]

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._at(path))
        names = (
            *("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files"),
            *("f_frsize", "f_namemax"),
        )
        return {name: getattr(found, name) for name in names}

    def open(self, path: str, flags: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC):
            self._change()
        return os.open(self._at(path), flags & ~os.O_APPEND)

    def create(self, path: str, mode: int, _fi: object = None) -> int:
        self._change(grows=True)
        return os.open(self._at(path), os.O_RDWR | os.O_CREAT, mode)

    def read(self, _path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def write(self, _path: str, data: bytes, offset: int, fh: int) -> int:
        self._change(refused_by=(BROKEN,), grows=offset + len(data) > os.fstat(fh).st_size)
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, _fh: int | None = None) -> int:
        self._change(refused_by=(BROKEN,), grows=length > self._at(path).stat().st_size)
        os.truncate(self._at(path), length)
        return 0

    def fsync(self, _path: str, _data_only: int, fh: int) -> int:
        self._change(refused_by=(BROKEN, UNSYNCED))
        os.fsync(fh)
        return 0

    def fsyncdir(self, _path: str, _data_only: int, _fh: int) -> int:
        self._change(refused_by=(BROKEN, UNSYNCED))
        return 0

    def flush(self, _path: str, _fh: int) -> int:
        return 0

    def release(self, _path: str, fh: int) -> int:
        os.close(fh)
        return 0

    def unlink(self, path: str) -> int:
        self._change()
        self._at(path).unlink()
        return 0

    def rename(self, old: str, new: str) -> int:
        self._change()
        self._at(old).rename(self._at(new))
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        self._change(grows=True)
        self._at(path).mkdir(mode)
        return 0

    def mknod(self, path: str, mode: int, _dev: int) -> int:
        self._change(grows=True)
        os.mknod(self._at(path), mode)
        return 0

    def chmod(self, path: str, mode: int) -> int:
        self._change()
        self._at(path).chmod(mode)
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        self._change()
        os.chown(self._at(path), uid, gid)
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        self._change()
        if times is None:
            os.utime(self._at(path))
        else:
            os.utime(self._at(path), ns=times)
        return 0


def main(behind: str, folder: str, orders: str) -> None:
    """Be the file system until it is unmounted."""
    import mfusepy  # noqa: PLC0415  # looks for libfuse when it is imported

    more: dict[str, Any] = {"foreground": True, "nothreads": True}  # Any: options of the mount
    mfusepy.FUSE(_Behind(Path(behind), Path(orders)), folder, **more)


if __name__ == "__main__":
    main(*sys.argv[1:])
