"""A twin: one device with its physics, its faults and its counter of answers. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from simulators.faults import Fault, Flood, Reboot, Silent
from simulators.modbus import spoil
from simulators.modbus.device import Device
from simulators.modbus.memory import WORD
from simulators.modbus.pdu import EXCEPTION, Function, read_range, serve
from simulators.truth import TruthJournal

_DATA: Final = 2
"""Where the registers begin in an answer to a read: after function code and byte count."""
COUNTER_SIZE: Final = 1 << 32


class Reply(NamedTuple):
    """What a twin answers."""

    pdu: bytes
    number: int | None
    """The number that the counter of answers has in it, or None when it does not carry it whole."""
    certain: bool
    """False when a fault is about: only the other end can know what it made of the answer."""


@dataclass(slots=True, eq=False)
class InPlay:
    """A fault that holds now, with its own random numbers."""

    fault: Fault
    rng: Random


@dataclass(slots=True)
class Counts:
    """What one twin did since the start."""

    requests: int = 0
    """Asked of it, and understood by its line."""
    answered: int = 0
    """Sent, spoiled or not."""
    struck: int = 0
    """Of all requests, those that a fault struck."""


class Twin:
    """One device on a line, whatever the line is."""

    def __init__(
        self,
        name: str,
        unit: int,
        device: Device,
        truth: TruthJournal,
        baud_rate: int | None = None,
    ) -> None:
        """Take the device and the journal of what it serves.

        Args:
            name: of the twin.
            unit: Modbus unit identifier.
            device: what it is.
            truth: where it notes what it served.
            baud_rate: bits a second on a serial line; None: as the line.
        """
        self.name: Final = name
        self.unit: Final = unit
        self.device: Final = device
        self.baud_rate: Final = baud_rate
        self.answers = 0
        """How many answers with the counter in them went out whole."""
        self.counts: Final = Counts()
        self._truth = truth
        self._faults: list[InPlay] = []
        self._stepped_at: float | None = None

    @property
    def faults(self) -> tuple[InPlay, ...]:
        """Return the faults that hold now."""
        return tuple(self._faults)

    @property
    def off(self) -> bool:
        """Say whether the device is restarting."""
        return any(isinstance(item.fault, Reboot) for item in self._faults)

    def begin(self, fault: Fault) -> InPlay:
        """Let a fault hold from now on."""
        held = InPlay(fault, Random(fault.seed))
        self._faults.append(held)
        self.doubt()
        if isinstance(fault, Reboot):
            self.device.power_on()
        return held

    def end(self, held: InPlay) -> None:
        """End a fault; does nothing when it has ended."""
        if held in self._faults:
            self._faults.remove(held)

    def doubt(self) -> None:
        """Take back the certainty of what was served a moment ago.

        A reader may ask several things of a device and throw all of them away when one fails.
        """
        self._truth.doubt(self.name)

    def advance(self, now_s: float) -> None:
        """Let the physics run up to that time."""
        if self._stepped_at is None:
            self._stepped_at = now_s
        passed = now_s - self._stepped_at
        if passed >= self.device.step_s:
            self._stepped_at = now_s
            self.device.advance(passed)

    def strike(self) -> tuple[spoil.Struck, ...]:
        """Draw which of the faults strike the answer to one request."""
        self.counts.requests += 1
        struck = tuple(
            spoil.Struck(held.fault, held.rng)
            for held in self._faults
            if not isinstance(held.fault, Flood) and held.rng.random() < held.fault.probability
        )
        self.counts.struck += bool(struck)
        return struck

    def hears(self, struck: tuple[spoil.Struck, ...]) -> bool:
        """Say whether the device takes the request in at all."""
        return not self.off and not any(
            isinstance(fault, Silent) and not fault.obeys for fault, _rng in struck
        )

    def obey(self, request: bytes, now_s: float) -> None:
        """Carry out a request without answering: a broadcast, or a device that lost its voice."""
        self.advance(now_s)
        serve(self.device.memory, self.device.identity, request)

    def reply(self, request: bytes, struck: tuple[spoil.Struck, ...], now_s: float) -> Reply | None:
        """Return what the device answers, or None when it says nothing.

        The counter goes up only when `served` is told that the answer went out.

        Args:
            request: the PDU that was asked.
            struck: what `strike` drew for it.
            now_s: this moment, as for `advance`.
        """
        if not request or not self.hears(struck):
            return None
        if any(isinstance(fault, Silent) for fault, _rng in struck):
            self.obey(request, now_s)
            return None
        refused = spoil.refused(struck, request[0])
        if refused is not None:
            return Reply(refused, None, certain=True)
        self.advance(now_s)
        keep = self._count(request)
        answer = serve(self.device.memory, self.device.identity, request)
        if answer is None:
            return None
        whole = keep and not answer[0] & EXCEPTION and not spoil.spoiled(struck)
        return Reply(
            spoil.content(struck, answer, keep),
            (self.answers + 1) % COUNTER_SIZE if whole else None,
            certain=not struck and not self._faults,
        )

    def sent(self) -> None:
        """Count an answer that went out, spoiled or not."""
        self.counts.answered += 1

    def served(self, number: int, *, certain: bool) -> None:
        """Take down that this number went out whole."""
        self.answers = number
        self._truth.note(self.name, number, certain=certain)

    def _count(self, request: bytes) -> range:
        """Put the next number into the registers; return its place in the answer, or nothing."""
        asked, place = read_range(request), self.device.answers_at
        if asked is None or asked.function != place.function:
            return range(0)
        first, end = place.address, place.address + place.quantity
        if not asked.address <= first <= end <= asked.address + asked.quantity:
            return range(0)
        table = self.device.memory
        words = table.inputs if place.function == Function.READ_INPUT_REGISTERS else table.holding
        number = (self.answers + 1) % COUNTER_SIZE
        words.image[WORD * first : WORD * end] = number.to_bytes(WORD * place.quantity, "big")
        offset = _DATA + WORD * (first - asked.address)
        return range(offset, offset + WORD * place.quantity)
