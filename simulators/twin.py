"""A twin: one device with its faults and the journal of what it served, whatever it speaks. No I/O.

A kind of twin says what it answers; what all share stands here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from simulators.faults import Fault, Flood, Reboot, Refuse, Silent, Slow
from simulators.truth import TruthJournal


class Struck(NamedTuple):
    """A fault that strikes one answer, with its own random numbers."""

    fault: Fault
    rng: Random


def spoiled(struck: Iterable[Struck]) -> bool:
    """Say whether one of the faults leaves nothing that can be taken for an answer."""
    return any(item.fault.spoils for item in struck)


def delay_s(struck: Iterable[Struck]) -> float:
    """Return how late the answer starts."""
    return sum(
        fault.delay_s + rng.random() * fault.jitter_s
        for fault, rng in struck
        if isinstance(fault, Slow)
    )


@dataclass(slots=True, eq=False)
class InPlay:
    """A fault that holds now, with its own random numbers."""

    fault: Fault
    rng: Random


@dataclass(slots=True)
class Counts:
    """What one twin did since the start."""

    requests: int = 0
    """Asked of it, and understood by its line."""
    answered: int = 0
    """Sent, spoiled or not."""
    struck: int = 0
    """Of all requests, those that a fault struck."""


class Twin(ABC):
    """One device on a line, whatever the line is."""

    def __init__(self, name: str, truth: TruthJournal, baud_rate: int | None = None) -> None:
        """Take the journal of what it serves.

        Args:
            name: of the twin.
            truth: where it notes what it served.
            baud_rate: bits a second on a serial line; None: as the line.
        """
        self.name: Final = name
        self.baud_rate: Final = baud_rate
        self.answers = 0
        """How many answers with the counter in them went out whole."""
        self.counts: Final = Counts()
        self._truth = truth
        self._faults: list[InPlay] = []
        self._was_refusing = False
        """Whether it refused everything until just now."""

    # For a kind of twin

    @abstractmethod
    def power_on(self) -> None:
        """Be as after power-up."""

    @abstractmethod
    def advance(self, now_s: float) -> None:
        """Let the physics run up to that time."""

    @abstractmethod
    def about(self) -> dict[str, object]:
        """Return how it is reached on its line, as plain values."""

    # What all share

    @property
    def faults(self) -> tuple[InPlay, ...]:
        """Return the faults that hold now."""
        return tuple(self._faults)

    @property
    def off(self) -> bool:
        """Say whether the device is restarting."""
        return any(isinstance(item.fault, Reboot) for item in self._faults)

    def begin(self, fault: Fault) -> InPlay:
        """Let a fault hold from now on."""
        held = InPlay(fault, Random(fault.seed))
        self._faults.append(held)
        self.doubt()
        if isinstance(fault, Reboot):
            self.power_on()
        return held

    def end(self, held: InPlay) -> None:
        """End a fault; does nothing when it has ended."""
        if held in self._faults:
            self._faults.remove(held)
            self._was_refusing |= isinstance(held.fault, Refuse)

    def doubt(self) -> None:
        """Take back the certainty of what was served a moment ago.

        A reader may ask several things of a device and throw all of them away when one fails.
        """
        self._truth.doubt(self.name)

    def strike(self) -> tuple[Struck, ...]:
        """Draw which of the faults strike the answer to one request."""
        self.counts.requests += 1
        struck = tuple(
            Struck(held.fault, held.rng)
            for held in self._faults
            if not isinstance(held.fault, Flood) and held.rng.random() < held.fault.probability
        )
        self.counts.struck += bool(struck)
        return struck

    def hears(self, struck: tuple[Struck, ...]) -> bool:
        """Say whether the device takes the request in at all."""
        return not self.off and not any(
            isinstance(fault, Silent) and not fault.obeys for fault, _rng in struck
        )

    def sent(self) -> None:
        """Count an answer that went out, spoiled or not."""
        self.counts.answered += 1

    def served(self, number: int, *, certain: bool) -> None:
        """Take down that this number went out whole.

        Who was refused may try a part first, and throw it away for all of it in the same moment.
        """
        self.answers = number
        self._truth.note(self.name, number, certain=certain and not self._was_refusing)
        self._was_refusing = False
