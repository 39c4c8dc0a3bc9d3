"""What the pins of a chip are used for, and bringing a board to that. The functions may block."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from drivers.gpio.board import Board, TellLevel
from drivers.gpio.config import LAST_PIN, LAST_TELLING_PIN
from drivers.media.edges import Edge, Pull
from gateway.model.errors import BusUnavailableError, DeviceRejectedError


@dataclass(frozen=True, slots=True)
class Rest:
    """What an output is when nobody has said otherwise. A level, or percent of a duty cycle."""

    start: float
    """When the agent starts."""
    stop: float | None
    """When the agent stops; None: it stays as it is."""
    back: float | None
    """When the chip was gone and is back; None: as it was last told."""


@dataclass(slots=True)
class Output:
    """A pin that is driven."""

    rest: Rest
    frequency_hz: float | None
    """Of a pulsed output; None: it has a level."""
    told: float | None = None
    """What it was told last."""

    def resting(self, *, again: bool) -> float:
        """Return what it has to be when the chip was opened; `again`: it was gone and is back."""
        if not again:
            return self.rest.start
        if self.rest.back is not None:
            return self.rest.back
        return self.rest.start if self.told is None else self.told


@dataclass(frozen=True, slots=True)
class Input:
    """A pin that is watched."""

    tell: Edge
    pull: Pull
    glitch_us: int


class Uses:
    """The pins of one chip and what they are used for."""

    def __init__(self) -> None:
        """Start with none."""
        self.inputs: Final[dict[int, Input]] = {}
        self.outputs: Final[dict[int, Output]] = {}

    def __len__(self) -> int:
        """Return how many pins are used."""
        return len(self.inputs) + len(self.outputs)

    def add_input(self, pin: int, use: Input) -> None:
        """Use a pin as an input.

        Raises:
            ValueError: there is no such pin, or it is used already.
        """
        self._reserve(pin, LAST_TELLING_PIN)
        self.inputs[pin] = use

    def add_output(self, pin: int, use: Output) -> None:
        """Use a pin as an output.

        Raises:
            ValueError: there is no such pin, or it is used already.
        """
        self._reserve(pin, LAST_PIN if use.frequency_hz is None else LAST_TELLING_PIN)
        self.outputs[pin] = use

    def _reserve(self, pin: int, last: int) -> None:
        if not 0 <= pin <= last:
            msg = f"pin {pin} is not one of 0 to {last}"
            raise ValueError(msg)
        if pin in self.inputs or pin in self.outputs:
            msg = f"pin {pin} is used already"
            raise ValueError(msg)


class Found(NamedTuple):
    """What an input had when the board was opened."""

    pin: int
    tick_ns: int
    level: bool


class Ready(NamedTuple):
    """A board whose pins are set up."""

    board: Board
    now_ns: int
    """Its tick."""
    found: list[Found]


def set_up(
    board: Board,
    uses: Uses,
    hears: Mapping[int, TellLevel],
    given_up: threading.Event,
    *,
    again: bool,
) -> Ready:
    """Claim every pin of a board that was just opened; the outputs first.

    Args:
        board: closed when it cannot be done.
        uses: of its pins.
        hears: take the changes of the inputs, in a thread.
        given_up: set when nobody waits for it any more.
        again: the chip was gone and is back.

    Raises:
        BusUnavailableError: the chip is gone, or a pin cannot be had.
    """
    try:
        for pin, output in uses.outputs.items():
            value = output.resting(again=again)
            if output.frequency_hz is None:
                board.claim_output(pin, level=bool(value))
            else:
                board.claim_pwm(pin, output.frequency_hz, value)
            output.told = value
        for pin, use in uses.inputs.items():
            board.claim_input(pin, use.pull, use.glitch_us)
        board.watch(hears)
        # The tick before the level: what changes in between is told once more, never missed.
        found = [Found(pin, board.now_ns(), board.read(pin)) for pin in uses.inputs]
        ready = Ready(board, board.now_ns(), found)
        _still_wanted(given_up)
    except DeviceRejectedError as error:
        board.close()
        raise BusUnavailableError(str(error)) from error
    except BusUnavailableError:
        board.close()
        raise
    return ready


def let_go(board: Board, uses: Uses) -> None:
    """Bring the outputs to their level for a stop, and close the board.

    Raises:
        DeviceRejectedError: the chip refuses one of them.
        BusUnavailableError: the chip is gone.
    """
    try:
        for pin, output in uses.outputs.items():
            if output.rest.stop is None:
                continue
            if output.frequency_hz is None:
                board.write(pin, level=bool(output.rest.stop))
            else:
                board.dim(pin, output.rest.stop)
    finally:
        board.close()


def _still_wanted(given_up: threading.Event) -> None:
    if given_up.is_set():
        msg = "nobody waits for the chip any more"
        raise BusUnavailableError(msg)
