"""A recorded line as a twin: it says to each request what was said to it then, in that order.

Each device goes through its part of the tape: a request is answered as it was the next time it was
asked there, so that what belongs together stays together; after the end it begins anew. A request
that was never asked is refused where the protocol has a refusal (Modbus: exception 2, illegal data
address), else answered by nobody. A line on which nothing was asked talks by itself.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from operator import itemgetter
from typing import Final

from simulators.lines.hub import End, Hub
from simulators.modbus import mbap, rtu
from simulators.modbus.memory import ExceptionCode
from simulators.modbus.pdu import EXCEPTION
from simulators.recording.tape import Answer, Piece, exchanges, monologue
from simulators.truth import TruthJournal
from simulators.twin import Struck, Twin, delay_s, spoiled

TRANSACTION: Final = 2
"""Bytes at the beginning of a Modbus TCP frame that are new each time (V1.0b, 3.1.3)."""
UNIT: Final = 4
"""Where the unit stands behind it."""
SOON_ROUNDS: Final = 3
"""What is asked again within so many rounds of a device's requests belongs to the next one."""
LONGEST_REQUEST: Final = 512

Say = Callable[[bytes], None]


class Speech(StrEnum):
    """What is known of the frames of a recorded line."""

    BYTES = "bytes"
    MODBUS_RTU = "modbus-rtu"
    MODBUS_TCP = "modbus-tcp"


def _refused(function: int) -> bytes:
    return bytes((function | EXCEPTION, ExceptionCode.ILLEGAL_DATA_ADDRESS))


class ReplayTwin(Twin):
    """All devices of one recorded line."""

    def __init__(
        self,
        name: str,
        pieces: Sequence[Piece],
        truth: TruthJournal,
        *,
        speech: Speech = Speech.BYTES,
        char_s: float = 0.0,
    ) -> None:
        """Take what went over the line.

        Args:
            name: of the twin.
            pieces: of this line alone.
            truth: it serves no counter of its own and notes nothing here.
            speech: what is known of its frames.
            char_s: how long a character takes on the line, in seconds; 0: as fast as can be.
        """
        super().__init__(name, truth)
        self._speech = speech
        self._char_s = char_s
        answers: dict[bytes, list[tuple[int, Answer]]] = {}
        lengths: Counter[bytes] = Counter()
        self._kinds: Counter[bytes] = Counter()
        """How many different requests each device was asked."""
        for whole, answer in exchanges(pieces):
            request = self._bare(whole)
            device = self._device_of(request)
            self._kinds[device] += request not in answers
            answers.setdefault(request, []).append((lengths[device], answer))
            lengths[device] += 1
        self._answers: Final[Mapping[bytes, Sequence[tuple[int, Answer]]]] = answers
        self._lengths = lengths
        self._cursors: dict[bytes, int] = {}
        """Where each device is on the tape."""
        self._said = [] if answers else monologue(pieces)
        self._units = {request[0] for request in answers if request}
        self._heard = bytearray()
        self._talking: asyncio.TimerHandle | None = None
        self.unknown = 0
        """Requests, or else bytes, that nobody asked then."""

    def power_on(self) -> None:
        """Be as before: a recording has no state."""

    def advance(self, now_s: float) -> None:
        """Have no physics."""

    def about(self) -> dict[str, object]:
        """Return how much it has to say."""
        return {"requests_known": len(self._answers)}

    def _bare(self, request: bytes) -> bytes:
        return request[TRANSACTION:] if self._speech is Speech.MODBUS_TCP else request

    # Asked

    def hear(self, data: bytes, say: Say) -> None:
        """Take what came, and say what was said to it then."""
        self._heard += data
        del self._heard[:-LONGEST_REQUEST]
        while self._heard:
            bare = self._bare(bytes(self._heard))
            known = [request for request in self._answers if bare.startswith(request)]
            if known:
                request = max(known, key=len)
                number = bytes(self._heard[: len(self._heard) - len(bare)])
                del self._heard[: len(number) + len(request)]
                self._answer(request, number, say)
            elif any(request.startswith(bare) for request in self._answers):
                return
            elif (refusal := self._refusal()) is not None:
                self.unknown += 1
                self._heard.clear()
                if self.hears(self.strike()):
                    say(refusal)
            else:
                self.unknown += 1
                del self._heard[0]

    def _refusal(self) -> bytes | None:
        """Return the refusal of a whole frame that was never asked; None: it is none."""
        if self._speech is Speech.MODBUS_TCP:
            try:
                requests = mbap.take(rest := bytearray(self._heard))
            except mbap.StreamError:
                return None
            if not requests or rest:
                return None
            (number, unit, pdu), *_ = requests
            return mbap.wrap(number, unit, _refused(pdu[0]))
        frame = bytes(self._heard)
        asked = rtu.unwrap(frame) if self._speech is Speech.MODBUS_RTU else None
        if asked is None or asked.unit not in self._units or not asked.pdu:
            return None
        return rtu.wrap(asked.unit, _refused(asked.pdu[0]))

    def _answer(self, request: bytes, number: bytes, say: Say) -> None:
        struck = self.strike()
        if not self.hears(struck):
            return
        answer = self._next_to(request)
        if not answer.pieces or spoiled(struck):
            return
        self.sent()
        loop = asyncio.get_running_loop()
        late_s = delay_s(struck)
        wire_s = (len(request) + len(answer.data)) * self._char_s
        for place, (after_us, data) in enumerate(answer.pieces):
            wire = number + data[len(number) :] if place == 0 else data
            loop.call_later(late_s + max(0.0, after_us / 1e6 - wire_s), say, wire)

    def _next_to(self, request: bytes) -> Answer:
        """Return what was said to a request the next time it was asked of this device.

        What was asked seldom, and not again soon, is answered as it was nearest to here, and the
        device stays where it is on the tape.
        """
        device = self._device_of(request)
        cursor = self._cursors.get(device, 0)
        answers = self._answers[request]
        at = bisect_left(answers, cursor, key=itemgetter(0)) % len(answers)
        place, answer = answers[at]
        ahead = place - cursor
        if 0 <= ahead <= SOON_ROUNDS * self._kinds[device] or self._is_over(device, answers):
            self._cursors[device] = place + 1
            return answer
        _, nearest = min(answers, key=lambda each: abs(each[0] - cursor))
        return nearest

    def _is_over(self, device: bytes, answers: Sequence[tuple[int, Answer]]) -> bool:
        """Say whether the device is at the end of the tape with what it is asked often."""
        often = len(answers) * self._kinds[device] >= self._lengths[device] / SOON_ROUNDS
        return often and answers[-1][0] < self._cursors.get(device, 0)

    def _device_of(self, request: bytes) -> bytes:
        """Return what of a request names a device on its line."""
        if self._speech is Speech.MODBUS_RTU:
            return request[:1]
        if self._speech is Speech.MODBUS_TCP:
            return request[UNIT : UNIT + 1]
        return b""

    # Talking

    def talk(self, say: Say) -> None:
        """Say what was said on a line on which nobody asked, again and again."""
        if self._said:
            self._next(0, say)

    def _next(self, place: int, say: Say) -> None:
        wait_us, _ = self._said[place % len(self._said)]
        loop = asyncio.get_running_loop()
        self._talking = loop.call_later(max(wait_us, 1000) / 1e6, self._speak, place, say)

    def _speak(self, place: int, say: Say) -> None:
        struck: tuple[Struck, ...] = self.strike()
        if self.hears(struck) and not spoiled(struck):
            self.sent()
            say(self._said[place % len(self._said)][1])
        self._next(place + 1, say)

    def fall_silent(self) -> None:
        """Talk no more."""
        if self._talking is not None:
            self._talking.cancel()


class ReplaySlave:
    """A recorded line on a line of a scene. A `Slave`."""

    def __init__(self, hub: Hub, twin: ReplayTwin) -> None:
        """Join the line."""
        self.end: Final[End] = hub.add_end(lambda wire: twin.hear(wire, self._say))
        twin.talk(self._say)

    def _say(self, wire: bytes) -> None:
        self.end.say(wire)
