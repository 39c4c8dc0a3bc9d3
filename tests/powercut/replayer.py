"""Cuts the power at every point of a recording and judges what is left."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from tests.powercut.disk import Disk, Tree
from tests.powercut.promises import Judged, Promises
from tests.powercut.recording import Entry, Recording, RecordingError

MEMORY: Final = Path("/dev/shm")  # noqa: S108
"""Where states are laid out when it is there: judging syncs, and nothing here is worth a card."""
EXAMPLES: Final = 3
TOLD_SHARE: Final = 0.5
"""Of the points after a promise that are looked at for the harshest cut at the least."""

NewPromises = Callable[[], Promises]
Around = Callable[[], AbstractContextManager[object]]


@dataclass(slots=True)
class Tally:
    """What a campaign found."""

    states: set[bytes] = field(default_factory=set)
    corrupt: set[bytes] = field(default_factory=set)
    lost: set[bytes] = field(default_factory=set)
    examples: list[str] = field(default_factory=list)

    def take(self, state: bytes, where: str, judged: Judged) -> None:
        """Note one state."""
        self.states.add(state)
        for kind, found in ((self.corrupt, judged.corrupt), (self.lost, judged.lost)):
            if found:
                kind.add(state)
                if len(self.examples) < EXAMPLES:
                    name = "corrupt" if kind is self.corrupt else "lost"
                    self.examples.append(f"{where}: {name}: {'; '.join(found)}")

    def join(self, other: Tally) -> None:
        """Take over what another found."""
        self.states |= other.states
        self.corrupt |= other.corrupt
        self.lost |= other.lost
        self.examples = (self.examples + other.examples)[:EXAMPLES]

    def __str__(self) -> str:
        """Return the three numbers."""
        return f"{len(self.states)} states, {len(self.corrupt)} corrupt, {len(self.lost)} lost"


@dataclass(frozen=True, slots=True)
class Depth:
    """How hard to look."""

    seed: int
    per_point: int
    """Ways of cutting the power at one point, at the most."""
    share: float = 1.0
    """Of the points that are looked at in all these ways."""


def check(recording: Recording) -> None:
    """Compare the model with what really lies there.

    Raises:
        RecordingError: they differ: a call was missed, or the model is wrong.
    """
    disk = Disk()
    for entry in recording.entries():
        disk.apply(entry)
    said, real = disk.now(), recording.on_disk()
    if said != real:
        wrong = [n for n in said.keys() | real.keys() if said.get(n) != real.get(n)]
        msg = f"the recording is not what lies there: {', '.join(sorted(wrong))}"
        raise RecordingError(msg)


def replay(
    recording: Recording,
    promises: NewPromises,
    depth: Depth,
    *,
    workers: int = 1,
    around: Around = nullcontext,
) -> Tally:
    """Judge the states of a recording.

    Args:
        recording: of a program that has ended.
        promises: begins an account of what it promised.
        depth: how hard to look.
        workers: processes that share the work.
        around: stands around the judging.

    Raises:
        RecordingError: the recording cannot be believed.
    """
    check(recording)
    work = partial(_replay, recording, promises, depth, workers, around)
    tally = Tally()
    if workers == 1:
        return work(0)
    with ProcessPoolExecutor(workers) as pool:
        for part in pool.map(work, range(workers)):
            tally.join(part)
    return tally


def _replay(
    recording: Recording,
    promises: NewPromises,
    depth: Depth,
    workers: int,
    around: Around,
    which: int,
) -> Tally:
    """Judge every point of which the number is ours."""
    disk, promised, tally = Disk(), promises(), Tally()
    seen: set[tuple[bytes, int]] = set()
    said = 0
    base = MEMORY if MEMORY.is_dir() else None
    with around(), tempfile.TemporaryDirectory(prefix="powercut-", dir=base) as scratch:
        for number, entry in enumerate(recording.entries()):
            changed, spoke = disk.apply(entry), promised.note(entry)
            said += spoke
            rng = Random(f"{depth.seed}:{number}")
            chance = rng.random()
            if number % workers != which or not (changed or spoke):
                continue
            most = depth.per_point if chance < depth.share else int(spoke and chance < TOLD_SHARE)
            for cut in disk.cuts(rng, most):
                tree = disk.left_by(cut)
                state = _name(tree.items())
                if (state, said) in seen:
                    continue
                seen.add((state, said))
                where = f"{recording.log.name}, after {number} {_told(entry)}"
                tally.take(state, where, _judge(promised, tree, Path(scratch) / "state"))
    return tally


def _judge(promised: Promises, tree: Tree, folder: Path) -> Judged:
    folder.mkdir()
    try:
        for path, content in tree.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return promised.judge(folder)
    finally:
        shutil.rmtree(folder)


def _name(parts: Iterable[tuple[str, bytes]]) -> bytes:
    name = hashlib.blake2b(digest_size=12)
    for path, content in sorted(parts):
        name.update(f"{path}\0{len(content)}\0".encode())
        name.update(content)
    return name.digest()


def _told(entry: Entry) -> str:
    return f"{entry.kind} {entry.path} at {entry.offset}"
