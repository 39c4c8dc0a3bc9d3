"""Pins behind the pigpio service, here or on another board.

What gpiozero and pigpio's own client leave out, and what is done here therefore:

- The client reads nothing in an endless loop once the service has closed the connection, and waits
  for ever for one that says nothing: its sockets get a time limit, its listener a socket that ends
  it (`_Ending`), and both are shut down in the end.
- The client takes the levels from before the pins got their resistors for the levels now, and then
  misses the first change: the edges are heard over a connection that is made after that.

Source: pigpio, "Python interface" (`pi`, `callback`) and "Socket interface"; version 1.78.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from drivers.gpio.board import Board, TellLevel, library
from drivers.gpio.config import GpioConfig
from drivers.gpio.ticks import Microseconds
from gateway.model.errors import BusUnavailableError

_TICK: Final = struct.pack("<4I", 16, 0, 0, 0)
"""Asks for the tick of the service: the shortest way to see whether it is there."""
_ANSWER_LEN: Final = 16


class PigpioBoard(Board):
    """Pins behind the pigpio service, here or on another board."""

    def __init__(self, config: GpioConfig, gone: Callable[[], None]) -> None:
        """Connect.

        Raises:
            BusUnavailableError: nobody listens there, or answers.
        """
        super().__init__()
        self._gone: Final = gone
        self._place: Final = (config.host, config.port)
        self._timeout_s: Final = config.response_timeout_s
        self._since: Final = Microseconds()
        self._ears: Any = None
        self._pigpio: Final = library("pigpio")
        factories = library("gpiozero.pins.pigpio")
        self._refused = (self._pigpio.error, library("gpiozero.exc").GPIOZeroError, ValueError)
        # The client itself waits without end and complains on the standard output.
        where = f"{config.host}:{config.port}"
        try:
            _knock(self._place, config.connect_timeout_s)
        except OSError as error:
            msg = (
                f"no pigpio service at {where} ({error}): is pigpiod running, and let in from here?"
            )
            raise BusUnavailableError(msg) from error
        with self.asked(f"the pigpio service at {where}", claim=True):
            self._factory = factories.PiGPIOFactory(*self._place)
            self._client = self._factory.connection
        try:
            self._bound(self._client)
            self.now_ns()
            with self.asked("what board it is", claim=True):
                self._factory.board_info  # noqa: B018  read and kept: every pin needs it
        except BusUnavailableError:
            self.close()
            raise

    def now_ns(self) -> int:
        """Return the present tick in nanoseconds."""
        with self.asked("its tick"):
            return self._since.ns(self._client.get_current_tick())

    def watch(self, pins: Mapping[int, TellLevel]) -> None:
        """Have the changes of inputs told from now on."""
        if not pins:
            return
        both = self._pigpio.EITHER_EDGE
        with self.asked("notifications", claim=True):
            self._ears = self._pigpio.pi(*self._place, False)  # noqa: FBT003  tells no errors
            if not self._ears.connected:
                msg = "no second connection"
                raise ConnectionError(msg)
            self._bound(self._ears)
            for pin, tell in pins.items():
                self._callbacks.append(self._ears.callback(pin, both, self._told_by(tell)))

    def _become_output(self, pin: int, *, level: bool) -> None:
        self._client.write(pin, int(level))  # makes it an output as well

    def close(self) -> None:
        """Let go of everything; the pins stay as they are, the inputs with their resistors."""
        for client in (self._client, self._ears):
            if client is not None:
                _hang_up(client)
        self._pins.clear()

    def _told_by(self, tell: TellLevel) -> Callable[[int, int, int], None]:
        def told(_pin: int, level: int, tick_us: int) -> None:
            if level != self._pigpio.TIMEOUT:
                tell(self._since.ns(tick_us), bool(level))

        return told

    def _bound(self, client: Any) -> None:  # Any: a pigpio.pi, which has no types
        """Let no request wait without end, and no listener read from a closed connection."""
        client.sl.s.settimeout(self._timeout_s)
        listener = client._notify  # noqa: SLF001  it has no other way
        listener.sl.s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listener.sl.s = _Ending(listener, self._gone)


class _Ending:
    """The socket of pigpio's listener, which ends the listener when the connection ends."""

    def __init__(self, listener: Any, gone: Callable[[], None]) -> None:  # Any: it has no types
        self._listener: Final = listener
        self._socket: Final[socket.socket] = listener.sl.s
        self._gone: Final = gone

    def recv(self, size: int) -> bytes:
        try:
            data = self._socket.recv(size)
        except OSError:  # as an end: the listener ends, and its board is told to be gone
            data = b""
        if not data:
            if self._listener.go:
                self._gone()
            self._listener.go = False
        return data

    def shutdown(self, how: int) -> None:
        self._socket.shutdown(how)

    def close(self) -> None:
        self._socket.close()


def _knock(place: tuple[str, int], timeout_s: float) -> None:
    """See that the service answers.

    Raises:
        OSError: it does not.
    """
    with socket.create_connection(place, timeout_s) as knocker:
        knocker.sendall(_TICK)
        answer = b""
        while len(answer) < _ANSWER_LEN:
            part = knocker.recv(_ANSWER_LEN - len(answer))
            if not part:
                msg = "it closes the connection"
                raise ConnectionError(msg)
            answer += part
        if answer[:12] != _TICK[:12]:
            msg = f"what listens there is no pigpio service: {answer.hex(' ')}"
            raise ConnectionError(msg)


def _hang_up(client: Any) -> None:  # Any: a pigpio.pi, which has no types
    """Close both connections of a client so that its thread ends, whatever the far end does."""
    listener = client._notify  # noqa: SLF001  `stop` sends before it closes, and may wait
    sockets = [client.sl.s]
    if listener is not None:
        listener.go = False
        sockets.append(listener.sl.s)
    for each in sockets:
        with suppress(OSError):  # it may be gone already
            each.shutdown(socket.SHUT_RDWR)
    client.sl.s.close()
    client.sl.s = None
    if listener is not None:
        listener.join(1)
        listener.sl.s.close()
