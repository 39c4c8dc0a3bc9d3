"""`led-board`: a board that shows texts, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from drivers.displays.board import Board
from drivers.displays.config import LedBoardConfig, LedBoardDevice, address_of, prepare_board
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

TEXT: Final = PointId("text")
BRIGHTNESS: Final = PointId("brightness")
OWN: Final = PointId("own_picture")
TAKEN: Final = Flag(Quality.UNCERTAIN, Cause.ESTIMATED)
"""The board took it; nobody can read whether it shows it."""
NO_VALUE: Final = Flag(Quality.BAD, Cause.NO_VALUE)


class LedBoard:
    """One board. A `PolledDriver`, a `CommandableDriver` and a `RememberingDriver`."""

    def __init__(self, device: LedBoardDevice, line: ByteLine) -> None:
        """Take the board and its line.

        Raises:
            ValueError: the model has no such address.
        """
        options = device.options
        self._options: Final = options
        self._board: Final = Board(device, line)
        self._picture: Final = Picture(self._board, options.idle_text)
        self._brightness = options.brightness
        self._learned = False
        sheet = device.sheet
        points = [Point(TEXT, kind=Kind.TEXT, writable=True)]
        if sheet.dim is not None:
            points.append(
                Point(BRIGHTNESS, unit="%", kind=Kind.NUMBER, writable=True, low=0, high=100)
            )
        if sheet.status is not None:
            points.append(Point(OWN, kind=Kind.BOOL))
        self._group: Final = PollGroup("board", PointTable(*points), options.period_s)

    @property
    def groups(self) -> Sequence[PollGroup]:
        """Return the one group."""
        return (self._group,)

    async def poll(self, group: PollGroup) -> Sample:  # noqa: ARG002 - there is one
        """Look at the board, and tell it again what it shall show if it does not.

        Raises:
            NoResponseError: it says nothing.
            FrameError: what it says is no answer.
            DeviceRejectedError: it says no.
            BusUnavailableError: the line is gone.
        """
        status = await self._board.status(Priority.POLL)
        await self._board.watch(self._options.watchdog_s, Priority.POLL)
        shown = _percent(self._board.sheet.levels, status.get("brightness"))
        if self._brightness is not None and shown != self._brightness:
            await self._board.dim(self._brightness, Priority.POLL)
        await self._picture.keep()
        return self._sample(status, shown)

    def _sample(self, status: Mapping[str, str | None], shown: int | None) -> Sample:
        sheet = self._board.sheet
        cells: list[Value | None] = [self._picture.held]
        flags: dict[int, Flag] = {}
        if self._picture.held is None:
            flags[0] = NO_VALUE
        elif not self._picture.proved:
            flags[0] = TAKEN
        if sheet.dim is not None:
            place = len(cells)
            read = "brightness" in status
            value = self._brightness if self._brightness is not None or not read else shown
            cells.append(value)
            if value is None:
                flags[place] = NO_VALUE
            elif not read:
                flags[place] = TAKEN
        if sheet.status is not None:
            cells.append(status.get("own") == "1")
        return Sample(tuple(cells), flags or NO_FLAGS)

    async def write(self, point: PointId, value: Value) -> Value:
        """Show a text or set the brightness, and return what the board says then.

        Raises:
            CommandRefusedError: no such point, or the board cannot show this; nothing was sent.
            DeviceRejectedError: the board says no.
            NoResponseError: it was told, and nothing says that it shows it.
            FrameError: likewise.
            BusUnavailableError: the line is gone.
        """
        if point == TEXT and isinstance(value, str):
            self._learned = True
            return await self._picture.show(value)
        if point == BRIGHTNESS and isinstance(value, int | float) and value == int(value):
            return await self._dim(int(value))
        msg = f"{point}: {value!r} is nothing that this board can be told"
        raise CommandRefusedError(msg)

    async def _dim(self, percent: int) -> Value:
        await self._board.dim(percent, Priority.COMMAND)
        self._brightness = percent
        self._learned = True
        status = await self._board.status(Priority.COMMAND)
        shown = _percent(self._board.sheet.levels, status.get("brightness"))
        if shown is None:
            msg = f"brightness {percent} % was told, and it cannot be read what it is"
            raise NoResponseError(msg)
        return shown

    # Memory

    @property
    def learned(self) -> bool:
        """Say whether there is a picture that `memory` has not told yet."""
        return self._learned

    def memory(self) -> Mapping[str, Any]:  # Any: plain JSON values
        """Return what the board shall show: it is shown again in a new life."""
        self._learned = False
        return {"text": self._picture.wanted, "brightness": self._brightness}

    def recall(self, memory: Mapping[str, Any]) -> None:  # Any: plain JSON values
        """Take it back, where the board can still show it."""
        text, percent = memory.get("text"), memory.get("brightness")
        if isinstance(text, str):
            try:
                self._board.sheet.split(text)
            except CommandRefusedError:
                return  # the profile has changed
            self._picture.wanted = text
        if isinstance(percent, int) and percent in self._board.sheet.levels:
            self._brightness = percent


def _percent(levels: Mapping[int, str], code: str | None) -> int | None:
    return next((percent for percent, known in levels.items() if known == code), None)


def _schema() -> dict[str, Any]:  # Any: a JSON Schema
    from drivers.displays.schema import DisplayModel  # noqa: PLC0415 - never in the agent

    return DisplayModel.model_json_schema()


MANIFEST: Final = Manifest(
    name="led-board",
    media=("serial", "tcp"),
    config=LedBoardConfig,
    build=LedBoard,
    address=address_of,
    prepare=prepare_board,
    profile_schema=_schema,
)
