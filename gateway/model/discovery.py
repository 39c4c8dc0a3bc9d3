"""How devices are looked for: what a driver is asked to look through, and what it tells.

Looking only reads. A driver goes step by step and says after each one how to go on from there, so
that a search can be shown, stopped, and taken up again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

State = Mapping[str, Any]  # Any: plain JSON values, the driver's own


async def at_once() -> None:
    """Wait for nothing."""


class Sureness(IntEnum):
    """How sure it is that a device is of a model."""

    POSSIBLE = 1
    """Nothing speaks for it and nothing against it."""
    PLAUSIBLE = 2
    """What was read is such as this model may have."""
    LIKELY = 3
    """It holds what tells this model from others."""
    CERTAIN = 4
    """The device names itself so."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What to look through.

    Args:
        addresses: on the line, where the protocol has numbers for them.
        characters: settings of the line to try, as options of a device (`baud_rate`, `parity`,
            `stop_bits`), the likeliest first; an empty one is the line as it is, none at all: what
            is usual for the driver.
        timeout_s: silence after a question that means that nobody is there.
        site_dir: folder of a site file: profiles beside it are known too.
        ready: waits until the line is quiet; asked before each question.
    """

    addresses: Sequence[int]
    characters: Sequence[Mapping[str, Any]] = ()  # Any: values of options
    timeout_s: float = 0.3
    site_dir: Path | None = None
    ready: Callable[[], Awaitable[None]] = at_once


@dataclass(frozen=True, slots=True)
class Match:
    """A model that a device may be."""

    profile: str
    sureness: Sureness


@dataclass(frozen=True, slots=True)
class Found:
    """A device that answered."""

    driver: str
    options: Mapping[str, Any]  # Any: values of options
    """Those of the site file that reach it: address, and the speed when it is not the line's."""
    identity: Mapping[str, str] = field(default_factory=dict)
    """What it says of itself: maker, model, serial number."""
    matches: Sequence[Match] = ()
    """Models that it may be, the surest first; nothing where the driver needs no profile."""
    remark: str = ""
    """Key of a text of the catalogue: what to know about it."""

    @property
    def best(self) -> Sequence[Match]:
        """Return the surest matches; several: somebody has to say which it is."""
        return [each for each in self.matches if each.sureness == self.matches[0].sureness]


@dataclass(frozen=True, slots=True)
class Looked:
    """One step of a search, done."""

    words: str
    """Where it looked: `9600 8N1, unit 17`."""
    share: float
    """Of the whole search, 0 to 1."""
    state: State
    """How to go on from here."""
    found: Found | None = None
    trouble: str = ""
    """Key of a text of the catalogue: something came that is no answer (several at once, noise)."""


Discover = Callable[[Any, Scope, State], AsyncIterator[Looked]]
"""Takes the medium, what to look through, and how far it was (`{}`: the beginning).

Raises BusUnavailableError when the line is gone; nothing else of what devices do.
"""
