"""An OSDP reader on a line of a scene."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final, Literal

from pydantic import Field

from simulators.access.cards import Crowd, SerialReaderOptions, wiegand_26
from simulators.access.osdp.frames import BROADCAST, next_command, read, sealed
from simulators.access.osdp.reader import Answer, Reader, Say
from simulators.faults import Liar, Refuse, WrongUnit
from simulators.lines.byte_slave import ByteTwin, Said
from simulators.truth import TruthJournal
from simulators.twin import Struck

_REPLY: Final = 0x80


class OsdpOptions(SerialReaderOptions):
    """Options of an OSDP reader in a scene."""

    kind: Literal["osdp-reader"] = "osdp-reader"
    address: int = Field(default=0, ge=0, le=126, description="on its line")
    key: str | None = Field(
        default="000102030405060708090a0b0c0d0e0f",
        pattern=r"^[0-9a-f]{32}$",
        description="of its secure channel, hex; a factory-fresh one: see `fresh`",
    )
    fresh: bool = Field(default=False, description="has the factory key, and takes another one")
    secure_only: bool = Field(default=True, description="says nothing without a secure channel")
    outputs: int = Field(default=1, ge=0, le=8, description="relays it has")

    @property
    def place(self) -> Hashable:
        """Return its address."""
        return "osdp", self.address


class OsdpTwin(ByteTwin):
    """The reader."""

    def __init__(self, options: OsdpOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options.id, truth, options.baud_rate)
        key = None if options.fresh or options.key is None else bytes.fromhex(options.key)
        self.reader: Final = Reader(
            options.address,
            key,
            outputs=options.outputs,
            seed=options.seed,
            secure_only=options.secure_only,
        )
        self._crowd: Final = Crowd(options.cards, options.showings_per_hour, options.seed)
        self._now_s = 0.0

    def power_on(self) -> None:
        """Forget the channel, events, lights and outputs; the key stays."""
        self.reader.power_on()

    def about(self) -> dict[str, object]:
        """Return the address."""
        return {"address": self.reader.address}

    def step(self, dt_s: float) -> None:
        """Let people come."""
        self._now_s += dt_s
        for facility, number in self._crowd.come(self._now_s):
            self.card(facility, number)

    def card(self, facility: int, number: int) -> None:
        """Have a card of 26 bits shown."""
        self.reader.show(wiegand_26(facility, number))

    def cut(self, heard: bytearray) -> bytes | None:
        """Find a command to it or to all."""
        while (command := next_command(heard)) is not None:
            if command.address in {self.reader.address, BROADCAST}:
                return command.wire
        return None

    def answer(self, request: bytes, struck: Sequence[Struck]) -> Sequence[Said]:
        """Carry a command out."""
        command = read(request)
        if command is None:
            return []

        def changed(answer: Answer) -> Answer:
            for fault, _rng in struck:
                if isinstance(fault, Refuse):
                    return Answer(Say.NAK, bytes((fault.code,)))
                if isinstance(fault, Liar) and fault.how == "values" and answer.code == Say.LSTATR:
                    return Answer(Say.LSTATR, b"\xff\xff")
            return answer

        reply = self.reader.answer(command, changed)
        return [] if reply is None else [Said(_spoilt(reply, struck, crc=command.crc))]


def _spoilt(reply: bytes, struck: Sequence[Struck], *, crc: bool) -> bytes:
    """Return a reply of another reader, or with lengths that lie, its CRC right."""
    body = bytearray(reply[: -2 if crc else -1])
    for fault, _rng in struck:
        if isinstance(fault, WrongUnit):
            body[1] = (body[1] + fault.offset) & 0x7F | _REPLY
        elif isinstance(fault, Liar) and fault.how == "length":
            body[2] = (body[2] + 3) & 0xFF
        elif isinstance(fault, Liar) and fault.how == "count":
            del body[-1]
    return sealed(bytes(body), with_crc=crc)
