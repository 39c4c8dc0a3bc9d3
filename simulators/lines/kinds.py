"""The serial line as a scene knows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import Field

from simulators.grounds import Grounds, LineKind
from simulators.lines.hub import Hub, PtyEnd, Wiring
from simulators.lines.serial_server import SerialServer
from simulators.options import LineOptions
from simulators.twin import InPlay, Twin


class SerialSpec(LineOptions):
    """An RS-485 line: one pty for whoever asks, one ear for each twin."""

    medium: Literal["serial"] = "serial"
    baud_rate: int = Field(default=9600, ge=300, le=1_000_000, description="bits a second")
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    byte_size: Literal[7, 8] = 8
    wiring: Literal["sound", "swapped", "floating"] = Field(
        default="sound", description="of the adapter: A on B; no bias"
    )

    @property
    def bits_per_byte(self) -> int:
        """Return how many bits one byte takes on the line."""
        return 1 + self.byte_size + (self.parity != "none") + self.stop_bits


@dataclass(frozen=True, slots=True)
class SerialAddress:
    """What a program opens to be on a serial line, and how the line is set."""

    path: str
    baud_rate: int
    parity: str
    stop_bits: int
    byte_size: int


class RunningSerial:
    """A serial line of a running scene."""

    medium: Final = "serial"

    def __init__(self, spec: SerialSpec, hub: Hub, pty: PtyEnd) -> None:
        """Take the line and its pty."""
        self._spec = spec
        self.hub: Final = hub
        self.pty: Final = pty
        self.server: Final = SerialServer(hub)

    @property
    def address(self) -> SerialAddress:
        """Return what to open."""
        spec = self._spec
        return SerialAddress(
            self.pty.path, spec.baud_rate, spec.parity, spec.stop_bits, spec.byte_size
        )

    def words(self) -> tuple[str, str]:
        """Return the port with its speed, and what happens on the line."""
        state = "plugged in" if self.pty.plugged else "unplugged"
        if self.hub.collisions:
            state += f", {self.hub.collisions} collisions"
        return f"{self.pty.path} at {self._spec.baud_rate} Bd", state

    async def refresh(self) -> None:
        """Have nothing to do: a slave that is off just does not answer."""

    def babble(self, twin: Twin, held: InPlay) -> None:
        """Let the twin flood the line for as long as the fault holds."""
        self.server.babble(twin, held)

    def retire(self) -> None:
        """Have nothing to do: it ends with the scene."""


def _lay(spec: SerialSpec, grounds: Grounds) -> RunningSerial:
    hub = grounds.stack.enter_context(
        Hub(
            spec.baud_rate,
            parity=spec.parity,
            bits_per_byte=spec.bits_per_byte,
            wiring=Wiring(spec.wiring),
        )
    )
    return RunningSerial(spec, hub, hub.add_pty(Path(grounds.folder, spec.id)))


def serial(line: object) -> RunningSerial:
    """Return a line that a kind of twin asked for as `serial`.

    Raises:
        TypeError: it is another kind of line.
    """
    if not isinstance(line, RunningSerial):
        msg = f"{type(line).__name__} is no serial line"
        raise TypeError(msg)
    return line


def _site_options(address: SerialAddress) -> dict[str, object]:
    return {
        "port": address.path,
        "baud_rate": address.baud_rate,
        "parity": "none",  # a pty has none, whatever is said of the line
        "stop_bits": address.stop_bits,
    }


LINES: Final = (LineKind(SerialSpec, _lay, site_options=_site_options),)
