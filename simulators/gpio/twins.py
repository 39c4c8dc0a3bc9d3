"""Contacts, pulse outputs, relays, lamps, and the service itself as far as faults strike it.

A contact connects its pin to ground: the pull-up resistor of the pin makes it high when it is open.
"""

from __future__ import annotations

import functools
from random import Random
from typing import Final

from simulators.faults import Liar, Refuse, Short
from simulators.gpio.chip import Chip
from simulators.gpio.daemon import Told
from simulators.gpio.options import (
    BoardOptions,
    ContactOptions,
    LampOptions,
    PulsesOptions,
    RelayOptions,
)
from simulators.gpio.pin_twin import PinTwin, Step, bouncing
from simulators.gpio.wire import Command, Refusal, Request
from simulators.truth import TruthJournal
from simulators.twin import Struck, Twin, delay_s

SETTING: Final = frozenset(
    {
        Command.MODES,
        Command.PUD,
        Command.WRITE,
        Command.PWM,
        Command.PRS,
        Command.PFS,
        Command.TRIG,
        Command.FG,
    }
)
"""What the service refuses for pins that it was told to leave alone (pigpiod -x)."""
LONGEST_STEP_S: Final = 5.0
"""Of missed time no more than this is caught up with."""
HOUR_S: Final = 3600.0


class Contact(PinTwin):
    """A door contact, a float, a button."""

    def __init__(self, options: ContactOptions, chip: Chip, truth: TruthJournal) -> None:
        """Take the scene's options and the chip."""
        super().__init__(options, chip, truth)
        self._options: Final = options
        self._rng: Final = Random(options.seed)
        self._stepped_at: float | None = None
        self.closed = options.closed
        self.changes = 0
        """How often it was moved."""
        self.show()

    def about(self) -> dict[str, object]:
        """Return the pin and what the contact did."""
        return {**super().about(), "closed": self.closed, "changes": self.changes}

    def move(self, *, closed: bool) -> None:
        """Close or open it, bouncing; does nothing when it is so, or is stuck."""
        if closed == self.closed or self.stuck:
            return
        self.closed = closed
        self.changes += 1
        to, back = (False, None) if closed else (None, False)
        over_us = round(self._options.bounce_ms * 1000)
        self.play(self.pin, bouncing(to, back, self._options.bounces, over_us))

    def advance(self, now_s: float) -> None:
        """Move it now and then, at random."""
        passed = 0.0 if self._stepped_at is None else min(now_s - self._stepped_at, LONGEST_STEP_S)
        self._stepped_at = now_s
        if self._rng.random() < self._options.changes_per_hour * passed / HOUR_S:
            self.move(closed=not self.closed)

    def show(self) -> None:
        """Bring the pin to what it has to be now."""
        self._chip.drive(self.pin, False if self.closed and not self.cut else None)


class Pulses(PinTwin):
    """The pulse output of a meter."""

    def __init__(self, options: PulsesOptions, chip: Chip, truth: TruthJournal) -> None:
        """Take the scene's options and the chip."""
        super().__init__(options, chip, truth)
        self._options: Final = options
        self._stepped_at: float | None = None
        self._owed = 0.0
        self.total = 0
        """How many pulses it made, seen by somebody or not."""

    def about(self) -> dict[str, object]:
        """Return the pin and the pulses."""
        return {**super().about(), "pulses": self.total}

    def advance(self, now_s: float) -> None:
        """Make the pulses of the time that passed."""
        passed = 0.0 if self._stepped_at is None else min(now_s - self._stepped_at, LONGEST_STEP_S)
        self._stepped_at = now_s
        self._owed += passed * self._options.rate_hz
        whole = int(self._owed)
        self._owed -= whole
        if whole:
            self.pulse(whole)

    def pulse(self, count: int, width_ms: float | None = None) -> None:
        """Make some pulses, one after the other, pauses as long as the pulses.

        Args:
            count: how many.
            width_ms: of each; None: as the scene says.
        """
        width_us = round((width_ms or self._options.width_ms) * 1000)
        over_us = width_us // 4
        steps: list[Step] = []
        for number in range(count):
            for start, to, back in ((0, False, None), (width_us, None, False)):
                at = width_us + 2 * number * width_us + start
                moves = bouncing(to, back, self._options.bounces, over_us)
                steps += [Step(at + step.after_us, step.level) for step in moves]
        self.play(self.pin, steps)
        self.total += count

    def show(self) -> None:
        """Rest, open."""
        self._chip.drive(self.pin, None)


class Relay(PinTwin):
    """A relay with an auxiliary contact that shows whether it really moved."""

    def __init__(self, options: RelayOptions, chip: Chip, truth: TruthJournal) -> None:
        """Take the scene's options and the chip."""
        super().__init__(options, chip, truth)
        self._options: Final = options
        self.closed = False
        self.moves = 0
        """How often its contact moved."""
        chip.watch(self.pin, self._coil)
        self.show()

    @property
    def pulled(self) -> bool:
        """Say whether its coil has current: only a pin that is an output drives it."""
        pin = self._chip.pins[self.pin]
        driven = pin.mode == 1 or pin.outside is not None
        return driven and not self.cut and pin.level != self._options.active_low

    def about(self) -> dict[str, object]:
        """Return the pins and what the relay does."""
        contact = {} if self._options.contact is None else {"contact": self._options.contact}
        return {**super().about(), **contact, "closed": self.closed}

    def _coil(self, _pin: int, _level: bool, _tick: int) -> None:  # noqa: FBT001
        self.later(self._options.lag_ms / 1000, self.show)

    def show(self) -> None:
        """Let the contact follow the coil."""
        if not self.stuck and self.closed != self.pulled:
            self.closed = self.pulled
            self.moves += 1
        if self._options.contact is not None:
            self._chip.drive(self._options.contact, False if self.closed else None)


class Lamp(PinTwin):
    """A lamp that is dimmed by the duty cycle of its pin."""

    def __init__(self, options: LampOptions, chip: Chip, truth: TruthJournal) -> None:
        """Take the scene's options and the chip."""
        super().__init__(options, chip, truth)

    @property
    def percent(self) -> float:
        """Return how bright it is."""
        pin = self._chip.pins[self.pin]
        if self.cut:
            return 0.0
        if pin.duty is not None:
            return 100.0 * pin.duty / pin.duty_range
        return 100.0 if pin.level else 0.0

    def about(self) -> dict[str, object]:
        """Return the pin and how bright it is."""
        return {**super().about(), "percent": self.percent}


class Board(Twin):
    """The service, for faults that strike all of its pins."""

    def __init__(self, options: BoardOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options.id, truth)

    def power_on(self) -> None:
        """Have nothing to forget: the line resets the pins."""

    def advance(self, now_s: float) -> None:
        """Have nothing that moves by itself."""

    def about(self) -> dict[str, object]:
        """Return nothing beside its counts."""
        return {}

    def judge(self, request: Request) -> functools.partial[list[Told]] | int:
        """Say what becomes of a request: an error code, or what is made of its answer."""
        struck = self.strike()
        refuses = any(isinstance(fault, Refuse) for fault, _ in struck)
        if refuses and request.command in SETTING:
            self.sent()
            return int(Refusal.NOT_PERMITTED)
        return functools.partial(self._spoil, struck)

    def _spoil(self, struck: tuple[Struck, ...], whole: bytes) -> list[Told]:
        if not self.hears(struck):
            return []
        self.sent()
        for fault, _ in struck:
            if isinstance(fault, Short):
                whole = whole[: max(1, len(whole) - fault.missing)]
            if isinstance(fault, Liar):
                whole = whole[:12] + bytes(4 * [0xFF])
        return [(whole, delay_s(struck))]
