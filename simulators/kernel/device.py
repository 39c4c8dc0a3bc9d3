"""What all twins in kernel files share: a folder that is there or not, files that fail.

Faults: `silent` blocks who reads, `slow` keeps him waiting, `exception` is an input/output error,
`short` cuts the text, `stuck` repeats it, `reboot` takes the device off its bus.
"""

from __future__ import annotations

import math
import shutil
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final

from simulators.faults import Fault, Refuse, Short, Silent, Slow, Stuck
from simulators.kernel.tree import SlowFile, break_, put
from simulators.options import TwinOptions
from simulators.truth import TruthJournal
from simulators.twin import InPlay, Twin

STEP_S: Final = 0.1
MEMORY_S: Final = 300.0
"""How long a value remembers where it was."""


class FileTwin(Twin):
    """A device whose values are files."""

    def __init__(self, options: TwinOptions, folder: Path, truth: TruthJournal) -> None:
        """Take the scene's options and the device's folder, which is made.

        Raises:
            OSError: it cannot be made.
        """
        super().__init__(options.id, truth)
        self.folder: Final = folder
        self.rng: Final = Random(options.seed)
        self._slow: Final[dict[str, SlowFile]] = {}
        self._written: Final[dict[str, bytes]] = {}
        self._stepped_at: float | None = None
        folder.mkdir(parents=True)

    # For a kind of device

    @abstractmethod
    def move(self, dt_s: float) -> None:
        """Let so many seconds pass for what it measures."""

    @abstractmethod
    def values(self) -> Mapping[str, bytes]:
        """Return the files that change, by name."""

    @abstractmethod
    def plain(self) -> Mapping[str, bytes]:
        """Return the files that do not change, by name."""

    # What all share

    def about(self) -> dict[str, object]:
        """Return its folder."""
        return {"path": str(self.folder)}

    def power_on(self) -> None:
        """Have nothing to forget."""

    def advance(self, now_s: float) -> None:
        """Let what it measures move on, and write it."""
        if self._stepped_at is None:
            self._stepped_at = now_s
        passed = now_s - self._stepped_at
        if passed >= STEP_S:
            self._stepped_at = now_s
            self.move(passed)
            self.show()

    def begin(self, fault: Fault) -> InPlay:
        """Let a fault hold from now on; it shows at once."""
        held = super().begin(fault)
        self.show(anew=True)
        return held

    def end(self, held: InPlay) -> None:
        """End a fault; it shows at once."""
        super().end(held)
        self.show(anew=True)

    def retire(self) -> None:
        """Let go whoever waits."""
        for slow in self._slow.values():
            slow.close()
        self._slow.clear()

    def show(self, *, anew: bool = False) -> None:
        """Write what is to be read now; `anew`: a fault began or ended."""
        if anew:
            self.retire()
        if self.off:
            self.retire()
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        if not self.folder.exists():
            self.folder.mkdir(parents=True)
            anew = True
        if anew or not self._written:
            for name, text in self.plain().items():
                put(self.folder / name, text)
        for name, text in self.values().items():
            self._show(name, text, anew=anew)

    def _show(self, name: str, text: bytes, *, anew: bool) -> None:
        path = self.folder / name
        faults = [item.fault for item in self.faults]
        if any(isinstance(fault, Stuck) for fault in faults):
            text = self._written.get(name, text)
        self._written[name] = text
        for fault in faults:
            if isinstance(fault, Short):
                text = text[: max(1, len(text) - fault.missing)]
        if any(isinstance(fault, Refuse) for fault in faults):
            break_(path)
        elif any(isinstance(fault, Silent) for fault in faults):
            if anew:
                self._slow[name] = SlowFile(path, None)
        elif (late := next((each for each in faults if isinstance(each, Slow)), None)) is not None:
            if anew:
                self._slow[name] = SlowFile(path, late.delay_s)
            self._slow[name].write(text)
        else:
            put(path, text)


def wander(value: float, mean: float, sigma: float, dt_s: float, rng: Random) -> float:
    """Return the next value of a process that wanders about `mean` (Ornstein-Uhlenbeck)."""
    keep = math.exp(-dt_s / MEMORY_S)
    return mean + (value - mean) * keep + sigma * math.sqrt(1 - keep * keep) * rng.gauss(0, 1)
