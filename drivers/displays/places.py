"""`places-display`: how many places are free, by direction, on any board."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from drivers.displays.board import Board
from drivers.displays.config import PlacesConfig, PlacesDevice, address_of, prepare_places
from drivers.displays.picture import Picture
from drivers.media.framing import ByteLine
from gateway.model.driver import Manifest, PollGroup, Priority
from gateway.model.errors import CommandRefusedError, NoResponseError
from gateway.model.ids import PointId
from gateway.model.reading import (
    NO_FLAGS,
    Cause,
    Flag,
    Kind,
    Point,
    PointTable,
    Quality,
    Sample,
    Value,
)

SHOWN: Final = PointId("shown")
UNKNOWN: Final = Flag(Quality.BAD, Cause.NO_VALUE)
STALE: Final = Flag(Quality.BAD, Cause.STALE)
TAKEN: Final = Flag(Quality.UNCERTAIN, Cause.ESTIMATED)


class PlacesDisplay:
    """One display. A `PolledDriver` and a `CommandableDriver`.

    A number that nobody has repeated for `believe_s` is taken off: a display that goes on showing
    an old number sends drivers to places that are taken.
    """

    def __init__(self, device: PlacesDevice, line: ByteLine) -> None:
        """Take the display and its line.

        Raises:
            ValueError: the model has no such address.
        """
        self._options: Final = device.options
        self._board: Final = Board(device, line)
        self._picture: Final = Picture(self._board, None)
        self._free: Final[dict[str, tuple[int, float]]] = {}
        """By direction: the number, and when it was said."""
        self._names: Final = {PointId(f"free_{name}"): name for name in device.options.directions}
        points = [
            Point(name, unit="{count}", kind=Kind.NUMBER, writable=True, low=0, high=99_999)
            for name in self._names
        ]
        points.append(Point(SHOWN, kind=Kind.TEXT))
        self._group: Final = PollGroup("places", PointTable(*points), device.options.period_s)

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the one group."""
        return (self._group,)

    async def poll(self, group: PollGroup) -> Sample:  # noqa: ARG002 - there is one
        """Bring the display up to date.

        Raises:
            NoResponseError: it says nothing.
            FrameError: what it says is no answer.
            DeviceRejectedError: it says no.
            BusUnavailableError: the line is gone.
        """
        await self._board.status(Priority.POLL)
        await self._board.watch(self._options.watchdog_s, Priority.POLL)
        if self._options.brightness is not None:
            await self._board.dim(self._options.brightness, Priority.POLL)
        self._picture.wanted = self._text()
        await self._picture.keep()
        return self._sample()

    def _believed(self, name: str) -> tuple[int | None, Flag | None]:
        said = self._free.get(name)
        if said is None:
            return None, UNKNOWN
        number, at_s = said
        if asyncio.get_running_loop().time() - at_s > self._options.believe_s:
            return None, STALE
        return number, None

    def _text(self) -> str:
        options = self._options
        shown: dict[str, str] = {}
        for name in options.directions:
            number, _ = self._believed(name)
            if number is None:
                text = options.unknown_text
            elif number == 0 and options.full_text:
                text = options.full_text
            else:
                text = str(min(number, 10**options.digits - 1))
            shown[name] = text.rjust(options.digits)
        return options.picture.format(**shown)

    def _sample(self) -> Sample:
        cells: list[Value | None] = []
        flags: dict[int, Flag] = {}
        for place, name in enumerate(self._names.values()):
            number, flag = self._believed(name)
            cells.append(number)
            if flag is not None:
                flags[place] = flag
        if not self._picture.proved:
            flags[len(cells)] = TAKEN
        cells.append(self._picture.held)
        return Sample(tuple(cells), flags or NO_FLAGS)

    async def write(self, point: PointId, value: Value) -> Value:
        """Show how many places are free in one direction.

        Raises:
            CommandRefusedError: no such direction, or no whole number of places.
            DeviceRejectedError: the display says no.
            NoResponseError: it was told, and nothing says that it shows it.
            FrameError: likewise.
            BusUnavailableError: the line is gone.
        """
        name = self._names.get(point)
        if name is None:
            msg = f"{point}: one of {', '.join(self._names)} can be written"
            raise CommandRefusedError(msg)
        if isinstance(value, bool | str) or not 0 <= value <= 99_999 or value != int(value):  # noqa: PLR2004
            msg = f"{point}: a whole number of places expected, not {value!r}"
            raise CommandRefusedError(msg)
        self._free[name] = (int(value), asyncio.get_running_loop().time())
        text = self._text()
        held = await self._picture.show(text)
        if held != text:
            msg = f"{point}: the display shows {held!r}, not {text!r}"
            raise NoResponseError(msg)
        return int(value)


def _schema() -> dict[str, Any]:  # Any: a JSON Schema
    from drivers.displays.schema import DisplayModel  # noqa: PLC0415 - never in the agent

    return DisplayModel.model_json_schema()


MANIFEST: Final = Manifest(
    name="places-display",
    media=("serial", "tcp"),
    config=PlacesConfig,
    build=PlacesDisplay,
    address=address_of,
    prepare=prepare_places,
    profile_schema=_schema,
)
