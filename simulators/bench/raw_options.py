"""What both baselines are told and what they tell."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from typing import Any

from simulators.bench.usage import lasts_s, memory


@dataclass(frozen=True, slots=True)
class Options:
    """What to read."""

    to: list[tuple[str, int]]
    units: int
    """Behind each address, from 1."""
    registers: int
    period_s: float
    for_s: float

    @staticmethod
    def ready_s() -> float:
        """Return for how long this program has run."""
        return lasts_s(os.getpid())


@dataclass(slots=True)
class Came:
    """What came, and what it took."""

    values: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    resident_mib: float = 0.0
    """Of the whole program at its end."""
    ready_s: float = 0.0
    """From the start of the process to the first answer."""


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main(read: Callable[[Options], Coroutine[Any, Any, Came]]) -> int:
    """Read as the command line says; the last line is one JSON object."""
    parser = argparse.ArgumentParser(description="A baseline of mayak bench.")
    parser.add_argument("--to", action="append", type=_address, required=True, help="HOST:PORT")
    parser.add_argument("--units", type=int, default=1)
    parser.add_argument("--registers", type=int, default=50)
    parser.add_argument("--period", dest="period_s", type=float, default=0.0, help="0: no pause")
    parser.add_argument("--for", dest="for_s", type=float, default=5.0)
    options = Options(**vars(parser.parse_args()))
    came = asyncio.run(read(options))
    came.resident_mib = memory(os.getpid()).rss
    sys.stdout.write(json.dumps(asdict(came)) + "\n")
    return 0
