"""What a kind of profile is: who reads the files of one protocol, checks them and tries them.

An entry point under `gateway.profiles` names a `ProfileKind`. The commands `mayak profile` and the
tests load it; the running agent never does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class PointSheet:
    """One point of a profile, in words."""

    name: str
    unit: str
    kind: str
    where: str
    """Its place in the device: a register, a field of a frame, a topic."""
    writable: bool
    notes: Sequence[str] = ()
    """What else counts: scale, limits, states, patterns that mean no value."""


@dataclass(frozen=True, slots=True)
class ProfileSheet:
    """What a profile says, for people: `mayak profile show` and the page of all profiles."""

    name: str
    protocol: str
    title: Mapping[str, str]
    """By language, `ru` and `en`; so are the caveats."""
    maker: str
    models: Sequence[str]
    document: str
    edition: str
    where: str
    caveats: Sequence[Mapping[str, str]]
    groups: Mapping[str, float]
    """Seconds of each poll group; empty where nobody polls."""
    points: Sequence[PointSheet]
    vectors: int
    """How many test vectors it has."""
    personal: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class HeadWords:
    """What a new profile begins with: said by the person who makes it."""

    name: str
    title_ru: str
    title_en: str
    document: str
    edition: str
    where: str = ""
    maker: str = ""
    models: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ProfileKind:
    """Who knows the profiles of one protocol."""

    protocol: str
    """What stands under `protocol` in the file."""
    schema: Callable[[], dict[str, Any]]  # Any: a JSON Schema
    """What such a file may hold, for editors."""
    sheet: Callable[[Path], ProfileSheet]
    """Reads a file. Raises ValueError, each mistake a line of its text, if it cannot be used."""
    check: Callable[[Path], Sequence[str]]
    """Returns a sentence for each thing wrong with a file: its options, and vectors that do not
    decode to what they say."""
    ask: Callable[[Path, int, str, int], Awaitable[Sequence[str]]] | None = None
    """Reads test vector number N (from 0) with the driver itself from a twin that listens on that
    host and TCP port and holds what the vector says; returns a sentence for each difference. None:
    `check` is all there is."""
    skeleton: Callable[[HeadWords], str] | None = None
    """Returns the text of a new profile with comments for who fills it in; `check` finds nothing
    wrong with it."""
