"""A picture on a board: told, proved where the board can be read, told again when it is lost."""

from __future__ import annotations

import asyncio
from typing import Final

from drivers.displays.board import Board
from gateway.model.driver import Priority
from gateway.model.errors import DeviceError, NoResponseError


class Picture:
    """What a board shall show, and what is known of what it shows."""

    def __init__(self, board: Board, wanted: str | None) -> None:
        """Take the board, and what it shall show until somebody says otherwise."""
        self._board: Final = board
        self._turn: Final = asyncio.Lock()
        self.wanted = wanted
        self.held: str | None = None
        """What the board was found to hold, or, where it cannot be read, took last."""
        self.proved = False
        """It was read, not only taken."""

    async def show(self, text: str) -> str:
        """Show another picture, ahead of all polls, and return what the board holds then.

        Raises:
            CommandRefusedError: it cannot be shown; nothing was sent.
            DeviceRejectedError: the board says no; it shows what it showed.
            NoResponseError: it was told, and nothing says that it shows it.
            FrameError: likewise: what came back is no answer.
            BusUnavailableError: the line is gone.
        """
        self._board.sheet.split(text)
        async with self._turn:
            before, self.wanted = self.wanted, text
            try:
                await self._tell(text, Priority.COMMAND)
            except DeviceError as error:
                if not isinstance(error, NoResponseError):
                    self.wanted = before
                raise
        if self.held is None or not self.proved:
            msg = "the board was told, and it cannot be read what it shows"
            raise NoResponseError(msg)
        return self.held

    async def keep(self) -> None:
        """Look whether the board still holds the picture, and tell it again if not.

        A board that cannot be read is told again each time: it may have lost it.

        Raises:
            DeviceError: as `show`.
        """
        async with self._turn:
            if self.wanted is None:
                return
            pages = self._board.sheet.split(self.wanted)
            held = await self._board.holds(pages, Priority.POLL)
            if held == self.wanted:
                self.held, self.proved = held, True
            else:
                await self._tell(self.wanted, Priority.POLL)

    async def _tell(self, text: str, priority: Priority) -> None:
        pages = self._board.sheet.split(text)
        await self._board.show(pages, priority)
        held = await self._board.holds(pages, priority)
        self.proved = held is not None
        self.held = text if held is None else held
