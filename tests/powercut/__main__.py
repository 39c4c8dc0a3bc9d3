"""`make powercut`: the certificate.

    python -m tests.powercut [--seed N] [--lives N]

The last line is `powercut: N states, C corrupt, L lost`; the exit code is 0 only when C and L
are 0, every control behaved and every seeded bug was caught.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from simulators.programs.children import ChildError
from tests import broker
from tests.powercut import agent, bugs
from tests.powercut.campaign import CONTROLS, Life, Range, lives, lives_with
from tests.powercut.recording import RecordingError, build, has_compiler
from tests.powercut.replayer import Depth, Tally

EX_FAILED = 1
ROUNDS = 40
LONG_LOG_ROUNDS = 250


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _controls(range_: Range, depth: Depth) -> bool:
    well = True
    for control in CONTROLS:
        tally = range_.control(control, depth)
        behaved = control.behaves(tally)
        well &= behaved
        name = f"control, {control.name}: SQLite {control.journal} + {control.synchronous}"
        _say(f"{name}: {tally}: {'as it must be' if behaved else 'NOT AS IT MUST BE'}")
    return well


def _bugs(range_: Range, depth: Depth) -> bool:
    well = True
    for bug in [*bugs.IN_STORE, *bugs.IN_FILES]:
        if bug in bugs.IN_STORE:
            tally = range_.rooms(f"bug-{bug}", lives_with(bug), depth, bug)
        else:
            tally = range_.files(f"bug-{bug}", depth, bug)
        well &= _caught(bug, tally)
    bug = "synchronous-normal"
    tally = range_.agent("bug-agent", agent.with_bug(bug), depth)
    return _caught(f"{bug} in the agent", tally) and well


def _caught(bug: str, tally: Tally) -> bool:
    caught = bool(tally.corrupt or tally.lost)
    _say(f"seeded bug, {bug}: {tally}: {'caught' if caught else 'NOT CAUGHT'}")
    return caught


def _product(range_: Range, seed: int, times: int) -> Iterator[tuple[str, Tally]]:
    depth = Depth(seed, per_point=8)
    yield "agent", range_.agent("agent", agent.LONG, Depth(seed, per_point=10))
    for which in range(seed, seed + times):
        yield f"rooms, {which}", range_.rooms(f"rooms-{which}", lives(which, ROUNDS), depth)
    long = [Life(seed, LONG_LOG_ROUNDS, checkpoint=0), Life(seed + 1, LONG_LOG_ROUNDS, 150, 0)]
    sparse = Depth(seed, per_point=7, share=0.1)
    yield "rooms, long log", range_.rooms("long-log", [*long, Life(seed + 2)], sparse)
    yield "durable_write", range_.files("files", Depth(seed, per_point=12), rounds=150)


def _certify(range_: Range, seed: int, times: int) -> int:
    depth = Depth(seed, per_point=7, share=0.5)
    well = _controls(range_, depth)
    well &= _bugs(range_, depth)
    total = Tally()
    for name, tally in _product(range_, seed, times):
        _say(f"{name}: {tally}")
        for example in tally.examples:
            _say(f"  {example}")
        total.join(tally)
    _say(f"powercut: {total}")
    return os.EX_OK if well and not total.corrupt and not total.lost else EX_FAILED


def main() -> int:
    """Run everything and return the exit code."""
    parser = argparse.ArgumentParser(prog="make powercut")
    parser.add_argument("--seed", type=int, default=1, help="another one looks at other states")
    parser.add_argument("--lives", type=int, default=2, help="how many times the rooms live")
    options = parser.parse_args()
    if not has_compiler() or broker.find() is None:
        _say("skipped: gcc or mosquitto is not installed; .ci/system-packages installs both")
        return os.EX_UNAVAILABLE
    with tempfile.TemporaryDirectory(prefix="powercut-") as place:
        folder = Path(place)
        range_ = Range(build(folder), folder, workers=min(2, os.cpu_count() or 1))
        try:
            return _certify(range_, options.seed, options.lives)
        except (RecordingError, ChildError) as error:
            _say(f"not done: {error}")
            return EX_FAILED


if __name__ == "__main__":
    sys.exit(main())
