"""Finds profiles and who knows them, and tries one: its text, its vectors, its twin, its driver."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from gateway.model.profile import ProfileKind
from simulators.modbus.profile.reader import FOLDER
from simulators.profiles.twins import TWINS, Serve

GROUP: Final = "gateway.profiles"
DEFAULT_PROTOCOL: Final = "modbus"


class NoProfileError(ValueError):
    """There is no such profile; says where was looked."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one profile."""

    file: Path
    protocol: str
    vectors: int
    """How many test vectors it has."""
    twin: bool
    """They were read with the driver from a twin, not only decoded."""
    problems: Sequence[str]

    @property
    def passed(self) -> bool:
        """Say whether nothing was found wrong."""
        return not self.problems


def kinds() -> dict[str, ProfileKind]:
    """Return who knows which profiles, by protocol."""
    loaded: list[ProfileKind] = [entry.load() for entry in entry_points(group=GROUP)]
    return {kind.protocol: kind for kind in loaded}


def shipped() -> list[Path]:
    """Return Mayak's own profiles."""
    return sorted(FOLDER.glob("*.toml"))


def find(name: str, folder: Path | None) -> Path:
    """Return the file of a profile: a path as it is, a name first in `folder`, then among our own.

    Raises:
        NoProfileError: there is none.
    """
    if name.endswith(".toml") or "/" in name:
        places = [Path(name)]
    elif re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", name):
        places = [each / f"{name}.toml" for each in (folder, FOLDER) if each is not None]
    else:
        places = []
    for place in places:
        if place.is_file():
            return place
    looked = ", ".join(map(str, places)) or "nowhere: that is no name"
    msg = f"there is no profile {name!r} (looked: {looked})"
    raise NoProfileError(msg)


def protocol_of(path: Path) -> str:
    """Return what the device of a profile speaks; of a file that is no TOML, the default."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get("protocol", DEFAULT_PROTOCOL)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return DEFAULT_PROTOCOL
    return str(found)


def nobody_knows(path: Path, protocol: str, known: Mapping[str, ProfileKind]) -> str:
    """Return the sentence for a profile of a protocol that nobody here speaks."""
    have = ", ".join(sorted(known))
    return f"{path}: nobody knows profiles of {protocol!r}; there are: {have}"


async def try_profile(
    path: Path,
    known: Mapping[str, ProfileKind],
    told: Callable[[], None],
    twins: Mapping[str, Serve] = TWINS,
) -> Verdict:
    """Check a file, then read each of its vectors with the driver from a twin made of it.

    Args:
        path: of the profile.
        known: who knows which protocol.
        told: called after each vector.
        twins: by protocol; a protocol without one is checked only.
    """
    protocol = protocol_of(path)
    kind = known.get(protocol)
    if kind is None:
        problem = nobody_knows(path, protocol, known)
        return Verdict(path, protocol, 0, twin=False, problems=[problem])
    problems = list(kind.check(path))
    if problems:
        return Verdict(path, protocol, 0, twin=False, problems=problems)
    count, serve = kind.sheet(path).vectors, twins.get(protocol)
    if serve is None or kind.ask is None:
        return Verdict(path, protocol, count, twin=False, problems=[])
    for vector in range(count):
        try:
            async with serve(path, vector) as (host, port):
                problems += await kind.ask(path, vector, host, port)
        except ValueError as error:
            problems.append(f"{path}, vector {vector + 1}: no twin can be made: {error}")
        told()
    return Verdict(path, protocol, count, twin=True, problems=problems)
