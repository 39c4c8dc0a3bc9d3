"""A meter on wired M-Bus: read whole every time, its records told as points.

Source: EN 13757-2 and EN 13757-3 (what was read of them: `README.md`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

from drivers.mbus import points, status
from drivers.mbus.config import MbusConfig
from drivers.mbus.readout import Asking, CountBit, Meter, read_out
from drivers.media.framing import ByteLine
from gateway.model.driver import Manifest, PollGroup
from gateway.model.reading import PointTable, Sample


class Mbus:
    """One meter. A `PolledDriver`."""

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

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the one group: a meter tells all it has at once."""
        return (self._group,)

    async def poll(self, group: PollGroup) -> Sample:
        """Read the meter whole, once.

        Raises:
            NoResponseError: it says nothing, or that it is busy.
            FrameError: what came is no answer of it, or it never comes to an end.
            DeviceRejectedError: it refuses, encrypts, or speaks what is not understood here.
            BusUnavailableError: the line is gone.
        """
        del group  # there is only one
        told = await read_out(self._asking, self._meter, self._count)
        return points.sample(self._points, told)


def _address(config: MbusConfig) -> Hashable:
    return config.who or config.address


MANIFEST: Final = Manifest(
    name="mbus", media=("serial", "tcp"), config=MbusConfig, build=Mbus, address=_address
)
