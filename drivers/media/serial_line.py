"""A serial port: RS-485 and RS-232 through an adapter or a port of the board.

Source: MODBUS over Serial Line Specification and Implementation Guide V1.02, 2.5.1.1 (quiet time
between frames).
"""

from __future__ import annotations

import errno
import os
import stat
import termios
from collections.abc import Hashable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal

import serial

from drivers.media.characters import Characters
from drivers.media.line import Line
from drivers.media.port import Channel
from gateway.model.driver import MediumManifest
from gateway.model.errors import BusUnavailableError
from gateway.model.ids import LineId
from gateway.model.options import About, Limits, Options

GAP_CHARACTERS: Final = 3.5
FAST_BAUD: Final = 19_200
"""Above this speed the quiet time is fixed (2.5.1.1)."""
FAST_GAP_S: Final = 0.00175
SILENCE_S: Final = 0.03
"""USB adapters hand over in bursts up to 16 ms apart."""
PAUSE_S: Final = 0.1
"""Silence inside an answer that ends it: 1.5 characters on the wire, plus what adapters add."""

_PARITIES: Final = {
    "none": serial.PARITY_NONE,
    "even": serial.PARITY_EVEN,
    "odd": serial.PARITY_ODD,
}
_ADAPTERS: Final = Path("/dev/serial/by-id")


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialLineConfig(Options):
    """Options of a serial line."""

    port: Annotated[
        str,
        Limits(min_length=1),
        About("device file; a name under /dev/serial/by-id stays when adapters move"),
    ]
    baud_rate: Annotated[int, Limits(ge=50, le=4_000_000), About("speed in bits per second")] = 9600
    parity: Annotated[Literal["none", "even", "odd"], About("parity bit")] = "none"
    stop_bits: Annotated[Literal[1, 2], About("stop bits")] = 1
    byte_size: Annotated[Literal[7, 8], About("data bits")] = 8
    echo: Annotated[bool, About("the adapter hears what it sends itself")] = False
    quiet_ms: Annotated[
        Annotated[float, Limits(ge=0, le=1000)] | None,
        About("quiet time before a request; left out: 3.5 characters, 1.75 ms above 19200"),
    ] = None


class _SerialChannel:
    """A serial port opened and set up by pyserial, then used by its file descriptor."""

    def __init__(self, port: serial.Serial) -> None:
        self._port: Final = port
        self._fd: Final[int] = port.fileno()

    def fileno(self) -> int:
        return self._fd

    def recv(self, size: int, /) -> bytes:
        return os.read(self._fd, size)

    def send(self, data: bytes, /) -> int:
        return os.write(self._fd, data)

    def set(self, config: SerialLineConfig) -> None:
        """Talk at another speed from now on; what came at the old one is thrown away.

        Raises:
            OSError, ValueError, termios.error: the port cannot be set so.
        """
        self._port.apply_settings(
            {
                "baudrate": config.baud_rate,
                "bytesize": config.byte_size,
                "parity": _PARITIES[config.parity],
                "stopbits": config.stop_bits,
            }
        )
        wait_for_a_byte(self._fd)
        termios.tcflush(self._fd, termios.TCIFLUSH)

    def close(self) -> None:
        try:
            # What still waits to be sent must not hold up the closing of a dead adapter.
            termios.tcflush(self._fd, termios.TCOFLUSH)
        except (OSError, termios.error):
            self._port.close()  # it is gone already: only the descriptor is left
        else:
            self._port.close()


class SerialLine(Line):
    """The owner of one serial port."""

    medium: ClassVar[str] = "serial"
    _when_closed: ClassVar[str] = "look at the adapter and its plug"

    def __init__(self, line_id: LineId, config: SerialLineConfig) -> None:
        """Take the settings; opens nothing."""
        char_s, gap_s = _timing(config)
        super().__init__(line_id, gap_s=gap_s, char_s=char_s, silence_s=SILENCE_S, echo=config.echo)
        self._config: Final = config

    @property
    def _place(self) -> str:
        return self._config.port

    def _longest_pause_s(self, timeout_s: float) -> float:
        return min(timeout_s, PAUSE_S + self._gap_s)

    def _set_characters(self, characters: Characters | None) -> None:
        config = self._config if characters is None else _changed(self._config, characters)
        self._char_s, self._gap_s = _timing(config)
        channel = self._channel
        if not isinstance(channel, _SerialChannel):
            return  # it is closed: it will be opened as the line has it
        try:
            channel.set(config)
        except (OSError, ValueError, termios.error) as error:
            self._lose(f"cannot be set: {advice(config, error)}")
            msg = f"line {self._id}: {advice(config, error)}"
            raise BusUnavailableError(msg) from error

    async def _connect(self) -> Channel:
        config = self._config
        try:
            port = serial.Serial(
                config.port,
                config.baud_rate,
                bytesize=config.byte_size,
                parity=_PARITIES[config.parity],
                stopbits=config.stop_bits,
                timeout=0,
                write_timeout=0,
                exclusive=True,
            )
            wait_for_a_byte(port.fileno())
        except (OSError, ValueError, termios.error) as error:  # SerialException is an OSError
            msg = f"line {self._id}: {advice(config, error)}"
            raise BusUnavailableError(msg) from error
        return _SerialChannel(port)


def wait_for_a_byte(fd: int) -> None:
    """Make an empty port say "nothing yet" instead of "end": pyserial has VMIN 0 (termios(3))."""
    attributes = termios.tcgetattr(fd)
    attributes[6][termios.VMIN] = 1
    attributes[6][termios.VTIME] = 0
    termios.tcsetattr(fd, termios.TCSANOW, attributes)


def _changed(config: SerialLineConfig, characters: Characters) -> SerialLineConfig:
    """Return the settings of a line with what a device on it has otherwise."""
    otherwise = {
        option.name: value
        for option in fields(characters)
        if (value := getattr(characters, option.name)) is not None
    }
    return replace(config, **otherwise)


def _timing(config: SerialLineConfig) -> tuple[float, float]:
    """Return the length of a character and the quiet time before a request, in seconds."""
    char_s = character_s(config)
    if config.quiet_ms is not None:
        return char_s, config.quiet_ms / 1000
    return char_s, quiet_s(config.baud_rate, char_s)


def character_s(config: SerialLineConfig) -> float:
    """Return how long one character takes, in seconds: start bit, data, parity, stop bits."""
    bits = 1 + config.byte_size + (config.parity != "none") + config.stop_bits
    return bits / config.baud_rate


def quiet_s(baud_rate: int, char_s: float) -> float:
    """Return the quiet time before a frame in seconds (MODBUS over Serial Line V1.02, 2.5.1.1)."""
    return FAST_GAP_S if baud_rate > FAST_BAUD else GAP_CHARACTERS * char_s


def _number(error: BaseException | None) -> int | None:
    """Return the number of a system error; pyserial hides that of termios in the context."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if isinstance(error, termios.error):
        number: int = error.args[0]
        return number
    return None if error is None else _number(error.__context__)


def advice(config: SerialLineConfig, error: Exception) -> str:
    """Say why the port cannot be opened, and what to do next."""
    port = config.port
    number = _number(error)
    if number == errno.ENOENT:
        found = sorted(str(path) for path in _ADAPTERS.glob("*")) if _ADAPTERS.is_dir() else []
        there = f"; there are: {', '.join(found)}" if found else ""
        return f"there is no port {port}: plug the adapter in, or correct the name{there}"
    if number in {errno.EACCES, errno.EPERM}:
        return f"{port} may not be opened: add the gateway's user to its group (mostly dialout)"
    if number in {errno.EBUSY, errno.EAGAIN}:
        return f"{port} is in use by another program: stop that program"
    if number == errno.ENOTTY:
        return f"{port} is no serial port: correct the name"
    if isinstance(error, (ValueError, termios.error)) or number == errno.EINVAL:
        setting = f"{config.byte_size}{config.parity[0].upper()}{config.stop_bits}"
        return f"{port} cannot be set to {config.baud_rate} {setting}: correct the options"
    return f"{port}: {error}"


def probe(config: SerialLineConfig) -> str | None:
    """Say why the port is not there now, or None; does not open it."""
    try:
        mode = Path(config.port).stat().st_mode
    except OSError as error:
        return advice(config, error)
    if not stat.S_ISCHR(mode):
        return advice(config, OSError(errno.ENOTTY, "not a terminal"))
    if not os.access(config.port, os.R_OK | os.W_OK):
        return advice(config, PermissionError(errno.EACCES, "no access"))
    return None


def resource(config: SerialLineConfig) -> Hashable:
    """Return the device file itself, whatever name it was given by."""
    return str(Path(config.port).resolve())


MANIFEST: Final = MediumManifest(
    name="serial", config=SerialLineConfig, build=SerialLine, resource=resource, probe=probe
)
