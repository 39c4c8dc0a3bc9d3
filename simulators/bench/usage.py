"""What a running process has used, as the kernel counts it (Linux)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final, NamedTuple

_CPUCLOCK_SCHED: Final = 2
"""Of a whole process, in nanoseconds: user and system together (clock_getcpuclockid(3))."""


class Memory(NamedTuple):
    """Resident memory in MiB."""

    rss: float
    pss: float
    """Pages shared with other programs count in part only."""


def cpu_s(pid: int) -> float:
    """Return the CPU seconds, user and system, of a process and all threads it ever had.

    The same sum as in /proc/PID/stat, which counts in steps of 10 ms.

    Raises:
        OSError: there is no such process.
    """
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def lasts_s(pid: int) -> float:
    """Return for how long a process has run, to a hundredth of a second (proc(5), stat, field 22).

    Raises:
        OSError: there is no such process.
    """
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    begun_ticks = int(stat.rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - begun_ticks / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> Memory:
    """Return what a process has in memory (proc(5), smaps_rollup).

    Raises:
        OSError: there is no such process, or it belongs to somebody else.
    """
    rollup = _fields(Path(f"/proc/{pid}/smaps_rollup"))
    return Memory(rollup["Rss"] / 1024, rollup["Pss"] / 1024)


def written_bytes(pid: int) -> int:
    """Return how many bytes a process has caused to be written to a card (proc(5), io).

    Raises:
        OSError: there is no such process, or it belongs to somebody else.
    """
    return _fields(Path(f"/proc/{pid}/io"))["write_bytes"]


def _fields(file: Path) -> dict[str, int]:
    """Return the lines `name: number ...` of a file in /proc."""
    split = (line.split() for line in file.read_text(encoding="ascii").splitlines())
    return {
        words[0].removesuffix(":"): int(words[1])
        for words in split
        if len(words) > 1 and words[0].endswith(":") and words[1].isdigit()
    }
