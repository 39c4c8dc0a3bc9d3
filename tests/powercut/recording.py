"""What a program did to one folder, in order: made by `recorder.c`, read here."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.store.migrations import STEPS

SOURCE: Final = Path(__file__).with_name("recorder.c")
ROOT: Final = Path(__file__).parents[2]
COMPILE: Final = ("gcc", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC")
DRIVER: Final = "tests.powercut.driver"
WITHIN_S: Final = 120
HEADER: Final = struct.Struct("<IIQqQ")
"""`struct entry` of recorder.c: kind, length of the path, inode, offset, length of the data."""
MARKS: Final = ".marks"
"""What a driver writes to this file is no state: it says what the driver told the world."""


class RecordingError(RuntimeError):
    """The recording cannot be believed, or a program under it failed; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One call."""

    kind: str
    """W write, T truncate, A allocate, S sync of a file, D of a folder, C create, R rename,
    U unlink, K make folder, L connect, N sent, V received, X without a model."""
    path: str
    inode: int
    offset: int
    """In the file; of T and A the size; of L, N and V the process."""
    data: bytes


def has_compiler() -> bool:
    """Say whether recorder.c can be compiled here."""
    return shutil.which(COMPILE[0]) is not None


def build(folder: Path) -> Path:
    """Compile the recorder into a folder and return the library."""
    library = folder / "recorder.so"
    subprocess.run([*COMPILE, "-o", library, SOURCE, "-ldl", "-lpthread"], check=True)
    return library


@dataclass(frozen=True, slots=True)
class Recording:
    """A folder under watch and the log of what is done to it."""

    library: Path
    folder: Path
    """Made before; what lies in it at the first run must be nothing."""
    log: Path

    def variables(self, **more: str) -> dict[str, str]:
        """Return what a program needs in its environment to be recorded.

        Args:
            more: further variables, `POWERCUT_PORT` or `POWERCUT_KILL_AT_SYNC`.
        """
        return {
            "LD_PRELOAD": str(self.library),
            "POWERCUT_ROOT": str(self.folder),
            "POWERCUT_LOG": str(self.log),
            **more,
        }

    def run(self, module: str, arguments: Sequence[str], *, kill_at_sync: int = 0) -> None:
        """Run a module under the recorder to its end.

        Args:
            module: its name, as for `python -m`.
            arguments: for it.
            kill_at_sync: not 0: it is to die where it would sync for this time.

        Raises:
            RecordingError: it did not end as it should.
        """
        more = {"POWERCUT_KILL_AT_SYNC": str(kill_at_sync)} if kill_at_sync else {}
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), **self.variables(**more)},
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
        if done.returncode != (-9 if kill_at_sync else 0):
            msg = f"{module} {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}"
            raise RecordingError(msg)

    def entries(self) -> Iterator[Entry]:
        """Return what was logged.

        Raises:
            RecordingError: something was done to the files that no model is for.
        """
        log = memoryview(self.log.read_bytes())
        at = 0
        while at < len(log):
            kind, path_len, inode, offset, data_len = HEADER.unpack_from(log, at)
            at += HEADER.size
            path = bytes(log[at : at + path_len]).decode()
            at += path_len
            entry = Entry(chr(kind), path, inode, offset, bytes(log[at : at + data_len]))
            at += data_len
            if entry.kind == "X":
                msg = f"{path}: no model for {entry.data.decode()!r}"
                raise RecordingError(msg)
            yield entry

    def on_disk(self) -> Mapping[str, bytes]:
        """Return what really lies in the folder now, without SQLite's WAL-index."""
        return {
            str(file.relative_to(self.folder)): file.read_bytes()
            for file in sorted(self.folder.rglob("*"))
            if file.is_file() and not file.name.endswith("-shm") and file.name != MARKS
        }


def leave_old_store(recording: Recording) -> None:
    """Begin with a store of the schema before the newest, when there is one.

    While there is one step only, the first program to open the store makes it by that step.
    """
    if len(STEPS) > 1:
        recording.run(DRIVER, ["old", str(recording.folder)])
