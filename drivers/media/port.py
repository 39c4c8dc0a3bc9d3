"""A port that carries bytes: opening, closing, sending, receiving, and losing it.

A port is used by its file descriptor (`Channel`), so that a serial port and a TCP connection are
read, emptied and lost in the same way, without a thread and without a buffer in between.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from gateway.model.driver import Direction
from gateway.model.errors import BusUnavailableError
from gateway.model.ids import LineId

_CHUNK: Final = 4096


class Channel(Protocol):
    """An open port in non-blocking mode."""

    def fileno(self) -> int:
        """Return the file descriptor, for the loop to watch."""
        ...

    def recv(self, size: int, /) -> bytes:
        """Return what has come, b"" at the end; raise BlockingIOError when there is nothing."""
        ...

    def send(self, data: bytes, /) -> int:
        """Take as much as there is room for, and say how much that was."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


@dataclass(slots=True)
class Statistics:
    """What a line has carried since it was made; see `gateway.model.driver.LineStatistics`."""

    exchanges: int = 0
    errors: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    busy_s: float = 0.0


class Port(ABC):
    """One port. A kind of port says how it is opened; a `Line`, what happens with what comes."""

    medium: ClassVar[str]
    _when_closed: ClassVar[str]
    """What to look at when the far end closed it."""

    def __init__(self, line_id: LineId) -> None:
        """Take the name of the line in the site file; opens nothing."""
        self._id: Final = line_id
        self._statistics: Final = Statistics()
        self._opening: Final = asyncio.Lock()
        self._channel: Channel | None = None
        self._generation = 0
        self._tapped: Callable[[Direction, bytes], None] | None = None
        self._tell_lost: Callable[[BusUnavailableError], None] | None = None
        self._loop: asyncio.AbstractEventLoop
        self._unsent = b""

    @property
    def id(self) -> LineId:
        """Return the name of the line in the site file."""
        return self._id

    @property
    def statistics(self) -> Statistics:
        """Return the counters of this line."""
        return self._statistics

    @property
    def generation(self) -> int:
        """Return how often the port was opened."""
        return self._generation

    def when_lost(self, tell: Callable[[BusUnavailableError], None]) -> None:
        """Have `tell` called when the port is lost, whether or not anybody is asking."""
        self._tell_lost = tell

    def tap(self, tell: Callable[[Direction, bytes], None] | None) -> None:
        """Have `tell` called with whatever goes over the line; None: no more."""
        self._tapped = tell

    # For a kind of port

    @property
    @abstractmethod
    def _place(self) -> str:
        """Return what a person calls the port."""

    @abstractmethod
    async def _connect(self) -> Channel:
        """Open the port.

        Raises:
            BusUnavailableError: it is not there; the message says what to look at.
        """

    # For the line

    @abstractmethod
    def _opened(self) -> None:
        """Start afresh on a port that was just opened."""

    @abstractmethod
    def _received(self, data: bytes) -> None:
        """Take what came."""

    @abstractmethod
    def _lost(self, error: BusUnavailableError) -> None:
        """Tell whoever waits that the port is gone."""

    # Opening and closing

    async def open(self) -> None:
        """Open the port; does nothing when it is open.

        Raises:
            BusUnavailableError: it is not there; the message says what to look at.
        """
        async with self._opening:
            if self._channel is None:
                channel = await self._connect()
                self._loop = asyncio.get_running_loop()
                self._channel = channel
                self._generation += 1
                self._opened()
                self._loop.add_reader(channel.fileno(), self._readable)

    async def close(self) -> None:
        """Close the port; does nothing when it is closed. Whoever waits for an answer is told."""
        async with self._opening:
            self._lose("was closed", on_purpose=True)

    def _lose(self, reason: str, *, on_purpose: bool = False) -> None:
        """Close the port at once and tell whoever waits."""
        channel, self._channel = self._channel, None
        if channel is not None:
            with suppress(OSError, ValueError):  # a descriptor that is gone is watched no more
                self._loop.remove_reader(channel.fileno())
                self._loop.remove_writer(channel.fileno())
            channel.close()
        self._unsent = b""
        error = BusUnavailableError(f"line {self._id}: {self._place} {reason}")
        self._lost(error)
        if channel is not None and not on_purpose and self._tell_lost is not None:
            self._tell_lost(error)

    # Sending and receiving

    def _send(self, data: bytes) -> None:
        """Send, now as much as there is room for and the rest as soon as there is."""
        channel = self._channel
        if channel is None:  # it was closed while the request was being prepared
            self._lose("was closed")
            return
        try:
            taken = channel.send(data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            self._lose(f"takes nothing any more: {error.strerror or error}")
            return
        self._statistics.bytes_sent += taken
        if self._tapped is not None and taken:
            self._tapped(Direction.SENT, data[:taken])
        self._unsent = data[taken:]
        if self._unsent:
            self._loop.add_writer(channel.fileno(), self._writable)

    def _writable(self) -> None:
        data = self._unsent
        self._stop_sending()
        self._send(data)

    def _stop_sending(self) -> None:
        """Forget what has not been sent yet."""
        if self._unsent:
            self._unsent = b""
            if self._channel is not None:
                self._loop.remove_writer(self._channel.fileno())

    def _readable(self) -> None:
        data = self._take()
        if data:
            self._received(data)

    def _take(self) -> bytes:
        """Return what has come, b"" when there is nothing or the port turns out to be gone."""
        if self._channel is None:
            return b""
        try:
            data = self._channel.recv(_CHUNK)
        except BlockingIOError:
            return b""
        except OSError as error:
            self._lose(f"is gone ({error.strerror or error}): look at the cable and the adapter")
            return b""
        if not data:
            self._lose(f"was closed by the far end: {self._when_closed}")
        self._statistics.bytes_received += len(data)
        if self._tapped is not None and data:
            self._tapped(Direction.RECEIVED, data)
        return data
