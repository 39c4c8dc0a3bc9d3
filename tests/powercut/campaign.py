"""What is recorded and replayed: controls, seeded bugs, the rooms, the files, the agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from tests.powercut import agent, bugs
from tests.powercut.promises import FilePromises, RowPromises, StorePromises
from tests.powercut.recording import DRIVER, Recording, leave_old_store
from tests.powercut.replayer import Depth, Tally, replay

FIRST_KILL: Final = 6
"""Before that the file is being made."""
KILL_IN_MIGRATION: Final = 4
LITTLE_ROOM: Final = 9_000
SMALL_LOG: Final = 40
"""Pages after which the write-ahead log begins again."""
FIRST: Final = Depth(seed=1, per_point=7)


@dataclass(frozen=True, slots=True)
class Control:
    """Plain SQLite in a mode of which we know what a power cut does."""

    journal: str
    synchronous: str
    name: str
    behaves: Callable[[Tally], bool]


CONTROLS: Final = (
    Control("WAL", "FULL", "known-good", lambda t: not t.corrupt and not t.lost),
    Control("WAL", "NORMAL", "known-lossy", lambda t: not t.corrupt and bool(t.lost)),
    Control("DELETE", "FULL", "known-lossy", lambda t: not t.corrupt and bool(t.lost)),
    Control("DELETE", "OFF", "known-bad", lambda t: bool(t.corrupt)),
)


@dataclass(frozen=True, slots=True)
class Life:
    """One life of a program that has the store open."""

    seed: int
    rounds: int = 20
    kill_at_sync: int = 0
    """0: it ends in order."""
    checkpoint: int = SMALL_LOG
    room: int = 2**26
    opens: int = 1
    """How often it opens and closes the store."""


@dataclass(frozen=True, slots=True)
class Range:
    """Where campaigns are made."""

    library: Path
    folder: Path
    workers: int = 1

    def recording(self, name: str) -> Recording:
        """Return a new one with an empty folder."""
        place = self.folder / name
        (place / "card").mkdir(parents=True)
        return Recording(self.library, place / "card", place / name)

    def control(self, control: Control, depth: Depth = FIRST, rounds: int = 25) -> Tally:
        """Judge plain SQLite."""
        recording = self.recording(f"{control.journal}-{control.synchronous}")
        options = ["--journal", control.journal, "--synchronous", control.synchronous]
        arguments = ["rows", str(recording.folder), "--rounds", str(rounds), *options]
        recording.run(DRIVER, arguments)
        return replay(recording, RowPromises, depth, workers=self.workers)

    def rooms(
        self, name: str, lives: Sequence[Life], depth: Depth = FIRST, bug: str = "none"
    ) -> Tally:
        """Judge the store in the hands of the real rooms, through several lives."""
        recording = self.recording(name)
        card = str(recording.folder)
        leave_old_store(recording)
        for life in lives:
            options = {
                "--seed": life.seed,
                "--rounds": life.rounds,
                "--checkpoint": life.checkpoint,
                "--room": life.room,
                "--opens": life.opens,
                "--bug": bug,
            }
            arguments = [str(part) for option in options.items() for part in option]
            recording.run(DRIVER, ["store", card, *arguments], kill_at_sync=life.kill_at_sync)
        around = bugs.IN_STORE[bug] if bug in bugs.WHILE_JUDGING else nullcontext
        return replay(recording, StorePromises, depth, workers=self.workers, around=around)

    def files(self, name: str, depth: Depth = FIRST, bug: str = "none", rounds: int = 25) -> Tally:
        """Judge `durable_write`."""
        recording = self.recording(name)
        arguments = ["state", str(recording.folder), "--rounds", str(rounds), "--bug", bug]
        recording.run(DRIVER, arguments)
        return replay(recording, FilePromises, depth, workers=self.workers)

    def agent(self, name: str, play: agent.Play, depth: Depth = FIRST) -> Tally:
        """Judge the store of the real agent."""
        place = self.folder / name
        place.mkdir()
        recording = agent.record(self.library, place, play)
        return replay(recording, StorePromises, depth, workers=self.workers)


def lives(seed: int, rounds: int) -> list[Life]:
    """Return ends in order, kills just before a sync, and little room, one after the other."""
    chance = Random(seed)

    def kill() -> int:
        return chance.randint(FIRST_KILL, rounds)

    return [
        Life(chance.randrange(2**32), rounds, KILL_IN_MIGRATION),
        Life(chance.randrange(2**32), rounds),
        Life(chance.randrange(2**32), rounds, kill()),
        Life(chance.randrange(2**32), rounds, kill(), room=LITTLE_ROOM),
        Life(chance.randrange(2**32), rounds, kill()),
        Life(chance.randrange(2**32), rounds, room=LITTLE_ROOM),
        Life(chance.randrange(2**32), rounds),
    ]


LIVES_OF_BUGS: Final[Mapping[str, Sequence[Life]]] = {
    "log-of-the-killed-not-synced": [Life(1, kill_at_sync=9), Life(2, rounds=2)],
    "sequence-from-what-is-left": [Life(1, room=LITTLE_ROOM, opens=2)],
}


def lives_with(bug: str) -> Sequence[Life]:
    """Return the lives in which a bug of the store shows."""
    return LIVES_OF_BUGS.get(bug, [Life(1, rounds=8, opens=2)])
