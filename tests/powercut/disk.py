"""A disk between page cache and platter: what is synced, what is under way, what a cut may leave.

The rules are those of POSIX, not of one file system:

- what a sync of a file covered is there; of everything later any part may be there, in any order;
- a write may be torn at sectors of 512 bytes;
- a file may have grown without the bytes that made it grow: then there are zeros or rubbish;
- a name (create, rename, unlink) is sure only after a sync of its folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePosixPath
from random import Random
from typing import Final, TypeVar

from tests.powercut.recording import MARKS, Entry, RecordingError

Thing = TypeVar("Thing")
SECTOR: Final = 512
RUBBISH: Final = b"\xa5"
Tree = dict[str, bytes]
"""What lies in the folder, by path."""


class Growth(Enum):
    """What stands where a file grew but the bytes did not arrive."""

    NONE = None
    ZEROS = b"\0"
    RUBBISH = RUBBISH


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One write, truncation or allocation that is not synced."""

    kind: str
    offset: int
    data: bytes

    @property
    def end(self) -> int:
        """Return where the file reaches with it."""
        return self.offset + len(self.data)


@dataclass(slots=True, eq=False)
class File:
    """One inode."""

    synced: bytes = b""
    changes: list[Change] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Naming:
    """One change of names that is not synced."""

    folder: str
    path: str
    file: File | None
    """Whose name it becomes; None: the name goes."""
    instead_of: str | None = None
    """The name that goes in the same step."""


@dataclass(frozen=True, slots=True)
class Cut:
    """One way in which the power may go: what of the unsynced arrived."""

    changes: frozenset[Change]
    namings: frozenset[Naming]
    torn: Change | None = None
    """Arrives in part."""
    sectors: frozenset[int] = frozenset()
    """Which sectors of it arrive."""
    growth: Growth = Growth.NONE


class Disk:
    """The folder, entry after entry."""

    def __init__(self) -> None:
        """Begin with nothing in the folder."""
        self._inodes: dict[int, File] = {}
        self._names: dict[str, File] = {}
        self._synced_names: dict[str, File] = {}
        self._namings: list[Naming] = []

    def apply(self, entry: Entry) -> bool:
        """Take an entry; say whether it did anything to files.

        Raises:
            RecordingError: it does not fit what came before.
        """
        if entry.kind in "LNVK" or entry.path == MARKS:
            return False
        match entry.kind:
            case "W" | "T" | "A":
                self._file(entry).changes.append(Change(entry.kind, entry.offset, entry.data))
            case "S":
                file = self._file(entry)
                file.synced = _whole(file)
                file.changes.clear()
            case "C":
                file = self._inodes[entry.inode] = File()
                self._name(Naming(_folder(entry.path), entry.path, file))
            case "R":
                new = entry.data.decode()
                moved = self._names.get(entry.path)
                if moved is None:
                    msg = f"{entry.path}: renamed before it was made"
                    raise RecordingError(msg)
                self._name(Naming(_folder(new), new, moved, entry.path))
            case "U":
                self._name(Naming(_folder(entry.path), entry.path, None))
            case "D":
                self._sync_names(entry.path)
            case other:
                msg = f"{entry.path}: an entry of kind {other!r}"
                raise RecordingError(msg)
        return True

    def now(self) -> Tree:
        """Return the folder as programs see it."""
        return {path: _whole(file) for path, file in self._names.items()}

    def left_by(self, cut: Cut) -> Tree:
        """Return the folder as it lies after a power cut."""
        names = dict(self._synced_names)
        for naming in self._namings:
            if naming in cut.namings:
                _rename(names, naming)
        return {path: _content(file, cut) for path, file in names.items()}

    def cuts(self, rng: Random, most: int) -> Iterator[Cut]:
        """Return ways in which the power may go now: the plain ones first, then others by chance.

        Args:
            rng: seeded.
            most: how many at the most.
        """
        changes = self._changes()
        namings = list(self._namings)
        nothing: frozenset[Change] = frozenset()
        no_names: frozenset[Naming] = frozenset()
        plain = [
            Cut(nothing, frozenset(namings)),
            Cut(frozenset(changes), frozenset(namings)),
            Cut(frozenset(changes), no_names),
            Cut(nothing, no_names),
        ]
        plain = plain if namings else plain[:2]
        plain = plain if changes else plain[::2]
        yield from plain[:most]
        if changes or len(namings) > 1:
            for _ in range(most - len(plain)):
                yield self._by_chance(rng, changes, namings)

    def _by_chance(self, rng: Random, changes: list[Change], namings: list[Naming]) -> Cut:
        # Journals keep the order of names; a disk without one keeps none.
        if rng.random() < 0.75:
            named = frozenset(namings[: rng.randint(0, len(namings))])
        else:
            named = frozenset(_some(rng, namings, 0.5))
        if not changes:
            return Cut(frozenset(), named)
        growth = rng.choice(list(Growth))
        one = changes[-1] if rng.random() < 0.3 else rng.choice(changes)
        others = frozenset(changes) - {one}
        match rng.randrange(6):
            case 0:
                arrived = others
            case 1:
                arrived = frozenset({one})
            case 2:
                arrived = frozenset(changes[: rng.randrange(len(changes) + 1)])
            case 3:
                return _torn(rng, Cut(others, named, one, growth=growth))
            case 4:
                earlier = frozenset(changes[: changes.index(one)])
                return _torn(rng, Cut(earlier, named, one, growth=growth))
            case _:
                arrived = frozenset(_some(rng, changes, rng.random()))
        return Cut(arrived, named, growth=growth)

    def _changes(self) -> list[Change]:
        seen = {id(file): file for file in self._names.values()}
        seen.update((id(file), file) for file in self._synced_names.values())
        return [change for file in seen.values() for change in file.changes]

    def _file(self, entry: Entry) -> File:
        try:
            return self._inodes[entry.inode]
        except KeyError:
            msg = f"{entry.path}: written before it was made"
            raise RecordingError(msg) from None

    def _name(self, naming: Naming) -> None:
        _rename(self._names, naming)
        self._namings.append(naming)

    def _sync_names(self, folder: str) -> None:
        for naming in self._namings:
            if naming.folder == folder:
                _rename(self._synced_names, naming)
        self._namings = [naming for naming in self._namings if naming.folder != folder]


def _rename(names: dict[str, File], naming: Naming) -> None:
    if naming.file is None:
        names.pop(naming.path, None)
        return
    names[naming.path] = naming.file
    if naming.instead_of is not None and names.get(naming.instead_of) is naming.file:
        del names[naming.instead_of]


def _content(file: File, cut: Cut) -> bytes:
    if not file.changes:
        return file.synced
    content = bytearray(file.synced)
    for change in file.changes:
        if change in cut.changes:
            _arrive(content, change)
        elif change.kind == "W":
            if cut.growth.value is not None:
                _grow(content, change.end, cut.growth.value)
            if change is cut.torn:
                for start, data in _pieces(change, cut.sectors):
                    _put(content, start, data)
    return bytes(content)


def _arrive(content: bytearray, change: Change) -> None:
    match change.kind:
        case "W":
            _put(content, change.offset, change.data)
        case "T":
            del content[change.offset :]
            _grow(content, change.offset)
        case _:
            _grow(content, change.offset)


def _whole(file: File) -> bytes:
    return _content(file, Cut(frozenset(file.changes), frozenset()))


def _put(content: bytearray, offset: int, data: bytes) -> None:
    _grow(content, offset)
    content[offset : offset + len(data)] = data


def _grow(content: bytearray, size: int, fill: bytes = b"\0") -> None:
    if size > len(content):
        content += fill * (size - len(content))


def _sectors(change: Change) -> range:
    return range(change.offset // SECTOR, (change.end + SECTOR - 1) // SECTOR)


def _pieces(change: Change, sectors: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    for sector in sectors:
        start = max(sector * SECTOR, change.offset)
        end = min((sector + 1) * SECTOR, change.end)
        yield start, change.data[start - change.offset : end - change.offset]


def _torn(rng: Random, cut: Cut) -> Cut:
    """Return the cut with some sectors of the torn change: the first ones, or any."""
    if cut.torn is None:
        return cut
    sectors = list(_sectors(cut.torn))
    if rng.random() < 0.5:
        kept = sectors[: rng.randrange(len(sectors) + 1)]
    else:
        kept = _some(rng, sectors, 0.5)
    return Cut(cut.changes, cut.namings, cut.torn, frozenset(kept), cut.growth)


def _some(rng: Random, things: list[Thing], share: float) -> list[Thing]:
    return [thing for thing in things if rng.random() < share]


def _folder(path: str) -> str:
    parent = str(PurePosixPath(path).parent)
    return "" if parent == "." else parent
