"""What a kind of meter is: its records, its physics, its archive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from simulators.mbus.options import MeterOptions

START: Final = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
"""What the clock of a meter says at the start of a scene, unless it is told."""


class Stored(NamedTuple):
    """One value of an archive."""

    at: datetime
    value: int


@dataclass(slots=True)
class Clock:
    """The clock of a meter: local time that nobody corrects."""

    now: datetime = START

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


class Meter(ABC):
    """One kind of meter. It counts, keeps values in its archive, and says all it has."""

    device_type: int
    """What it measures: 2 electricity, 4 heat, 6 warm water, 7 water."""

    def __init__(self, options: MeterOptions, now: datetime = START) -> None:
        """Take the scene's options and the time of its clock."""
        self.options: Final = options
        self.clock: Final = Clock(now)
        self.archive: Final[deque[Stored]] = deque(maxlen=options.stores)
        self._stored_slot = self._slot()

    def advance(self, dt_s: float) -> None:
        """Let physics and clock run; put a value aside whenever its time has come.

        A scene steps finely; who steps by hours gets one value for each slot, all as at the end.
        """
        self.step(dt_s)
        self.clock.advance(dt_s)
        every_s = self.options.stores_every_s
        while self._stored_slot < self._slot():
            self._stored_slot += 1
            at = datetime.fromtimestamp(self._stored_slot * every_s, UTC)
            self.archive.append(Stored(at, self.counted))

    def _slot(self) -> int:
        return int(self.clock.now.timestamp() // self.options.stores_every_s)

    @abstractmethod
    def step(self, dt_s: float) -> None:
        """Let that many seconds of physics pass."""

    @property
    @abstractmethod
    def counted(self) -> int:
        """Return what its archive keeps, in the steps of its main register."""

    @abstractmethod
    def telegrams(self) -> list[bytes]:
        """Return its records now, telegram by telegram, without the counter of answers."""

    @property
    def status(self) -> int:
        """Return the status byte (EN 13757-7, 7.5.6)."""
        options = self.options
        return (
            3 * options.alarm
            | options.battery_low << 2
            | options.permanent_error << 3
            | options.temporary_error << 4
        )
