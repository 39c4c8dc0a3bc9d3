"""What devices tell by themselves, and what their silence means. Nobody waits here.

The poller of a line asks when the next silence is too long, and has it looked at then.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from typing import Final

from gateway.acquisition.devices import ToldFeed, Watched
from gateway.acquisition.qualify import Qualifier, count
from gateway.acquisition.schedule import Verdict
from gateway.model.clock import Clock
from gateway.model.driver import Happening, PollGroup
from gateway.model.errors import DeviceError, NoResponseError
from gateway.model.event import Event, Severity
from gateway.model.reading import Sample

log = logging.getLogger(__name__)

SAME_S: Final = 0.001
"""What is told again within it says nothing new."""


class DeviceEar:
    """The ear of one device. An `Ear`."""

    def __init__(
        self,
        watched: Watched,
        qualifier: Qualifier,
        clock: Clock,
        happened: Callable[[Event], None],
        heard: Callable[[ToldFeed], None],
    ) -> None:
        """Take the device and where what it tells goes.

        Args:
            watched: the device.
            qualifier: of its line.
            clock: gives the time.
            happened: gets events; must not block.
            heard: is told that a group was heard.
        """
        self._watched: Final = watched
        self._feeds: Final = {feed.group: feed for feed in (*watched.told, *watched.kept)}
        self._qualifier: Final = qualifier
        self._clock: Final = clock
        self._happened: Final = happened
        self._heard: Final = heard

    def heard(self, group: PollGroup, sample: Sample) -> None:
        """Take the points of one group, as they are at this moment, or as the device kept them."""
        feed = self._feeds[group]
        if group.kept:
            self._qualifier.handed_over(feed, sample)
            return
        now_s = self._clock.monotonic_s()
        self._watched.counters.heard += 1
        if sample == feed.last and now_s - feed.heard_s < SAME_S:
            return  # said twice in one breath
        feed.heard_s = now_s
        feed.last = sample
        self._heard(feed)
        self._qualifier.answered(feed, sample)

    def misheard(self, error: DeviceError) -> None:
        """Take that something came that makes no sense."""
        count(self._watched.counters, error)

    def happened(self, happening: Happening) -> None:
        """Take what happened once."""
        device = self._watched.device.id
        level = logging.INFO if happening.severity is Severity.INFO else logging.WARNING
        log.log(level, happening.key, extra={"device": device})
        self._happened(
            Event(
                happening.key,
                self._clock.now(),
                happening.severity,
                device,
                happening.args,
                happening.audience,
            )
        )


class Silences:
    """How long the told groups of a line have been silent."""

    def __init__(self, devices: Iterable[Watched], qualifier: Qualifier) -> None:
        """Take the devices of the line."""
        self._feeds: Final = [feed for watched in devices for feed in watched.told]
        self._qualifier: Final = qualifier
        self._next_s = math.inf

    def restart(self, now: float) -> None:
        """Listen from now on: for a start and for a line that is back."""
        for feed in self._feeds:
            feed.heard_s = now
            feed.last = None
        self._plan(now)

    def wait_s(self, now: float) -> float:
        """Return how long nothing can be silent for too long; infinite when nobody tells."""
        return max(0.0, self._next_s - now)

    def look(self, now: float) -> None:
        """Tell who has been silent for too long. Cheap before `wait_s` has passed.

        A group that stays silent is told again in the rhythm of its period, as a failed poll is.
        """
        if now < self._next_s:
            return
        for feed in self._feeds:
            if now - feed.heard_s >= feed.period_s:
                feed.last = None
                feed.heard_s = now
                self._silent(feed)
        self._plan(now)

    def _silent(self, feed: ToldFeed) -> None:
        watched = feed.watched
        name = f"{watched.device.id}.{feed.group.name}"
        error = NoResponseError(f"{name}: nothing was heard for {feed.period_s:g} s")
        away = not any(other.last for other in watched.told) and not watched.polled
        self._qualifier.failed(feed, error, Verdict.LOST if away else Verdict.SILENT)

    def _plan(self, now: float) -> None:
        waits = (feed.heard_s + feed.period_s for feed in self._feeds)
        self._next_s = max(min(waits, default=math.inf), now)
