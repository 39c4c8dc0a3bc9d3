"""Time: the only place that reads a clock.

A board without a battery clock wakes in 1970. So every reading carries the monotonic time since
boot, which never
jumps, beside what the wall clock said and how far that is trusted. Durations and deadlines are
monotonic.
"""

from __future__ import annotations

import ctypes
import secrets
import time
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from uuid import UUID

from gateway.model.ids import BootId

BOOT_ID_FILE: Final = Path("/proc/sys/kernel/random/boot_id")
EARLIEST_TRUE_MS: Final = 1_735_689_600_000
"""2025-01-01T00:00:00Z: a wall clock that says less was never set."""
DRIFT_PPM: Final = 100
"""How fast a board's crystal may run away, at worst, while nothing disciplines it."""
APART_MS: Final = 60_000
"""Two clocks further apart than this do not tell one time: no drift explains it."""

_STA_UNSYNC: Final = 0x0040


class Trust(IntEnum):
    """How far the wall clock is to be believed; the number is the wire code."""

    UNSET = 0
    """Never set since boot: the wall time is meaningless, the monotonic time is not."""
    HOLDOVER = 1
    """Was right once, now runs by itself (or was kept by a battery)."""
    SYNCED = 2
    """Disciplined by a time source now."""


class Instant(NamedTuple):
    """One moment as the board saw it."""

    mono_ms: int
    """Milliseconds since boot, CLOCK_BOOTTIME: never jumps, counts through suspend."""
    wall_ms: int
    """Milliseconds since 1970-01-01T00:00:00Z as the wall clock had it then."""
    trust: Trust

    @property
    def utc(self) -> datetime:
        """Return the wall time as an aware UTC datetime."""
        return datetime.fromtimestamp(self.wall_ms / 1000, tz=UTC)


class Clock(Protocol):
    """What reads the time. Passed in, so that a test turns it by hand."""

    @property
    def boot(self) -> BootId:
        """Return the id of this boot of the board."""
        ...

    def now(self) -> Instant:
        """Return this moment."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds since boot, for durations and deadlines."""
        ...

    def uncertainty_ms(self) -> int | None:
        """Return how far the wall time may be off, or None when nobody can say."""
        ...


class _Timex(ctypes.Structure):
    """`struct timex` of Linux, adjtimex(2); only `status` and `maxerror` are read."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),  # microseconds
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_byte * 256),
    )


class SystemClock:
    """The board's own clocks."""

    _TRUST_EVERY_S: Final = 5.0

    def __init__(self) -> None:
        """Read the boot id; a system without one gets a random id, other at each start."""
        try:
            self._boot = BootId(UUID(BOOT_ID_FILE.read_text().strip()).bytes)
        except (OSError, ValueError):
            self._boot = BootId(secrets.token_bytes(16))
        self._trust = Trust.UNSET
        self._trust_read_at = float("-inf")
        self._error_ms: int | None = None
        self._right_at_s = 0.0
        self._libc = ctypes.CDLL(None, use_errno=True)

    @property
    def boot(self) -> BootId:
        """Return the kernel's boot id."""
        return self._boot

    def monotonic_s(self) -> float:
        """Return seconds since boot."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def now(self) -> Instant:
        """Return this moment; trust is asked of the kernel every few seconds, not at each call."""
        mono_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        wall_ms = time.time_ns() // 1_000_000
        if mono_s - self._trust_read_at > self._TRUST_EVERY_S:
            self._trust_read_at = mono_s
            self._trust = self._read_trust(mono_s)
        trust = self._trust if wall_ms >= EARLIEST_TRUE_MS else Trust.UNSET
        return Instant(int(mono_s * 1000), wall_ms, trust)

    def uncertainty_ms(self) -> int | None:
        """Return what the kernel says of a disciplined clock, and its drift since then."""
        self.now()
        if self._error_ms is None:
            return None
        return self._error_ms + drift_ms(self.monotonic_s() - self._right_at_s)

    def _read_trust(self, mono_s: float) -> Trust:
        timex = _Timex()
        if self._libc.adjtimex(ctypes.byref(timex)) < 0 or timex.status & _STA_UNSYNC:
            return Trust.HOLDOVER
        self._error_ms, self._right_at_s = timex.maxerror // 1000 + 1, mono_s
        return Trust.SYNCED


class LearnedClock:
    """A clock that was told the time, for as long as the board's own does not know it.

    The board's clock is never set from here. What was told counts while the board's clock is unset,
    or runs by itself and says another time; a time source of the board's own overrides it. It is a
    hold-over: nothing disciplines it.
    """

    def __init__(self, board: Clock) -> None:
        """Take the board's clock."""
        self._board = board
        self._offset_ms: int | None = None
        self._error_ms = 0
        self._learned_at_s = 0.0

    @property
    def boot(self) -> BootId:
        """Return the id of this boot."""
        return self._board.boot

    @property
    def overrides(self) -> bool:
        """Say whether the time told counts: whoever asks the board itself reads another one."""
        return self._counts(self._board.now())

    def monotonic_s(self) -> float:
        """Return seconds since boot."""
        return self._board.monotonic_s()

    def now(self) -> Instant:
        """Return this moment."""
        at = self._board.now()
        if self._offset_ms is None or not self._counts(at):
            return at
        return Instant(at.mono_ms, at.mono_ms + self._offset_ms, Trust.HOLDOVER)

    def uncertainty_ms(self) -> int | None:
        """Return how far the wall time may be off, or None when nobody can say."""
        if not self.overrides:
            return self._board.uncertainty_ms()
        return self._error_ms + drift_ms(self.monotonic_s() - self._learned_at_s)

    def learn(self, at: Instant, uncertainty_ms: int) -> None:
        """Take a pair of times of this boot.

        Args:
            at: monotonic time, and the true time at that moment.
            uncertainty_ms: how far the latter may be off.
        """
        self._offset_ms = at.wall_ms - at.mono_ms
        self._error_ms, self._learned_at_s = uncertainty_ms, at.mono_ms / 1000

    def _counts(self, at: Instant) -> bool:
        if self._offset_ms is None or at.trust is Trust.SYNCED:
            return False
        apart = abs(at.wall_ms - at.mono_ms - self._offset_ms)
        return at.trust is Trust.UNSET or apart > APART_MS


def drift_ms(seconds: float) -> int:
    """Return how far a clock may run away in so many seconds without discipline."""
    return round(seconds * DRIFT_PPM / 1000)
