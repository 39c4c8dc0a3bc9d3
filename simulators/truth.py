"""The truth journal: which numbers the twins really handed out, whatever the gateway makes of it.

Every twin counts its own answers in a register pair that is read with the rest. The journal keeps
each number that went out whole, with the twin's own time, so that a judge can compare it with what
the platform stored. One JSON object a line:

    {"twin": "meter-1", "number": 17, "wall_ms": 1764000000000, "mono_ms": 93211, "certain": true}

`certain` is false while a fault is about, and up to HOLD_MS before it: a reader that asks several
things of a device may rightly throw away an answer when the next one fails. Such a number may be
missing at the platform; it may not be there twice.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.model.clock import Clock

HOLD_MS: Final = 2000
"""How long a number is kept back from the file, because a fault may still put it in doubt."""


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

    def doubt(self, twin: str) -> None:
        """Take back the certainty of what the twin handed out within the last HOLD_MS."""
        since = self._clock.now().mono_ms - HOLD_MS
        for place in range(len(self._entries) - 1, -1, -1):
            entry = self._entries[place]
            if entry.mono_ms <= since:
                break
            if entry.twin == twin:
                self._entries[place] = replace(entry, certain=False)

    def entries(self) -> tuple[Served, ...]:
        """Return what was noted and not yet written to a file: without a file, everything."""
        return tuple(self._entries)

    def flush(self) -> None:
        """Write what no fault can put in doubt any more; does nothing without a file.

        Raises:
            OSError: the file cannot be written.
        """
        self._write(self._clock.now().mono_ms - HOLD_MS)

    def _write(self, until_ms: float) -> None:
        if self._file is None:
            return
        ripe = sum(1 for entry in self._entries if entry.mono_ms <= until_ms)
        for entry in self._entries[:ripe]:
            self._file.write(json.dumps(asdict(entry), separators=(",", ":")) + "\n")
        self._file.flush()
        del self._entries[:ripe]

    def close(self) -> None:
        """Write what is left and close the file.

        Raises:
            OSError: the file cannot be written.
        """
        if self._file is not None and not self._file.closed:
            self._write(math.inf)
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
