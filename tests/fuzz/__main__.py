"""Feeds the targets of this folder with what atheris thinks of: `python -m tests.fuzz [NAME ...]`.

Each target is a module `fuzz_<name>.py` with `one(data)`, which lets only documented errors pass.
What atheris finds is written to a file whose name it prints; give that file after the name to see
it again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import atheris

FOLDER = Path(__file__).parent
INSTRUMENTED = ("drivers", "gateway.model", "simulators")


def names() -> list[str]:
    """Return the names of all targets."""
    return sorted(path.stem.removeprefix("fuzz_") for path in FOLDER.glob("fuzz_*.py"))


def run_one(name: str, arguments: list[str]) -> None:
    """Feed one target in this process; atheris ends it."""
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        module = import_module(f"tests.fuzz.fuzz_{name}")
    atheris.Setup(["fuzz", *arguments], module.one)
    atheris.Fuzz()


def main() -> int:
    """Run the targets that were named, or all; return 1 when one of them fell."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("names", nargs="*", help=f"of: {', '.join(names())}")
    parser.add_argument("--runs", type=int, default=20_000, help="inputs for each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    chosen, files = parser.parse_known_args()
    wanted = [name for name in chosen.names if name in names()]
    files += [name for name in chosen.names if name not in wanted]
    options = [f"-runs={chosen.runs}", f"-seed={chosen.seed}", "-max_len=512", "-verbosity=0"]
    if chosen.here:
        run_one(wanted[0], [*options, *files])
    fallen = []
    for name in wanted or names():
        again = [sys.executable, "-m", "tests.fuzz", name, "--here", f"--runs={chosen.runs}"]
        ended = subprocess.run([*again, f"--seed={chosen.seed}", *files], check=False)
        sys.stdout.write(f"{name}: {'fell' if ended.returncode else 'stands'}\n")
        sys.stdout.flush()
        if ended.returncode:
            fallen.append(name)
    sys.stdout.write(f"fuzz: {len(wanted or names())} targets, {len(fallen)} fallen\n")
    return 1 if fallen else 0


if __name__ == "__main__":
    sys.exit(main())
