"""The poll plan of one line: whose turn it is, and how late that is.

Pure: it is told the time and never waits.

Earliest deadline first. A poll is *due* at its slot, its *deadline* is one period later; slots of
a job lie one period apart. Jobs of one period have their slots together: the line works in a burst
and rests until the next one, since waking up costs more than a poll. Slots that were missed are not
made up: at most one is kept, no sooner than half a period after the poll before it; the others are
skipped and counted. A poll whose slot is near is taken early when another one has just ended.

A device that does not answer is asked again as often as `Job.retries` allows; others that are due
go first, so that it costs them one time-out at a time. Then it is *away*: all its jobs share one
probe, a single attempt after 1, 2, 4 .. 10 s. A probe may take a tenth of the line: one that blocks
it for longer than a second comes more seldom. When the device answers, all its jobs are due at
once. The delay goes on growing over returns that did not last half a minute, so that a device with
a loose wire costs no more than a dead one.

A job that stays silent while its siblings answer is put off by itself in the same way; its device
is not away.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from heapq import heappop, heappush
from typing import Final, NamedTuple

from gateway.model.driver import PollGroup
from gateway.model.ids import DeviceId

FIRST_DELAY_S: Final = 1.0
LONGEST_DELAY_S: Final = 10.0
_PROBE_SHARE: Final = 0.1
"""Of the line's time that the probes of one device may take."""
_STEADY_S: Final = 30.0
"""A return that lasted so long clears the record of a device."""
_EARLY_SHARE: Final = 0.25
"""Of the shortest period of a line: so much before its slot a poll may be taken when another one
has just ended. The line wakes up less often, which costs more than the polls themselves."""
_EARLY_MOST_S: Final = 0.25
_AWAKE_S: Final = 0.01
"""A line counts as awake for so long after a poll has ended."""
_SAME_S: Final = 1e-6
"""Times closer than that are one: a wait and the time it began do not add up to the bit."""
_MOST_DOUBLINGS: Final = 12


class Verdict(Enum):
    """What the end of a poll means for its device."""

    ANSWERED = "answered"
    RETRY = "retry"
    """It will be asked again soon; nothing is lost yet."""
    LOST = "lost"
    """The retries are used up: the device is away from now on."""
    AWAY = "away"
    """A probe that was not answered either."""
    SILENT = "silent"
    """This group alone does not answer; the device does."""
    BACK = "back"
    """A probe was answered: all groups of the device are due now."""


@dataclass(slots=True, eq=False)
class _Backoff:
    """How often in a row somebody did not answer, and how long to leave it alone."""

    doublings: int = 0
    back_at: float = -math.inf

    def begin(self, now: float, cost_s: float) -> float:
        """Return the first delay in seconds; short when the record is clear."""
        if now - self.back_at >= _STEADY_S:
            self.doublings = 0
        return self.again(cost_s)

    def again(self, cost_s: float) -> float:
        """Return the next delay in seconds, double the one before."""
        delay = FIRST_DELAY_S * (1 << self.doublings)
        self.doublings = min(self.doublings + 1, _MOST_DOUBLINGS)
        return min(delay, max(LONGEST_DELAY_S, cost_s / _PROBE_SHARE))


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One group of one device, asked each `period_s` seconds. Compares and hashes by identity.

    Args:
        device: whose it is.
        group: what to ask.
        period_s: seconds, above 0.
        retries: how often a poll is repeated before the device counts as away; the largest of
            a device's jobs holds.
    """

    device: DeviceId
    group: PollGroup
    period_s: float
    retries: int = 2

    def __post_init__(self) -> None:
        """Refuse what cannot be planned.

        Raises:
            ValueError: the period is not a positive number, or the retries are negative.
        """
        if not (0 < self.period_s < math.inf) or self.retries < 0:
            name = f"{self.device}.{self.group.name}"
            msg = f"{name}: period {self.period_s} s, {self.retries} retries"
            raise ValueError(msg)


class Turn(NamedTuple):
    """Ask this now."""

    job: Job
    late_s: float
    """How long it could have been asked already."""


class Wait(NamedTuple):
    """Nothing is due."""

    seconds: float
    """Until the next is; infinite when there is no job at all."""


class Tally(NamedTuple):
    """What became of the slots of one job since the plan was made."""

    late: int
    """Polls begun after their deadline."""
    skipped: int
    """Slots given up because the line was busy."""


@dataclass(slots=True, eq=False)
class _Device:
    seats: list[_Seat] = field(default_factory=list)
    retries: int = 0
    failures: int = 0
    """In a row, over all its jobs."""
    answers: int = 0
    spent_s: float = 0.0
    """What its failures in a row have cost the line."""
    away: bool = False
    answered_last: _Seat | None = None
    backoff: _Backoff = field(default_factory=_Backoff)


@dataclass(slots=True, eq=False)
class _Seat:
    """Where one job stands."""

    job: Job
    device: _Device
    slot: float = 0.0
    begun: float = 0.0
    turn: int = 0
    """Number of its valid entry in the heaps; 0 while it has none."""
    running: bool = False
    hurried: bool = False
    failures: int = 0
    answers_seen: int = 0
    """What `device.answers` was at the last failure: more since then means that siblings answer."""
    silent: bool = False
    late: int = 0
    skipped: int = 0
    backoff: _Backoff = field(default_factory=_Backoff)

    def may_be_early(self, now: float) -> bool:
        """Say whether it may be asked before its slot: it answers, and half a period is over."""
        backing_off = self.device.away or self.device.failures or self.silent
        return not backing_off and now - self.begun >= self.job.period_s / 2


_Entry = tuple[float, int, float, _Seat]


class PollPlan:
    """Who is asked when, on one line. One task asks it; all times are monotonic seconds."""

    def __init__(self, jobs: Iterable[Job], now: float) -> None:
        """Take the jobs and begin at `now`."""
        self._devices: Final[dict[DeviceId, _Device]] = {}
        self._seats: Final[dict[Job, _Seat]] = {}
        for job in jobs:
            device = self._devices.setdefault(job.device, _Device())
            seat = self._seats[job] = _Seat(job, device)
            device.seats.append(seat)
            device.retries = max(device.retries, job.retries)
        shortest_s = min((job.period_s for job in self._seats), default=0.0)
        self._early_s = min(_EARLY_SHARE * shortest_s, _EARLY_MOST_S)
        self._turns = 0
        self._waiting: list[_Entry] = []  # release, turn, deadline
        self._ready: list[_Entry] = []  # deadline, turn, release
        self.restart(now)

    def is_away(self, device: DeviceId) -> bool:
        """Say whether only probes go to this device now."""
        return self._devices[device].away

    def tally(self, job: Job) -> Tally:
        """Return what became of the slots of this job."""
        seat = self._seats[job]
        return Tally(seat.late, seat.skipped)

    def restart(self, now: float) -> None:
        """Ask all anew at once; forget who was away.

        For a start and for a line that is back.
        """
        self._waiting.clear()
        self._ready.clear()
        self._ended_at = -math.inf
        for device in self._devices.values():
            device.failures, device.spent_s, device.away = 0, 0.0, False
            device.backoff = _Backoff()
        for seat in self._seats.values():
            seat.failures, seat.silent, seat.running, seat.hurried = 0, False, False, False
            seat.backoff = _Backoff()
            seat.slot = now
            self._put(seat, now, now + seat.job.period_s)

    def next(self, now: float) -> Turn | Wait:
        """Return whose turn it is at `now`, or how long to wait. A turn ends with `done`."""
        waiting, ready = self._waiting, self._ready
        early_s = self._early_s if now - self._ended_at <= _AWAKE_S else 0.0
        while waiting and waiting[0][0] <= now + early_s + _SAME_S:
            release, turn, deadline, seat = waiting[0]
            current = seat.turn == turn
            if current and release > now + _SAME_S and not seat.may_be_early(now):
                break
            heappop(waiting)
            if current:
                heappush(ready, (deadline, turn, release, seat))
        while ready:
            deadline, turn, release, seat = heappop(ready)
            if seat.turn != turn:
                continue
            seat.turn = 0
            seat.running = True
            seat.hurried = False
            seat.begun = now
            if now > deadline:
                seat.late += 1
            return Turn(seat.job, max(0.0, now - release))
        while waiting and waiting[0][3].turn != waiting[0][1]:
            heappop(waiting)
        return Wait(waiting[0][0] - now if waiting else math.inf)

    def done(self, job: Job, now: float, *, ok: bool) -> Verdict:
        """Take the end of a turn and put the job where it belongs next.

        Args:
            job: what was asked.
            now: when it ended.
            ok: whether the device answered; a valid refusal is an answer.
        """
        seat = self._seats[job]
        seat.running = False
        self._ended_at = now
        return self._answered(seat, now) if ok else self._failed(seat, now)

    def hurry(self, jobs: Iterable[Job], now: float) -> None:
        """Let these be due at once: a command changed them, or a person has been at the device."""
        for job in jobs:
            seat = self._seats[job]
            device = seat.device
            if seat.running:
                seat.hurried = True
            elif not device.away:
                self._put(seat, now, now + job.period_s)
            elif not any(other.running for other in device.seats):
                self._probe(device, now, 0.0)

    def _answered(self, seat: _Seat, now: float) -> Verdict:
        device = seat.device
        device.failures = 0
        device.spent_s = 0.0
        device.answers += 1
        device.answered_last = seat
        seat.failures = 0
        if seat.silent:
            seat.silent = False
            seat.backoff.back_at = now
        if not device.away:
            self._put_next(seat)
            return Verdict.ANSWERED
        device.away = False
        device.backoff.back_at = now
        for other in device.seats:
            if other is not seat:
                other.slot = now
                self._put(other, now, now + other.job.period_s)
        seat.slot = seat.begun
        self._put_next(seat)
        return Verdict.BACK

    def _failed(self, seat: _Seat, now: float) -> Verdict:
        device = seat.device
        cost_s = now - seat.begun
        siblings_answer = seat.failures > 0 and device.answers != seat.answers_seen
        seat.failures += 1
        seat.answers_seen = device.answers
        if device.away:
            self._probe(device, now, device.backoff.again(cost_s))
            return Verdict.AWAY
        if seat.silent:
            return self._put_off(seat, now, seat.backoff.again(cost_s))
        if siblings_answer and seat.failures > device.retries:
            return self._put_off(seat, now, seat.backoff.begin(now, cost_s))
        device.failures += 1
        device.spent_s += cost_s
        if device.failures > device.retries:
            device.away = True
            self._probe(device, now, device.backoff.begin(now, device.spent_s))
            return Verdict.LOST
        if seat.failures > device.retries:
            return self._put_off(seat, now, seat.backoff.begin(now, cost_s))
        self._put(seat, now, now + seat.job.period_s)
        return Verdict.RETRY

    def _put_off(self, seat: _Seat, now: float, delay: float) -> Verdict:
        seat.silent = True
        self._put(seat, now + delay, now + delay + seat.job.period_s)
        return Verdict.SILENT

    def _probe(self, device: _Device, now: float, delay: float) -> None:
        """Let one job ask for all: the one that answered last, or each in turn if none ever did."""
        probe = device.answered_last or min(device.seats, key=lambda seat: seat.failures)
        for seat in device.seats:
            seat.turn = 0
        self._put(probe, now + delay, now + delay + LONGEST_DELAY_S)

    def _put_next(self, seat: _Seat) -> None:
        """Find the next slot after a turn that was answered, skipping those that were missed."""
        period = seat.job.period_s
        slot = seat.slot + period
        behind = seat.begun - slot
        if behind >= period:
            missed = int(behind / period)
            seat.skipped += missed
            slot += missed * period
        seat.slot = slot
        release = seat.begun if seat.hurried else max(slot, seat.begun + period / 2)
        self._put(seat, release, slot + period)

    def _put(self, seat: _Seat, release: float, deadline: float) -> None:
        self._turns += 1
        seat.turn = self._turns
        heappush(self._waiting, (release, self._turns, deadline, seat))
