"""The truth journal: which numbers the twins really handed out, whatever the gateway makes of it.

Every twin counts its own answers in a register pair that is read with the rest. The journal keeps
each number that went out whole, with the twin's own time, so that a judge can compare it with what
the platform stored. One JSON object a line:

    {"twin": "meter-1", "number": 17, "wall_ms": 1764000000000, "mono_ms": 93211, "certain": true}

`certain` is false when only the other end can know whether the answer came in time (a slow answer,
somebody babbling on the line): such a number may be missing at the platform, it may not be twice.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.model.clock import Clock


@dataclass(frozen=True, slots=True)
class Served:
    """One number that a twin handed out."""

    twin: str
    number: int
    wall_ms: int
    mono_ms: int
    certain: bool


class TruthJournal:
    """Notes what was served: into a file, or without one in memory (short runs only)."""

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        """Start an empty journal; a file that is there is overwritten.

        Raises:
            OSError: the file cannot be written.
        """
        self._clock = clock
        self._entries: list[Served] = []
        self._file: TextIOWrapper | None = None
        if path is not None:
            self._file = path.open("w", encoding="utf-8")

    def __enter__(self) -> Self:
        """Return the journal."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is left."""
        self.close()

    def note(self, twin: str, number: int, *, certain: bool) -> None:
        """Note that the twin handed out this number now."""
        now = self._clock.now()
        self._entries.append(Served(twin, number, now.wall_ms, now.mono_ms, certain))

    def entries(self) -> tuple[Served, ...]:
        """Return what was noted and not yet written to a file: without a file, everything."""
        return tuple(self._entries)

    def flush(self) -> None:
        """Write what was noted; does nothing without a file.

        Raises:
            OSError: the file cannot be written.
        """
        if self._file is None or not self._entries:
            return
        lines = [json.dumps(asdict(entry), separators=(",", ":")) for entry in self._entries]
        self._file.write("\n".join(lines) + "\n")
        self._file.flush()
        self._entries.clear()

    def close(self) -> None:
        """Write what is left and close the file.

        Raises:
            OSError: the file cannot be written.
        """
        if self._file is not None and not self._file.closed:
            self.flush()
            self._file.close()


def read_truth(path: Path) -> list[Served]:
    """Return the entries of a journal file; a last line that a kill cut short is left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is no entry.
    """
    entries = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(keepends=True), 1):
        if not line.endswith("\n"):
            break
        try:
            entries.append(Served(**json.loads(line)))
        except TypeError as error:
            msg = f"{path}:{number}: not an entry of a truth journal"
            raise ValueError(msg) from error
    return entries
