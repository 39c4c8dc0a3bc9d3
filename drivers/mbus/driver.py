"""A meter on wired M-Bus: read whole every time, its records told as points.

Source: EN 13757-2 and EN 13757-3 (what was read of them: `README.md`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from typing import Any, Final

from drivers.mbus import points, status
from drivers.mbus.archive import Archive
from drivers.mbus.config import MbusConfig
from drivers.mbus.readout import Asking, CountBit, Meter, read_out
from drivers.media.framing import ByteLine
from gateway.model.discovery import Looked, Scope, State
from gateway.model.driver import Ear, Manifest, PollGroup
from gateway.model.reading import PointTable, Sample


class Mbus:
    """One meter. A `PolledDriver`.

    With an archive also a `ListeningDriver`, which hands over what the meter kept, and a
    `RememberingDriver`, which knows over a restart what it has handed over.
    """

    def __init__(self, config: MbusConfig, line: ByteLine) -> None:
        """Take the options, and the line it is on."""
        self._points: Final = tuple((wanted, wanted.point) for wanted in config.points)
        table = PointTable(*(point for _, point in self._points), *status.POINTS)
        self._group: Final = PollGroup("meter", table, config.period_s)
        self._asking: Final = Asking(line, config.response_timeout_s, config.characters)
        self._meter: Final = Meter(
            config.primary,
            config.who,
            reset_link=config.reset_link,
            application_reset=config.application_reset,
            most_telegrams=config.most_telegrams,
        )
        self._count: Final = CountBit()
        self._archive: Final = Archive(config.archive, config.archive_from)
        self._groups: Final = (self._group, *([self._archive.group] if config.archive else []))
        self._ear: Ear | None = None

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return what the meter tells now, all at once, and what it kept."""
        return self._groups

    def attend(self, ear: Ear) -> None:
        """Hand over what the meter kept from now on, with each readout."""
        self._ear = ear

    async def poll(self, group: PollGroup) -> Sample:
        """Read the meter whole, once.

        Raises:
            NoResponseError: it says nothing, or that it is busy.
            FrameError: what came is no answer of it, or it never comes to an end.
            DeviceRejectedError: it refuses, encrypts, or speaks what is not understood here.
            BusUnavailableError: the line is gone.
        """
        del group  # only one is asked for
        told = await read_out(self._asking, self._meter, self._count)
        if self._ear is not None and len(self._groups) > 1:
            for kept in self._archive.fresh(told):
                self._ear.heard(self._archive.group, kept)
        return points.sample(self._points, told)

    # Memory

    @property
    def learned(self) -> bool:
        """Say whether more of the archive was handed over than `memory` has told."""
        return self._archive.learned

    def memory(self) -> Mapping[str, Any]:  # Any: plain JSON values
        """Return what of the archive was handed over."""
        return self._archive.memory()

    def recall(self, memory: Mapping[str, Any]) -> None:  # Any: plain JSON values
        """Take back what was handed over in an earlier life."""
        self._archive.recall(memory)


def _address(config: MbusConfig) -> Hashable:
    return config.who or config.address


def _discover(line: ByteLine, scope: Scope, state: State) -> AsyncIterator[Looked]:
    from drivers.mbus.discover import discover  # noqa: PLC0415 - never in the agent

    return discover(line, scope, state)


MANIFEST: Final = Manifest(
    name="mbus",
    media=("serial", "tcp"),
    config=MbusConfig,
    build=Mbus,
    address=_address,
    discover=_discover,
)
