"""What an OSDP reader answers: identity, capabilities, status, orders, cards and keys. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from random import Random
from typing import Final

from simulators.access.osdp.channel import FACTORY_KEY, Session
from simulators.access.osdp.frames import BROADCAST, HAS_BLOCK, START, USES_CRC, Command, sealed

KEYSET: Final = 0x75
KEYSET_LENGTH: Final = 18
HELD: Final = 16
"""Events a reader keeps while nobody asks; the oldest go."""


class Say(IntEnum):
    """Codes of replies."""

    ACK = 0x40
    NAK = 0x41
    PDID = 0x45
    PDCAP = 0x46
    LSTATR = 0x48
    OSTATR = 0x4A
    RAW = 0x50
    KEYPAD = 0x53
    CCRYPT = 0x76
    RMAC_I = 0x78


class Nak(IntEnum):
    """Why a command is refused."""

    LENGTH = 2
    UNKNOWN = 3
    SEQUENCE = 4
    NOT_SECURE = 6
    RECORD = 9


@dataclass(slots=True)
class Panel:
    """What the panel made of the reader, for tests and people."""

    led: int = 0
    beeps: int = 0
    text: str = ""
    outputs: list[bool] = field(default_factory=list)


@dataclass(slots=True)
class Answer:
    """One reply before it is put into a frame."""

    code: Say
    body: bytes = b""
    block: bytes = b""


class Reader:
    """One reader with its secure channel."""

    def __init__(
        self,
        address: int,
        key: bytes | None,
        *,
        outputs: int,
        seed: int,
        secure_only: bool = True,
    ) -> None:
        """Take what it is.

        Args:
            address: on its line.
            key: of its secure channel; None: as from the factory, open to whoever comes first.
            outputs: relays it has.
            seed: of its random numbers.
            secure_only: refuses all but identity outside of a secure channel.
        """
        self.address: Final = address
        self.key = key
        self.panel: Final = Panel(outputs=[False] * outputs)
        self.tamper = False
        self.power_fault = False
        self._secure_only: Final = secure_only
        self._rng: Final = Random(seed)
        self._session: Session | None = None
        self._with_factory_key = False
        self._events: deque[Answer] = deque(maxlen=HELD)
        self._asked = self._said = b""

    @property
    def secure(self) -> bool:
        """Say whether the channel stands."""
        return self._session is not None and self._session.up

    def power_on(self) -> None:
        """Be as after power-up."""
        self._session = None
        self._asked = b""
        self._events.clear()
        self.panel.led = 0
        self.panel.outputs = [False] * len(self.panel.outputs)

    # What happens at the reader

    def show(self, bits: str) -> None:
        """Have a card read."""
        data = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
        head = bytes((0, 1)) + len(bits).to_bytes(2, "little")
        self._events.append(Answer(Say.RAW, head + data))

    def press(self, keys: str) -> None:
        """Have keys pressed."""
        codes = bytes({"*": 0x7F, "#": 0x0D}.get(key, ord(key)) for key in keys)
        self._events.append(Answer(Say.KEYPAD, bytes((0, len(codes))) + codes))

    def open_case(self, *, opened: bool) -> None:
        """Open or close the case; told by itself."""
        self.tamper = opened
        self._events.append(self._local())

    # What it says

    def answer(
        self, command: Command, change: Callable[[Answer], Answer] | None = None
    ) -> bytes | None:
        """Return the reply to a command for it, or None: it is for another one, or a broadcast.

        Args:
            command: what was heard.
            change: what a fault makes of the answer.
        """
        if command.address not in {self.address, BROADCAST}:
            return None
        if command.sequence == 0:
            self._session = None
        elif command.wire == self._asked:
            return self._said  # asked again since the answer was lost: the channel must not go on
        answer = self._carried_out(command)
        if change is not None:
            answer = change(answer)
        self._asked = command.wire
        self._said = self._framed(command, answer)
        return self._said

    def _carried_out(self, command: Command) -> Answer:
        session = self._session
        kind = command.block[0] if command.block else 0
        body: bytes | None = command.body
        if kind >= 0x15:  # noqa: PLR2004 - SCS_15 and up
            if session is None or not session.up:
                return self._nak(Nak.NOT_SECURE)
            body = session.opened(command.body) if kind == 0x17 else command.body  # noqa: PLR2004
            if body is None or not session.heard(command.signed, command.mac):
                self._session = None
                return self._nak(Nak.NOT_SECURE)
        elif session is not None and session.up:
            self._session = None  # whoever talks plainly has lost the channel
        if kind == 0x11 and command.code == 0x76:  # noqa: PLR2004 - CHLNG in SCS_11
            return self._challenged(command)
        if kind == 0x13 and command.code == 0x77:  # noqa: PLR2004 - SCRYPT in SCS_13
            return self._proved(command)
        secure = self.secure
        if self._secure_only and not secure and command.code not in {0x60, 0x61, 0x62}:
            return self._nak(Nak.NOT_SECURE)
        return self._obeyed(command.code, body or b"", secure=secure)

    def _challenged(self, command: Command) -> Answer:
        factory = command.block[1:2] == b"\0"
        key = FACTORY_KEY if factory else self.key
        if key is None or (factory and self.key is not None) or len(command.body) != 8:  # noqa: PLR2004
            return self._nak(Nak.NOT_SECURE)
        own = self._rng.randbytes(8)
        self._session = Session(key, command.body, own)
        self._with_factory_key = factory
        identity = b"\xd4\xe7\x4a\x01\x00" + self.address.to_bytes(3, "little")
        body = identity + own + self._session.cryptogram()
        return Answer(Say.CCRYPT, body, bytes((0x12, not factory)))

    def _proved(self, command: Command) -> Answer:
        mac = None if self._session is None else self._session.accept(command.body)
        if mac is None:
            self._session = None
            return self._nak(Nak.NOT_SECURE)
        return Answer(Say.RMAC_I, mac, b"\x14\x01")

    def _obeyed(self, code: int, body: bytes, *, secure: bool) -> Answer:
        orders = {
            0x60: self._polled,
            0x61: self._identified,
            0x62: self._described,
            0x64: self._local,
            0x66: self._told_outputs,
            0x68: self._switched,
            0x69: self._lit,
            0x6A: self._sounded,
            0x6B: self._written,
        }
        if code in orders:
            return orders[code](body)
        if code == KEYSET and secure and body[:2] == b"\x01\x10" and len(body) == KEYSET_LENGTH:
            self.key = body[2:]
            return _ACK
        return self._nak(Nak.UNKNOWN)

    def _polled(self, _body: bytes) -> Answer:
        may = self.secure or not self._secure_only
        return self._events.popleft() if self._events and may else _ACK

    def _identified(self, _body: bytes) -> Answer:
        number = self.address.to_bytes(4, "little")
        return Answer(Say.PDID, b"\xd4\xe7\x4a\x01\x01" + number + b"\x01\x00\x00")

    def _told_outputs(self, _body: bytes) -> Answer:
        return Answer(Say.OSTATR, bytes(self.panel.outputs))

    def _lit(self, body: bytes) -> Answer:
        if len(body) != 14:  # noqa: PLR2004 - two numbers, six bytes and six bytes
            return self._nak(Nak.LENGTH)
        if body[9]:
            self.panel.led = body[12]
        return _ACK

    def _sounded(self, body: bytes) -> Answer:
        if len(body) != 5:  # noqa: PLR2004 - reader, tone, on, off, count
            return self._nak(Nak.LENGTH)
        self.panel.beeps += body[4] if body[1] == 2 else 0  # noqa: PLR2004 - the usual tone
        return _ACK

    def _written(self, body: bytes) -> Answer:
        if len(body) < 6 or len(body) != 6 + body[5]:  # noqa: PLR2004 - six bytes, then text
            return self._nak(Nak.LENGTH)
        self.panel.text = body[6:].decode("ascii", "replace")
        return _ACK

    def _switched(self, body: bytes) -> Answer:
        if len(body) != 4 or body[0] >= len(self.panel.outputs):  # noqa: PLR2004
            return self._nak(Nak.RECORD)
        self.panel.outputs[body[0]] = body[1] in {2, 4, 5}
        return _ACK

    def _local(self, _body: bytes = b"") -> Answer:
        return Answer(Say.LSTATR, bytes((self.tamper, self.power_fault)))

    def _described(self, _body: bytes) -> Answer:
        rows = [(2, 1, len(self.panel.outputs)), (3, 1, 0), (4, 1, 1), (5, 1, 1), (6, 1, 1)]
        rows += [(8, 1, 0), (9, 1, 1), (13, 0, 1)]
        return Answer(Say.PDCAP, bytes(byte for row in rows for byte in row))

    @staticmethod
    def _nak(why: Nak) -> Answer:
        return Answer(Say.NAK, bytes((why,)))

    def _framed(self, command: Command, answer: Answer) -> bytes:
        session = self._session
        control = command.sequence | (USES_CRC if command.crc else 0)
        block = answer.block
        body = answer.body
        signs = not block and session is not None and session.up
        if signs and session is not None:
            block = b"\x18" if body else b"\x16"
            body = session.hidden(body) if body else b""
        if block:
            control |= HAS_BLOCK
            block = bytes((len(block) + 1,)) + block
        size = 5 + len(block) + 1 + len(body) + (4 if signs else 0) + (2 if command.crc else 1)
        frame = bytes((START, self.address | 0x80)) + size.to_bytes(2, "little") + bytes((control,))
        frame += block + bytes((answer.code,)) + body
        if signs and session is not None:
            frame += session.sign(frame)
        return sealed(frame, with_crc=command.crc)


_ACK: Final = Answer(Say.ACK)
