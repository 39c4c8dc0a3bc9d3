"""An M-Bus twin: one meter with its addresses, its telegrams and its counter of answers. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from simulators.faults import Liar, Refuse, WrongUnit
from simulators.mbus import frames, records
from simulators.mbus.frames import Asked
from simulators.mbus.meter import Meter
from simulators.truth import TruthJournal
from simulators.twin import Struck, Twin, spoiled

ANSWERS: Final = "fd3a"
"""Value information of the counter of answers: a plain number, last in the last telegram."""
STEP_S: Final = 1.0
"""A meter looks at its sensors so often."""
COUNTER_SIZE: Final = 1 << 31
SPEEDS: Final = {
    0xB8: 300,
    0xB9: 600,
    0xBA: 1200,
    0xBB: 2400,
    0xBC: 4800,
    0xBD: 9600,
    0xBE: 19200,
    0xBF: 38400,
}
_SELECT: Final = 0x52
_RESET: Final = 0x50
_DATA: Final = 0x51
_SET_ADDRESS: Final = b"\x01\x7a"
_LAST_ADDRESS: Final = 250
_SECURITY: Final = b"\x00\x05"


class Reply(NamedTuple):
    """What a meter answers."""

    wire: bytes
    number: int | None = None
    """The number that the counter of answers has in it."""
    certain: bool = True
    baud_rate: int | None = None
    """Talk at this speed once it is said."""


@dataclass(slots=True)
class _Readout:
    """Where a master is with the telegrams of a meter: by its primary address, or selected."""

    count_bit: int | None = None
    telegrams: list[bytes] | None = None
    place: int = 0
    number: int | None = None


class MbusTwin(Twin):
    """One meter."""

    def __init__(self, meter: Meter, truth: TruthJournal) -> None:
        """Take the meter and the journal of what it serves."""
        options = meter.options
        super().__init__(options.id, truth, options.baud_rate)
        self.meter: Final = meter
        self.address = options.address
        self.selected = False
        self.access_number = 0
        self.own: Final = (
            bytes.fromhex(options.ident)[::-1]
            + frames.maker(options.maker)
            + bytes((options.version, meter.device_type))
        )
        self._readouts: dict[int, _Readout] = {}
        self._stepped_at: float | None = None

    def power_on(self) -> None:
        """Be as after power-up: nobody is reading it, and it is not selected."""
        self.selected = False
        self._readouts.clear()

    def about(self) -> dict[str, object]:
        """Return its addresses."""
        return {"address": self.address, "ident": self.meter.options.ident}

    def advance(self, now_s: float) -> None:
        """Let the physics run up to that time."""
        if self._stepped_at is None:
            self._stepped_at = now_s
        passed = now_s - self._stepped_at
        if passed >= STEP_S:
            self._stepped_at = now_s
            self.meter.advance(passed)

    def served(self, number: int, *, certain: bool) -> None:
        """Take down a number, once: what is asked for again is the same answer."""
        if number != self.answers:
            super().served(number, certain=certain)

    def is_meant(self, asked: Asked) -> bool:
        """Say whether a request concerns it; a selection does, also one of another meter."""
        if asked.address == frames.NETWORK:
            return self.selected or asked.information == _SELECT
        return asked.address in {self.address, frames.TEST, frames.ALL}

    def obey(self, asked: Asked, struck: Sequence[Struck] = ()) -> Reply | None:
        """Carry a request out, and return what is said to it: None is silence.

        Args:
            asked: a request that concerns it.
            struck: what `strike` drew for it.
        """
        reply = self._obey(asked, struck)
        return None if asked.address == frames.ALL else reply

    def _obey(self, asked: Asked, struck: Sequence[Struck]) -> Reply | None:
        match asked.control & ~frames.COUNT_BIT:
            case frames.NKE:
                self._readouts.pop(asked.address, None)
                self.selected = self.selected and asked.address != frames.NETWORK
                return Reply(frames.ACK)
            case frames.REQUEST:
                return self._tell(asked, struck)
            case frames.SEND:
                return self._take(asked)
            case _:
                return None

    def _take(self, asked: Asked) -> Reply | None:
        """Take what was sent to it."""
        match asked.information:
            case _ if asked.information == _SELECT:
                self.selected = frames.matches(asked.data[:8], self.own)
                self._readouts.pop(frames.NETWORK, None)
                return Reply(frames.ACK) if self.selected else None
            case _ if asked.information == _RESET:
                self._readouts.pop(asked.address, None)
            case _ if asked.information in SPEEDS:
                return Reply(frames.ACK, baud_rate=SPEEDS[asked.information])
            case _ if asked.information == _DATA and asked.data[:2] == _SET_ADDRESS:
                if len(asked.data) == len(_SET_ADDRESS) + 1 and asked.data[2] <= _LAST_ADDRESS:
                    self.address = asked.data[2]
            case _:
                pass  # acknowledged by the link, ignored by the application
        return Reply(frames.ACK)

    def _tell(self, asked: Asked, struck: Sequence[Struck]) -> Reply:
        refusal = next((fault for fault, _ in struck if isinstance(fault, Refuse)), None)
        if refusal is not None:
            data = bytes((refusal.code,))
            return Reply(frames.wrap(self._answers_as(struck), frames.REFUSAL, data))
        readout = self._readouts.setdefault(asked.address, _Readout())
        bit = asked.control & frames.COUNT_BIT
        if readout.telegrams is None or bit != readout.count_bit:
            self._turn(readout)
        readout.count_bit = bit
        telegrams = readout.telegrams or []
        last = readout.place == len(telegrams) - 1
        whole = last and not spoiled(struck)
        self.access_number = (self.access_number + 1) % 256
        data = self._header(struck) + _bent(struck, telegrams[readout.place])
        wire = frames.wrap(self._answers_as(struck), frames.VARIABLE, data)
        if _lies(struck, "length"):
            longer = bytes((wire[1] + 1,))
            wire = wire[:1] + longer + longer + wire[3:]
        number = readout.number if whole else None
        return Reply(wire, number, certain=not struck and not self.faults)

    def _turn(self, readout: _Readout) -> None:
        """Go on to the next telegram; after the last one begin anew with what is now."""
        readout.place += 1
        if readout.telegrams is not None and readout.place < len(readout.telegrams):
            return
        readout.place = 0
        readout.number = (self.answers + 1) % COUNTER_SIZE
        parts = self.meter.telegrams()
        parts[-1] += records.binary(ANSWERS, readout.number)
        readout.telegrams = [part + records.MORE for part in parts[:-1]] + parts[-1:]

    def _header(self, struck: Sequence[Struck]) -> bytes:
        own = self.own
        for fault, _rng in struck:
            if isinstance(fault, WrongUnit):
                ident = (int(own[3::-1].hex()) + fault.offset) % 10**8
                own = bytes.fromhex(f"{ident:08d}")[::-1] + own[4:]
        security = _SECURITY if self.meter.options.encrypted else b"\0\0"
        return own + bytes((self.access_number, self.meter.status)) + security

    def _answers_as(self, struck: Sequence[Struck]) -> int:
        address = self.address
        for fault, _rng in struck:
            if isinstance(fault, WrongUnit):
                address = (address + fault.offset) % (_LAST_ADDRESS + 1)
        return address


def _lies(struck: Sequence[Struck], how: str) -> bool:
    return any(isinstance(fault, Liar) and fault.how == how for fault, _rng in struck)


def _bent(struck: Sequence[Struck], telegram: bytes) -> bytes:
    """Return what a liar makes of its records: one breaks off, or all say that there is nothing."""
    if _lies(struck, "count"):
        return telegram.removesuffix(records.MORE)[:-1]
    if _lies(struck, "values"):
        counter = telegram[telegram.rfind(bytes.fromhex("04" + ANSWERS)) :]
        has_counter = counter.startswith(bytes.fromhex("04" + ANSWERS))
        nothing = bytes.fromhex("0c13ffffffff 0b3bffffff")
        tail = counter if has_counter else records.MORE
        return nothing + tail
    return telegram
