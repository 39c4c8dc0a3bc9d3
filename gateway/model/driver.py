"""What a driver and a medium are: one small protocol for each thing a device can do.

A driver turns requests into bytes and bytes into values; it is handed its medium and has no clock,
no retry, no log of failures and no platform. A medium owns one shared resource (a serial line, a
connection, a radio) and lets one request on it at a time, commands first.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from gateway.model.discovery import Discover
from gateway.model.errors import BusUnavailableError, DeviceError
from gateway.model.event import Scalar, Severity
from gateway.model.ids import OPERATIONS, Audience, LineId, PointId
from gateway.model.options import Options
from gateway.model.reading import PointTable, Sample, Value


class Priority(IntEnum):
    """Who goes first on a shared line: the lower number."""

    COMMAND = 0
    POLL = 1


class LineStatistics(Protocol):
    """Counters of one medium since it was made; the health room tells them as points."""

    exchanges: int
    """Requests that went out."""
    errors: int
    """Requests that ended without a valid answer."""
    bytes_sent: int
    bytes_received: int
    busy_s: float
    """Time in which the line belonged to somebody."""


@runtime_checkable
class Medium(Protocol):
    """The owner of one line."""

    @property
    def id(self) -> LineId:
        """Return the name of the line in the site file."""
        ...

    @property
    def statistics(self) -> LineStatistics:
        """Return the counters of this line."""
        ...

    async def open(self) -> None:
        """Open the port or connection; does nothing when it is open.

        Raises:
            BusUnavailableError: it is not there; the message says what to look at.
        """
        ...

    async def close(self) -> None:
        """Close it; does nothing when it is closed."""
        ...


@runtime_checkable
class LosingMedium(Protocol):
    """A medium that notices by itself when its port, radio or connection is gone."""

    def when_lost(self, tell: Callable[[BusUnavailableError], None]) -> None:
        """Have `tell` called in the loop, once for each loss, whether or not anybody is asking."""
        ...


class Direction(StrEnum):
    """Which way bytes went over a line."""

    SENT = ">"
    RECEIVED = "<"


@runtime_checkable
class TappedMedium(Protocol):
    """A medium whose bytes can be looked at as they go by."""

    def tap(self, tell: Callable[[Direction, bytes], None] | None) -> None:
        """Have `tell` called in the loop with whatever goes over the line; None: no more."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PollGroup:
    """Points of a device that come together. Hashes by identity."""

    name: str
    table: PointTable
    period_s: float
    """How often they are asked; of points that the device tells by itself: the longest silence in
    which it is still believed to be there."""
    told: bool = False
    """The device tells them by itself: nobody asks, an ear hears them."""
    kept: bool = False
    """Told, and of another time: what the device kept while nobody could ask. Each row has its own
    time among its points, as the device says it; it counts as observed when it was handed over.
    Silence means nothing here, and a device that is lost makes nothing of it BAD."""


class Driver(Protocol):
    """A device: it can be asked (`PolledDriver`), tells by itself (`ListeningDriver`), or both."""

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the groups; together they name every point once."""
        ...


@runtime_checkable
class PolledDriver(Driver, Protocol):
    """A device that tells when asked."""

    async def poll(self, group: PollGroup) -> Sample:
        """Ask for one group, once, without retry.

        Raises:
            DeviceError: as the tree in `gateway.model.errors` says. The caller retries or marks the
                group BAD.
        """
        ...


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened at a device, once: a card was shown, a barrier was forced.

    It becomes an event with the time and the device in it. Nothing personal stands in `args` as it
    is: a card number only as a keyed digest.
    """

    key: str
    """Names the text in the message catalogue; `args` fill it."""
    severity: Severity = Severity.INFO
    args: Mapping[str, Scalar] = field(default_factory=dict)
    audience: Audience = OPERATIONS


class Ear(Protocol):
    """Takes what a device tells. Called in the event loop; never blocks."""

    def heard(self, group: PollGroup, sample: Sample) -> None:
        """Take the points of one group with `told`, as they are at this moment."""
        ...

    def misheard(self, error: DeviceError) -> None:
        """Take that something came that makes no sense: counted, and shown to who looks."""
        ...

    def happened(self, happening: Happening) -> None:
        """Take what happened once; it is committed at once."""
        ...


@runtime_checkable
class ListeningDriver(Driver, Protocol):
    """A device that tells by itself."""

    def attend(self, ear: Ear) -> None:
        """Tell the ear whatever the device tells from now on, in the event loop.

        Called once, before the medium is opened; the medium's `open` and `close` begin and end it.
        """
        ...


@runtime_checkable
class CommandableDriver(Protocol):
    """A device that can be told to do something."""

    async def write(self, point: PointId, value: Value) -> Value:
        """Set the point ahead of all polls, read it back, and return what was read.

        Raises:
            CommandRefusedError: no such point, not writable, or the value is not one it can take.
            DeviceError: as in `poll`; after a NoResponseError nobody knows whether it was done.
        """
        ...


@runtime_checkable
class RememberingDriver(Protocol):
    """A driver that learns something worth keeping, as which merged reads a device refuses."""

    def recall(self, memory: Mapping[str, Any]) -> None:  # Any: plain JSON values, the driver's own
        """Take back what `memory` returned in an earlier life; ignore what no longer fits."""
        ...

    def memory(self) -> Mapping[str, Any]:
        """Return what to keep, small and as plain JSON values; asked whenever `learned` is true."""
        ...

    @property
    def learned(self) -> bool:
        """Say whether there is something new since `memory` was last called."""
        ...


@runtime_checkable
class PlanningDriver(Protocol):
    """A driver that merges what it asks for, and can show how."""

    @property
    def reads(self) -> Mapping[str, Sequence[object]]:
        """Return what each group asks for as it is planned now; `str` of each is for people."""
        ...


def as_they_are(options: Any, _site_dir: Path | None) -> Any:
    """Return the options: a driver that needs nothing else is built from them."""
    return options


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an entry point under `gateway.drivers` names."""

    name: str
    media: Sequence[str]
    """Names of the media (entry points under `gateway.media`) this driver can speak over."""
    config: type[Options]
    """Options of one device beside `id`, `line`, `driver`."""
    build: Callable[[Any, Any], Driver]  # Any: what `prepare` returned, and its medium
    address: Callable[[Any], Hashable]
    """The place on the line from the options: two devices of one line may not share it."""
    prepare: Callable[[Any, Path | None], Any] = as_they_are  # Any: an instance of `config`
    """Takes the options and the folder of the site file, and returns what `build` is given: plain
    data that pickles. Called where the site is checked, never in the agent: what it reads and
    imports costs the agent nothing. Raises ValueError, as a `Checked` option does."""
    discover: Discover | None = None
    """Looks for devices of this driver on a line, where that can be done."""
    profile_schema: Callable[[], dict[str, Any]] | None = None  # Any: a JSON Schema
    """Returns what a profile file of this driver may hold, when it has profiles: for editors."""


@dataclass(frozen=True, slots=True)
class MediumManifest:
    """What an entry point under `gateway.media` names."""

    name: str
    config: type[Options]
    """Options of one line beside `id` and `medium`."""
    build: Callable[[LineId, Any], Medium]  # Any: an instance of `config`
    resource: Callable[[Any], Hashable]
    """The port or address from the options: two lines may not own the same one."""
    probe: Callable[[Any], str | None]
    """Say in a sentence why the port is not there now, or None. Touches nothing on the line."""
