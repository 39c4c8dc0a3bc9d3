"""What became of asking a device, as counters since the start. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Final, Protocol


class DeviceCounts(Protocol):
    """The counters of one device."""

    no_response: int
    """Questions that nobody answered."""
    frame: int
    """What came that is no answer."""
    rejected: int
    """Valid refusals."""
    fault: int
    """The device says that it is broken."""
    heard: int
    """Groups that it told by itself."""
    crowded: int
    """Of these, left out because they came too close together."""


@dataclass(slots=True)
class _None:
    no_response: int = 0
    frame: int = 0
    rejected: int = 0
    fault: int = 0
    heard: int = 0
    crowded: int = 0


NONE: Final[DeviceCounts] = _None()
"""Of a device that nobody has counted."""
_ERRORS: Final = ("no_response", "frame", "rejected", "fault")
_TELLS: Final = (*_ERRORS, "heard", "crowded")
RESTLESS: Final = "heard"
"""The one that moves all the time."""
_OF_ERRORS: Final = attrgetter(*_ERRORS)
_OF_TELLS: Final = attrgetter(*_TELLS)


def names_of(*, tells: bool) -> tuple[str, ...]:
    """Return the names of the counters.

    Args:
        tells: the device tells by itself.
    """
    return _TELLS if tells else _ERRORS


def counts_of(counts: DeviceCounts, *, tells: bool) -> tuple[int, ...]:
    """Return the counters in the order of their names."""
    taken: tuple[int, ...] = (_OF_TELLS if tells else _OF_ERRORS)(counts)
    return taken
