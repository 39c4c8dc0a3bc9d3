"""The pins of a board as a scene knows them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from simulators.faults import Flood
from simulators.gpio.chip import Chip
from simulators.gpio.daemon import Daemon
from simulators.gpio.options import (
    BoardOptions,
    ContactOptions,
    GpioSpec,
    LampOptions,
    PulsesOptions,
    RelayOptions,
)
from simulators.gpio.pin_twin import PinTwin
from simulators.gpio.twins import Board, Contact, Lamp, Pulses, Relay
from simulators.grounds import Grounds, Kind, LineKind
from simulators.twin import InPlay, Twin

MEDIA: Final = frozenset({"gpio"})
ON_A_PIN: Final = frozenset({"exception", "slow", "short", "liar", "wrong_unit"})
"""Faults of what answers; a contact does not."""


@dataclass(frozen=True, slots=True)
class GpioAddress:
    """Where the service listens."""

    host: str
    port: int


class RunningGpio:
    """The pins of a running scene."""

    medium: Final = "gpio"

    def __init__(self, spec: GpioSpec) -> None:
        """Take the scene's words for it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.chip: Final = Chip(lambda: spec.tick_us + round((loop.time() - began) * 1e6))
        self.daemon: Final = Daemon(self.chip, spec.revision, spec.host, spec.port)
        self.board: Board | None = None
        self._retire: Final[list[Callable[[], None]]] = []

    @property
    def address(self) -> GpioAddress:
        """Return where it listens."""
        return GpioAddress(self.daemon.host, self.daemon.port)

    def words(self) -> tuple[str, str]:
        """Return the port, and whether it is open."""
        state = "listening" if self.daemon.listening else "refuses"
        return f"{self.daemon.host}:{self.daemon.port}", state

    def join(self, twin: PinTwin) -> None:
        """Take a twin on a pin: it is told when the scene ends."""
        self._retire.append(twin.retire)

    def govern(self, board: Board) -> None:
        """Take the twin whose faults strike the service."""
        self.board = board
        self.daemon.strike = board.judge

    async def refresh(self) -> None:
        """Be closed while the board is off, and as after power-up when it is back.

        Raises:
            OSError: somebody else has the port.
        """
        if self.board is not None and self.board.off:
            self.daemon.close()
            self.chip.reset()
        else:
            await self.daemon.listen()

    def babble(self, twin: Twin, held: InPlay) -> None:
        """Let a twin flutter for as long as the fault holds."""
        if isinstance(twin, PinTwin) and isinstance(held.fault, Flood):
            twin.flutter(held.fault.every_s, held)

    def retire(self) -> None:
        """End it for good."""
        for retire in self._retire:
            retire()
        self.daemon.retire()


def pins(line: object) -> RunningGpio:
    """Return a line that a kind of twin asked for as `gpio`.

    Raises:
        TypeError: it is another kind of line.
    """
    if not isinstance(line, RunningGpio):
        msg = f"{type(line).__name__} has no pins"
        raise TypeError(msg)
    return line


def on_a_pin(build: Callable[[Any, Chip, Any], PinTwin]) -> Callable[[Any, Grounds], Twin]:
    """Return what hangs a twin on its pin, given what builds it."""

    def hang(spec: Any, grounds: Grounds) -> Twin:  # Any: options of its own kind
        line = pins(grounds.line(spec.line))
        twin = build(spec, line.chip, grounds.truth)
        line.join(twin)
        return twin

    return hang


def _board(spec: BoardOptions, grounds: Grounds) -> Twin:
    board = Board(spec, grounds.truth)
    pins(grounds.line(spec.line)).govern(board)
    return board


def _site_options(address: GpioAddress) -> dict[str, object]:
    return {"factory": "pigpio", "host": address.host, "port": address.port}


KINDS: Final = (
    Kind(BoardOptions, MEDIA, _board, frozenset({"flood", "wrong_unit", "stuck"})),
    Kind(ContactOptions, MEDIA, on_a_pin(Contact), ON_A_PIN),
    Kind(PulsesOptions, MEDIA, on_a_pin(Pulses), ON_A_PIN),
    Kind(RelayOptions, MEDIA, on_a_pin(Relay), ON_A_PIN | {"flood"}),
    Kind(LampOptions, MEDIA, on_a_pin(Lamp), ON_A_PIN | {"flood", "stuck"}),
)
LINES: Final = (LineKind(GpioSpec, lambda spec, _: RunningGpio(spec), site_options=_site_options),)
