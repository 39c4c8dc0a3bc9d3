"""Tells a board what to show, and asks it what it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from drivers.displays.charset import SEPARATOR
from drivers.displays.config import BoardConfig, BoardDevice
from drivers.displays.sheet import Saying
from drivers.media.framing import ByteLine
from drivers.telegrams.reader import Reader
from drivers.telegrams.talk import Talker
from gateway.model.driver import Priority
from gateway.model.errors import CommandRefusedError

Pages = Sequence[tuple[str, bytes]]


class Board:
    """One board on a line."""

    def __init__(self, device: BoardDevice, line: ByteLine) -> None:
        """Take the board and its line.

        Raises:
            ValueError: the model has no such address.
        """
        config: BoardConfig = device.board_options
        self.sheet: Final = device.sheet
        known = self.sheet.language.address
        address = known.check(known.default if config.address is None else config.address)
        self._address: Final = address
        self._talker: Final = Talker(
            self.sheet.language,
            line,
            address,
            timeout_s=config.response_timeout_s,
            characters=config.characters,
        )

    async def show(self, pages: Pages, priority: Priority) -> None:
        """Write pages and let them run, one after the other.

        Raises:
            DeviceRejectedError: the board says no.
            NoResponseError: it says nothing where it should.
            FrameError: what it says is no answer.
            BusUnavailableError: the line is gone.
        """
        for name, text in pages:
            await self._say(self.sheet.page, priority, page=name, value=text)
        if self.sheet.run is not None:
            names = "".join(name for name, _ in pages)
            await self._say(self.sheet.run, priority, pages=names)

    async def holds(self, pages: Pages, priority: Priority) -> str | None:
        """Return what the board holds in these pages, as one picture; None where it cannot tell.

        Raises:
            DeviceError: as `show`.
        """
        read = self.sheet.read
        if read is None:
            return None
        texts = [
            self._text((await self._say(read, priority, page=name)).get("text"))
            for name, _ in pages
        ]
        return SEPARATOR.join(text if text is not None else "\ufffd" for text in texts)

    def _text(self, found: str | None) -> str | None:
        return None if found is None else self.sheet.charset.decode(found.encode("latin-1"))

    async def dim(self, percent: int, priority: Priority) -> None:
        """Set the brightness.

        Raises:
            CommandRefusedError: the board has no such brightness.
            DeviceError: as `show`.
        """
        levels = self.sheet.levels
        if self.sheet.dim is None or percent not in levels:
            have = ", ".join(map(str, sorted(levels))) or "none"
            msg = f"brightness {percent} %: this board has {have}"
            raise CommandRefusedError(msg)
        await self._say(self.sheet.dim, priority, value=levels[percent])

    async def watch(self, seconds: int, priority: Priority) -> None:
        """Let the board show its own picture when it hears nothing for so long, if it can.

        Raises:
            DeviceError: as `show`.
        """
        if self.sheet.watchdog is not None:
            await self._say(self.sheet.watchdog, priority, value=seconds)

    async def status(self, priority: Priority) -> Mapping[str, str | None]:
        """Return what the board says of itself; nothing where it says nothing.

        Raises:
            DeviceError: as `show`.
        """
        if self.sheet.status is None:
            return {}
        return await self._say(self.sheet.status, priority)

    async def _say(
        self, saying: Saying, priority: Priority, **values: float | str | bytes
    ) -> Mapping[str, str | None]:
        request = self._talker.request(saying.request, **values)
        if saying.reply is None:
            await self._talker.say(request, priority)
            return {}
        reader = Reader(saying.reply, self._address)
        return reader.parts(await self._talker.exchange(request, reader, priority)) or {}
