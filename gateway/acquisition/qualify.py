"""What the end of a poll means: readings with their quality, and one event per change.

No I/O: it is handed what came and calls the two sinks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from gateway.acquisition.devices import Counters, Feed, Watched
from gateway.acquisition.outage import Outage
from gateway.acquisition.schedule import Verdict
from gateway.model.clock import Clock, Instant
from gateway.model.errors import (
    BusUnavailableError,
    DeviceError,
    DeviceFaultError,
    DeviceRejectedError,
    NoResponseError,
)
from gateway.model.event import Event, Scalar, Severity
from gateway.model.ids import DeviceId, LineId
from gateway.model.reading import Cause, Reading, Sample, all_bad

log = logging.getLogger(__name__)

_ERROR_LENGTH: Final = 200
MOST_AHEAD_MS: Final = 20
"""Readings that come faster than one a millisecond get the next ones, and no more than so many."""


class Qualifier:
    """Turns the ends of polls of one line into readings and events."""

    def __init__(
        self,
        line: LineId,
        clock: Clock,
        deliver: Callable[[Reading], None],
        happened: Callable[[Event], None],
        *,
        private: bool = False,
    ) -> None:
        """Take what it works with.

        Args:
            line: its name.
            clock: gives the time.
            deliver: gets readings; must not block.
            happened: gets events; must not block.
            private: a point of this line is not for everybody, so no answer is told in bytes:
                events go to all of operations, and to the log.
        """
        self._private: Final = private
        self._line: Final = line
        self._clock: Final = clock
        self._deliver: Final = deliver
        self._happened: Final = happened
        self.line_outage: Final = Outage()

    def answered(self, feed: Feed, sample: Sample) -> None:
        """Take what a device told."""
        if feed.watched.outage.since_s is not None:
            self._device_back(feed.watched)
        if feed.cause:
            self._points_back(feed)
        self._pass_on(feed, sample)

    def handed_over(self, feed: Feed, sample: Sample) -> None:
        """Take what a device kept from another time: it says nothing of how the device is now."""
        self._pass_on(feed, sample)

    def refused(self, feed: Feed, error: DeviceRejectedError | DeviceFaultError) -> None:
        """Take that the device is there and does not give this group."""
        count(feed.watched.counters, error)
        if feed.watched.outage.since_s is not None:
            self._device_back(feed.watched)
        self._points_lost(feed, error)

    def failed(self, feed: Feed, error: DeviceError, verdict: Verdict) -> None:
        """Take that nothing of use came, and what the plan made of it."""
        count(feed.watched.counters, error)
        match verdict:
            case Verdict.LOST:
                feed.watched.cause = cause_of(error)
                self._device_lost(feed.watched, error)
            case Verdict.AWAY:
                self._device_lost(feed.watched, error)
            case Verdict.SILENT:
                self._points_lost(feed, error)
            case Verdict.RETRY | Verdict.ANSWERED | Verdict.BACK:
                pass

    def line_lost(self, feeds: Iterable[Feed], error: BusUnavailableError) -> None:
        """Take that the line is gone, or still gone: every point is BAD."""
        outage = self.line_outage
        if outage.lost(self._clock.monotonic_s()):
            args: dict[str, Scalar] = {
                "error": error_text(error, private=self._private),
                "times": outage.times,
            }
            self._tell("line-lost", Severity.ALARM, None, args)
        for feed in feeds:
            self._pass_on(feed, all_bad(feed.group.table, Cause.LINE_DOWN))

    def line_back(self) -> None:
        """Take that the line is there again. Its points stay BAD until they are asked."""
        duration_s = self.line_outage.back(self._clock.monotonic_s())
        if duration_s is not None:
            self._tell("line-back", Severity.INFO, None, {"duration_s": duration_s})

    def _device_lost(self, watched: Watched, error: DeviceError) -> None:
        outage = watched.outage
        if outage.lost(self._clock.monotonic_s()):
            args: dict[str, Scalar] = {
                "cause": watched.cause.name.lower(),
                "error": error_text(error, private=self._private),
                "times": outage.times,
            }
            self._tell("device-lost", Severity.WARNING, watched.device.id, args)
        for feed in watched.feeds:
            self._pass_on(feed, all_bad(feed.group.table, watched.cause))

    def _device_back(self, watched: Watched) -> None:
        duration_s = watched.outage.back(self._clock.monotonic_s())
        if duration_s is not None:
            missed = sum(int(duration_s / feed.period_s) for feed in watched.feeds)
            args = {"duration_s": duration_s, "missed": missed}
            self._tell("device-back", Severity.INFO, watched.device.id, args)

    def _points_lost(self, feed: Feed, error: DeviceError) -> None:
        """One group is BAD while its device answers."""
        feed.cause = cause_of(error)
        if feed.outage.lost(self._clock.monotonic_s()):
            args: dict[str, Scalar] = {
                "group": feed.group.name,
                "cause": feed.cause.name.lower(),
                "error": error_text(error, private=self._private),
            }
            if isinstance(error, DeviceRejectedError | DeviceFaultError):
                args["code"] = error.code
            key = "device-fault" if isinstance(error, DeviceFaultError) else "points-lost"
            self._tell(key, Severity.WARNING, feed.watched.device.id, args)
        self._pass_on(feed, all_bad(feed.group.table, feed.cause))

    def _points_back(self, feed: Feed) -> None:
        feed.cause = Cause.NONE
        duration_s = feed.outage.back(self._clock.monotonic_s())
        if duration_s is not None:
            args: dict[str, Scalar] = {"group": feed.group.name, "duration_s": duration_s}
            self._tell("points-back", Severity.INFO, feed.watched.device.id, args)

    def _pass_on(self, feed: Feed, sample: Sample) -> None:
        at = self._clock.now()
        ahead_ms = feed.told_ms + 1 - at.mono_ms
        if ahead_ms > 0:  # one moment, one reading: who keeps them tells them apart by their time
            if ahead_ms > MOST_AHEAD_MS:
                feed.watched.counters.crowded += 1
                return
            at = at._replace(mono_ms=at.mono_ms + ahead_ms, wall_ms=at.wall_ms + ahead_ms)
        told = feed.reporter.select(sample, at.mono_ms)
        if told is not None:
            feed.told_ms = at.mono_ms
            self._deliver(reading_of(feed, at, told))

    def _tell(
        self,
        key: str,
        severity: Severity,
        device: DeviceId | None,
        args: Mapping[str, Scalar],
    ) -> None:
        level = logging.INFO if severity is Severity.INFO else logging.WARNING
        log.log(level, key, extra={"line": self._line, "device": device, **args})
        told = {"line": str(self._line), **args}
        self._happened(Event(key, self._clock.now(), severity, device, told))


def reading_of(feed: Feed, at: Instant, sample: Sample) -> Reading:
    """Return a sample as a reading of its device."""
    return Reading(feed.watched.device.id, feed.group.table, at, sample.cells, sample.flags)


def cause_of(error: DeviceError) -> Cause:
    """Return the cause that the points get from an error of their device."""
    match error:
        case NoResponseError():
            return Cause.NO_RESPONSE
        case DeviceRejectedError():
            return Cause.REJECTED
        case DeviceFaultError():
            return Cause.DEVICE_FAULT
        case BusUnavailableError():
            return Cause.LINE_DOWN
        case _:
            return Cause.FRAME


def count(counters: Counters, error: DeviceError) -> None:
    """Add an error to the counters of its device."""
    match error:
        case NoResponseError():
            counters.no_response += 1
        case DeviceRejectedError():
            counters.rejected += 1
        case DeviceFaultError():
            counters.fault += 1
        case _:
            counters.frame += 1


def error_text(error: Exception, *, private: bool) -> str:
    """Return what people are told of an error: short, and without the bytes that came if private.

    An answer that arrives broken holds values all the same, and on a shared line it may be that of
    another device.
    """
    text = str(error)
    if private and isinstance(error, DeviceError) and error.answer:
        text = text.removesuffix(f" [{error.answer.hex(' ')}]")
    return text if len(text) <= _ERROR_LENGTH else f"{text[:_ERROR_LENGTH]}..."
