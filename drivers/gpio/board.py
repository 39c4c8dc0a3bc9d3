"""The pins as a thread uses them: gpiozero, and what it leaves out. Everything here may block.

gpiozero is imported when a board is opened, and never given its global pin factory. What it does
not know and what is done here therefore:

- pigpio's client reads nothing in an endless loop once the service has closed the connection, and
  waits for ever for one that says nothing: its sockets get a time limit, its listener a socket that
  ends it (`_Ending`), and both are shut down in the end.
- pigpio's client takes the levels from before the pins got their resistors for the levels now, and
  then misses the first change: the edges are heard over a connection that is made after that.
- lgpio makes a pipe in its working folder as soon as it is imported: LG_WD says where. Its ticks
  count from the start of the board, on kernels before 5.7 from 1970: those are replaced.
- A factory that is closed makes every pin an input, whatever was last written to it: outputs are
  taken out of its hands before.

Source: gpiozero 2, "API - Pins" (factories, `Pin`); pigpio, "Python interface" and "Socket
interface"; lg, "lgpio Python", "FILES" and the environment variable LG_WD.
"""

from __future__ import annotations

import importlib
import os
import socket
import struct
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Protocol

from drivers.gpio.config import GpioConfig
from drivers.gpio.ticks import Microseconds
from drivers.media.edges import Pull
from gateway.model.errors import BusUnavailableError, DeviceRejectedError

TellLevel = Callable[[int, bool], None]
"""Called in a thread of the library with the tick in nanoseconds and the level."""
_PULLS: Final = {Pull.UP: "up", Pull.DOWN: "down", Pull.NONE: "floating"}
_TICK: Final = struct.pack("<4I", 16, 0, 0, 0)
"""Asks pigpio for its tick: the shortest way to see whether it is there."""
_ANSWER_LEN: Final = 16
_BELIEVED_NS: Final = 600_000_000_000
"""A tick further from now counts from another beginning."""
_DUTY_STEPS: Final = 10_000
_HALF_A_STEP: Final = 0.5
"""Added to a duty cycle: both libraries cut off what is behind the point, and 0.29 * 100 is less
than 29 in a computer."""


class _Pin(Protocol):
    """A `gpiozero.Pin`, as far as it is used."""

    function: str
    state: Any  # Any: a number or a boolean, as the factory likes
    pull: str
    frequency: float | None
    bounce: float | None
    edges: str
    when_changed: Any  # Any: a callable, kept weakly


class Board(ABC):
    """The pins of one chip, while it is open."""

    def __init__(self) -> None:
        """Start without pins."""
        self._pins: Final[dict[int, _Pin]] = {}
        self._outputs: Final[set[int]] = set()
        self._callbacks: Final[list[object]] = []  # gpiozero keeps them weakly

    # For a kind of board

    _factory: Any  # Any: a gpiozero factory, which has no types
    _refused: tuple[type[Exception], ...] = ()
    """What the library raises when the chip says no."""

    @abstractmethod
    def now_ns(self) -> int:
        """Return the present tick in nanoseconds.

        Raises:
            BusUnavailableError: the chip is gone.
        """

    @abstractmethod
    def watch(self, pins: dict[int, TellLevel]) -> None:
        """Have the changes of inputs told from now on.

        Raises:
            BusUnavailableError: the chip is gone.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of everything and leave the outputs as they are; raises nothing."""

    # What all share

    def claim_input(self, pin: int, pull: Pull, glitch_us: int) -> None:
        """Make a pin an input.

        Raises:
            BusUnavailableError: it cannot be had, or the chip is gone.
        """
        with self._asked(f"GPIO {pin} as an input", claim=True):
            at = self._pin(pin)
            at.function = "input"
            if at.pull != _PULLS[pull]:
                at.pull = _PULLS[pull]
            if glitch_us:
                at.bounce = glitch_us / 1e6

    def claim_output(self, pin: int, *, level: bool) -> None:
        """Make a pin an output that has that level from the beginning.

        Raises:
            BusUnavailableError: it cannot be had, or the chip is gone.
        """
        with self._asked(f"GPIO {pin} as an output", claim=True):
            at = self._pin(pin)
            self._outputs.add(pin)
            self._drive(at, level=level)

    def claim_pwm(self, pin: int, frequency_hz: float, percent: float) -> None:
        """Make a pin an output that is pulsed.

        Raises:
            BusUnavailableError: it cannot be had, or the chip is gone.
        """
        with self._asked(f"GPIO {pin} as a pulsed output", claim=True):
            at = self._pin(pin)
            self._outputs.add(pin)
            self._drive(at, level=False)
            at.frequency = frequency_hz
            at.state = _share(percent)

    def read(self, pin: int) -> bool:
        """Return the level of a pin.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        with self._asked(f"GPIO {pin}: its level"):
            return bool(self._pins[pin].state)

    def write(self, pin: int, *, level: bool) -> bool:
        """Set the level of an output and return what it reads back as.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        with self._asked(f"GPIO {pin}: set it"):
            at = self._pins[pin]
            self._drive(at, level=level)
            return bool(at.state)

    def dim(self, pin: int, percent: float) -> float:
        """Set the duty cycle of a pulsed output and return what it reads back as, in percent.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        with self._asked(f"GPIO {pin}: set its duty cycle"):
            self._pins[pin].state = _share(percent)
        return self.dimmed(pin)[0]

    def dimmed(self, pin: int) -> tuple[float, float]:
        """Return duty cycle in percent and frequency in hertz of a pulsed output.

        Raises:
            DeviceRejectedError: the chip refuses.
            BusUnavailableError: the chip is gone.
        """
        with self._asked(f"GPIO {pin}: its duty cycle"):
            at = self._pins[pin]
            return round(float(at.state) * 100, 2), float(at.frequency or 0)

    def _pin(self, number: int) -> _Pin:
        at: _Pin = self._factory.pin(number)
        self._pins[number] = at
        return at

    @staticmethod
    def _drive(at: _Pin, *, level: bool) -> None:
        if at.function != "output":
            at.function = "output"
        at.state = level

    @contextmanager
    def _asked(self, what: str, *, claim: bool = False) -> Iterator[None]:
        """Turn what the library raises into what the caller does next."""
        try:
            yield
        except self._refused as error:
            msg = f"{what}: {_words(error)}"
            if claim:
                raise BusUnavailableError(msg) from error
            raise DeviceRejectedError(msg, code=1) from error
        except TimeoutError as error:
            msg = f"{what}: no answer"
            raise BusUnavailableError(msg) from error
        except (OSError, struct.error) as error:
            msg = f"{what}: the connection is gone ({error})"
            raise BusUnavailableError(msg) from error


def open_board(config: GpioConfig, gone: Callable[[], None]) -> Board:
    """Open the chip that a site names.

    Args:
        config: names it.
        gone: called in some thread, perhaps more than once, when the chip is seen to be gone.

    Raises:
        BusUnavailableError: it is not there; the message says what to look at.
    """
    return PigpioBoard(config, gone) if config.factory == "pigpio" else LgpioBoard(config)


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
        self._pigpio: Final = _library("pigpio")
        factories = _library("gpiozero.pins.pigpio")
        self._refused = (self._pigpio.error, _library("gpiozero.exc").GPIOZeroError, ValueError)
        # The client itself waits without end and complains on the standard output.
        where = f"{config.host}:{config.port}"
        try:
            _knock(self._place, config.connect_timeout_s)
        except OSError as error:
            msg = (
                f"no pigpio service at {where} ({error}): is pigpiod running, and let in from here?"
            )
            raise BusUnavailableError(msg) from error
        with self._asked(f"the pigpio service at {where}", claim=True):
            self._factory = factories.PiGPIOFactory(*self._place)
            self._client = self._factory.connection
            self._bound(self._client)
            self._since.ns(self._client.get_current_tick())

    def now_ns(self) -> int:
        """Return the present tick in nanoseconds."""
        with self._asked("its tick"):
            return self._since.ns(self._client.get_current_tick())

    def watch(self, pins: dict[int, TellLevel]) -> None:
        """Have the changes of inputs told from now on."""
        if not pins:
            return
        both = self._pigpio.EITHER_EDGE
        with self._asked("notifications", claim=True):
            self._ears = self._pigpio.pi(*self._place, False)  # noqa: FBT003  tells no errors
            if not self._ears.connected:
                msg = "no second connection"
                raise ConnectionError(msg)
            self._bound(self._ears)
            for pin, tell in pins.items():
                self._callbacks.append(self._ears.callback(pin, both, self._told_by(tell)))

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


class LgpioBoard(Board):
    """Pins of a chip of this board, through the kernel."""

    def __init__(self, config: GpioConfig) -> None:
        """Open it.

        Raises:
            BusUnavailableError: there is no such chip, or no right to use it.
        """
        super().__init__()
        os.environ.setdefault("LG_WD", tempfile.gettempdir())
        try:
            self._lgpio: Final = _library("lgpio")
        except OSError as error:
            msg = f"lgpio cannot make its pipe in {os.environ['LG_WD']} ({error}): set LG_WD"
            raise BusUnavailableError(msg) from error
        factories = _library("gpiozero.pins.lgpio")
        self._refused = (self._lgpio.error, _library("gpiozero.exc").GPIOZeroError, ValueError)
        name = "the chip of this board" if config.chip is None else f"/dev/gpiochip{config.chip}"
        with self._asked(name, claim=True):
            self._factory = factories.LGPIOFactory(config.chip)

    def now_ns(self) -> int:
        """Return the present tick in nanoseconds: the kernel stamps edges with this clock."""
        with self._asked("the chip", claim=True):
            self._lgpio.gpio_get_chip_info(self._factory._handle)  # noqa: SLF001  it has no other way
        return time.monotonic_ns()

    def watch(self, pins: dict[int, TellLevel]) -> None:
        """Have the changes of inputs told from now on."""
        for pin, tell in pins.items():
            with self._asked(f"GPIO {pin}: its changes", claim=True):
                at = self._pins[pin]
                callback = _told_in_seconds(tell)
                self._callbacks.append(callback)
                at.edges = "both"
                at.when_changed = callback

    def close(self) -> None:
        """Let go of everything; what then becomes of the outputs is the kernel's."""
        with suppress(*self._refused, OSError):  # a chip that is gone has nothing to let go
            for pin in self._pins.keys() - self._outputs:
                self._pins[pin].when_changed = None
        self._factory.pins.clear()
        with suppress(*self._refused, OSError):  # likewise
            self._factory.close()
        self._pins.clear()


def _told_in_seconds(tell: TellLevel) -> Callable[[float, int], None]:
    def told(ticks_s: float, level: int) -> None:
        now, tick = time.monotonic_ns(), round(ticks_s * 1e9)
        tell(tick if abs(now - tick) < _BELIEVED_NS else now, bool(level))

    return told


def _share(percent: float) -> float:
    return (round(percent / 100 * _DUTY_STEPS) + _HALF_A_STEP) / _DUTY_STEPS


def _library(name: str) -> Any:  # Any: these have no types
    try:
        return importlib.import_module(name)
    except ImportError as error:
        msg = f"pins want the package {error.name}: install mayak[gpio]"
        raise BusUnavailableError(msg) from error


def _words(error: Exception) -> str:
    return str(error).strip("'\"") or type(error).__name__


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
