"""A Modbus twin: one device with its physics, its faults and its counter of answers. No I/O."""

from __future__ import annotations

from typing import Final, NamedTuple

from simulators.faults import Silent
from simulators.modbus import spoil
from simulators.modbus.device import Device
from simulators.modbus.memory import WORD
from simulators.modbus.pdu import EXCEPTION, Function, read_range, serve
from simulators.truth import TruthJournal
from simulators.twin import Struck, Twin, spoiled

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


class ModbusTwin(Twin):
    """One Modbus device."""

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
        super().__init__(name, truth, baud_rate)
        self.unit: Final = unit
        self.device: Final = device
        self._stepped_at: float | None = None

    def power_on(self) -> None:
        """Be as after power-up: volatile settings at their defaults."""
        self.device.power_on()

    def about(self) -> dict[str, object]:
        """Return the unit identifier."""
        return {"unit": self.unit}

    def advance(self, now_s: float) -> None:
        """Let the physics run up to that time."""
        if self._stepped_at is None:
            self._stepped_at = now_s
        passed = now_s - self._stepped_at
        if passed >= self.device.step_s:
            self._stepped_at = now_s
            self.device.advance(passed)

    def obey(self, request: bytes, now_s: float) -> None:
        """Carry out a request without answering: a broadcast, or a device that lost its voice."""
        self.advance(now_s)
        serve(self.device.memory, self.device.identity, request)

    def reply(self, request: bytes, struck: tuple[Struck, ...], now_s: float) -> Reply | None:
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
        whole = keep and not answer[0] & EXCEPTION and not spoiled(struck)
        return Reply(
            spoil.content(struck, answer, keep),
            (self.answers + 1) % COUNTER_SIZE if whole else None,
            certain=not struck and not self._faults,
        )

    def _count(self, request: bytes) -> range:
        """Put the next number into the registers; return its place in the answer, or nothing."""
        asked, place = read_range(request), self.device.answers_at
        if asked is None or place is None or asked.function != place.function:
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
