"""A twin of a small device on a serial line: it answers frames, talks by itself, or both."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from simulators.faults import Silent
from simulators.lines.serial_server import SerialServer
from simulators.lines.spoiling import serial_wire
from simulators.truth import TruthJournal
from simulators.twin import Struck, Twin, delay_s

HEARD: Final = 512
"""Bytes of others a device keeps while it looks for a request."""


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Said:
    """Something a device says after a request."""

    wire: bytes
    after_s: float = 0.0
    still: Callable[[], bool] = _always
    """Asked when the time has come: whether it still has a reason to say it."""


class ByteTwin(Twin):
    """A device that speaks frames of its own on a serial line."""

    def __init__(self, name: str, truth: TruthJournal, baud_rate: int | None = None) -> None:
        """Take what all twins take; see `Twin`."""
        super().__init__(name, truth, baud_rate)
        self._stepped_at: float | None = None

    # For a kind of twin

    @abstractmethod
    def step(self, dt_s: float) -> None:
        """Let that many seconds of physics pass."""

    @abstractmethod
    def cut(self, heard: bytearray) -> bytes | None:
        """Take the next request to this device out of what was heard; None: there is none yet."""

    @abstractmethod
    def answer(self, request: bytes, struck: Sequence[Struck]) -> Sequence[Said]:
        """Carry the request out and return what is said to it, before the faults of a line."""

    @property
    def talks_every_s(self) -> float | None:
        """Return how often it talks by itself now; None: it does not."""
        return None

    def talk(self, struck: Sequence[Struck]) -> bytes:
        """Return what it says by itself now; nothing: b""."""
        del struck
        return b""

    def spoil(self, struck: Sequence[Struck], wire: bytes, request: bytes) -> bytes:
        """Return what faults make of something said; its checksum is last, if it is not said here.

        Args:
            struck: the faults that strike it.
            wire: as it should be.
            request: what was asked, for an echo; empty when nobody asked just now.
        """
        return serial_wire(struck, wire, request)

    # What all share

    def advance(self, now_s: float) -> None:
        """Let the physics run up to that time."""
        if self._stepped_at is None:
            self._stepped_at = now_s
        passed, self._stepped_at = now_s - self._stepped_at, now_s
        if passed > 0:
            self.step(passed)


class ByteSlave:
    """Joins such a twin to its line."""

    LOOKS_EVERY_S: Final = 0.25
    """How often a device that does not talk by itself is asked whether it does now."""

    def __init__(self, line: SerialServer, twin: ByteTwin) -> None:
        """Join the line."""
        self._twin = twin
        self._loop = asyncio.get_running_loop()
        self._heard = bytearray()
        self._busy = False
        self.end: Final = line.hub.add_end(self._hear, twin.baud_rate or line.hub.baud_rate)
        line.join(twin, self)
        self._talk_later()

    def _hear(self, wire: bytes) -> None:
        self._heard += wire
        del self._heard[:-HEARD]
        self._twin.advance(self._loop.time())
        while (request := self._twin.cut(self._heard)) is not None:
            self._asked(request)

    def _asked(self, request: bytes) -> None:
        if self._busy:
            return
        struck = self._twin.strike()
        if not self._twin.hears(struck):
            return
        self._busy = True
        self._loop.call_later(delay_s(struck), self._answer, request, struck)

    def _answer(self, request: bytes, struck: Sequence[Struck]) -> None:
        self._busy = False
        if self._twin.off:
            return
        self._twin.advance(self._loop.time())
        said = self._twin.answer(request, struck)
        if any(isinstance(fault, Silent) for fault, _rng in struck):
            return
        for each in said:
            wire = self._twin.spoil(struck, each.wire, b"" if each.after_s else request)
            if each.after_s:
                self._loop.call_later(each.after_s, self._say, wire, each.still)
            else:
                self._say(wire, each.still)

    def _say(self, wire: bytes, still: Callable[[], bool]) -> None:
        if wire and not self._twin.off and still():
            self._twin.sent()
            self.end.say(wire)

    def _talk_later(self) -> None:
        every_s = self._twin.talks_every_s
        self._loop.call_later(every_s or self.LOOKS_EVERY_S, self._talk, every_s is not None)

    def _talk(self, due: bool) -> None:  # noqa: FBT001 - a timer calls it
        self._talk_later()
        if not due or self._twin.talks_every_s is None or self._twin.off:
            return
        self._twin.advance(self._loop.time())
        struck = self._twin.strike()
        if not any(isinstance(fault, Silent) for fault, _rng in struck):
            late_s = delay_s(struck)
            wire = self._twin.spoil(struck, self._twin.talk(struck), b"")
            self._loop.call_later(late_s, self._say, wire, _always)
