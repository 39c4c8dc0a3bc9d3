"""A virtual card: joins vpcd, the virtual reader of pcscd, over TCP, and tells its UID.

A message is its length in two bytes, big-endian, and then so many bytes. One byte is an order of
the reader (0 power off, 1 power on, 2 reset, 4 tell the ATR), more are an APDU, which is answered.

Source: Debian's vsmartcard-vpcd 3.3 as it speaks, against which it is tested.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

PORT: Final = 35963
"""0x8C7B, the first slot of vpcd."""
ATR: Final = bytes.fromhex("3b8f8001804f0ca000000306030001000000006a")
"""Of a contactless storage card as PC/SC readers make it up (PC/SC part 3)."""
GET_DATA: Final = b"\xff\xca\x00\x00"
TELL_ATR: Final = b"\x04"
NOT_SUPPORTED: Final = b"\x6a\x81"


class Card:
    """One card, laid on and taken away."""

    def __init__(self, uid: bytes | None, port: int = PORT) -> None:
        """Take the UID; None: a card of which the reader tells none."""
        self._uid: Final = uid
        self._port: Final = port
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self.asked = 0

    async def lay_on(self, tasks: asyncio.TaskGroup) -> None:
        """Join the reader.

        Raises:
            OSError: vpcd does not listen.
        """
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._task = tasks.create_task(self._serve(reader, self._writer))

    async def take_away(self) -> None:
        """Leave the reader; does nothing when it is not there."""
        if self._writer is not None and self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._writer.close()
            self._writer = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                answer = self.answer(await reader.readexactly(size))
                if answer:
                    writer.write(len(answer).to_bytes(2, "big") + answer)

    def answer(self, message: bytes) -> bytes:
        """Return what the card says to a message; nothing: b""."""
        if len(message) == 1:
            return ATR if message == TELL_ATR else b""
        self.asked += 1
        if message[:4] != GET_DATA or self._uid is None:
            return NOT_SUPPORTED
        return self._uid + b"\x90\x00"
