"""Boards of light: what they are told they show, each in its own language.

Sources: AM004-03128/03127 LED Display Board Communication 2.2 (2005-08-13), 4.2; Alpha Sign
Communications Protocol 9708-8061F as the reference of alphasignpy 0.1.1 has it. The third is this
project's own: README.md beside this page.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import Final, Literal

from pydantic import Field

from simulators.faults import Liar, Refuse, WrongUnit
from simulators.lines.byte_slave import ByteTwin, Said
from simulators.options import SerialTwinOptions
from simulators.truth import TruthJournal
from simulators.twin import Struck

LOGO: Final = "MAYAK"
"""What a board shows by itself."""


class BoardOptions(SerialTwinOptions):
    """Options that all boards have."""

    address: int = Field(default=1, ge=1, le=99, description="on its line")

    @property
    def place(self) -> Hashable:
        """Return its address."""
        return self.kind, self.address


class BoardTwin(ByteTwin):
    """A board: pages, which of them run, brightness."""

    def __init__(self, options: BoardOptions, truth: TruthJournal) -> None:
        """Take the scene's options."""
        super().__init__(options.id, truth, options.baud_rate)
        self.address: Final = options.address
        self.power_on()

    def power_on(self) -> None:
        """Forget all pages, as a board without a battery does."""
        self.pages: dict[str, str] = {}
        self.running = ""
        self.brightness = 100

    def about(self) -> dict[str, object]:
        """Return its address and what it shows."""
        return {"address": self.address, "shows": self.shows}

    @property
    def shows(self) -> str:
        """Return what passers-by read, page by page."""
        texts = [self.pages[name] for name in self.running if name in self.pages]
        return "|".join(texts) if texts else LOGO

    def step(self, dt_s: float) -> None:
        """Let time pass."""

    @abstractmethod
    def answer(self, request: bytes, struck: Sequence[Struck]) -> Sequence[Said]:
        """Carry a request out and say what is said to it."""

    def answering(self, struck: Sequence[Struck]) -> int:
        """Return the address that stands in the answer."""
        offsets = [fault.offset for fault, _ in struck if isinstance(fault, WrongUnit)]
        return (self.address - 1 + sum(offsets)) % 99 + 1


class Am03127Options(BoardOptions):
    """Options of a board with the AM03127."""

    kind: Literal["am03127"] = "am03127"


class Am03127Twin(BoardTwin):
    """Takes pages and says ACK or NACK; it cannot be read."""

    _FRAME: Final = re.compile(rb"<ID([0-9A-F]{2})>(.*?)([0-9A-F]{2})<E>", re.DOTALL)
    _PAGE: Final = re.compile(rb"<L1><P([A-Z])><F[A-Sa-s]><M[A-Ea-eQ-Uq-u]><W[A-Z]><F[A-Sa-s]>(.*)")
    _LEVELS: Final = {b"A": 100, b"B": 75, b"C": 50, b"D": 25}

    def cut(self, heard: bytearray) -> bytes | None:
        """Find a frame for this board."""
        while (found := self._FRAME.search(bytes(heard))) is not None:
            del heard[: found.end()]
            if int(found[1], 16) == self.address:
                return found[0]
        return None

    def answer(self, request: bytes, struck: Sequence[Struck]) -> Sequence[Said]:
        """Check the sum, carry it out, acknowledge."""
        found = self._FRAME.fullmatch(request)
        if found is None:
            return []
        check = 0
        for byte in found[2]:
            check ^= byte
        refuses = any(isinstance(fault, Refuse) for fault, _ in struck)
        if refuses or check != int(found[3], 16):
            return [Said(b"NACK")]
        if not self._carry_out(found[2]):
            return []  # a format that is not recognised: no response
        lies = any(isinstance(fault, Liar) and fault.how != "values" for fault, _ in struck)
        return [Said(b"AC?" if lies else b"ACK")]

    def _carry_out(self, data: bytes) -> bool:
        page = self._PAGE.fullmatch(data)
        if page is not None:
            self.pages[page[1].decode()] = page[2].decode("ascii", "replace")
            self.running = self.running or page[1].decode()
            return True
        if re.fullmatch(rb"<TA>[0-9]{20}[A-Z]{1,31}", data):
            self.running = data[24:].decode()
            return True
        if re.fullmatch(rb"<B[A-D]>", data):
            self.brightness = self._LEVELS[data[2:3]]
            return True
        return False


class AlphaSignOptions(BoardOptions):
    """Options of a sign with the Alpha protocol."""

    kind: Literal["alpha-sign"] = "alpha-sign"


class AlphaSignTwin(BoardTwin):
    """Takes TEXT files and hands them out."""

    _FRAME: Final = re.compile(
        rb"\x00+\x01[Z!?]([0-9A-F]{2})(\x02([AB])([ -~])([^\x03\x04]*)\x03)([0-9A-F]{4})\x04"
    )

    def cut(self, heard: bytearray) -> bytes | None:
        """Find a transmission for this sign with a right sum."""
        while (found := self._FRAME.search(bytes(heard))) is not None:
            del heard[: found.end()]
            ours = int(found[1], 16) in {0, self.address}
            if ours and sum(found[2]) & 0xFFFF == int(found[6], 16):
                return found[0]
        return None

    def answer(self, request: bytes, struck: Sequence[Struck]) -> Sequence[Said]:
        """Write a file, or say what stands in it."""
        found = self._FRAME.fullmatch(request)
        if found is None:
            return []
        name = found[4].decode()
        if found[3] == b"A":
            self.pages[name] = found[5][3:].decode("ascii", "replace")
            self.running = name
            return []
        text = self.pages.get(name, "").encode()
        block = b"\x02A" + name.encode() + b"\x1b b" + text + b"\x03"
        check = b"%04X" % (sum(block) & 0xFFFF)
        if any(isinstance(fault, Liar) and fault.how == "count" for fault, _ in struck):
            block = block[:-2] + b"\x03"
        return [Said(bytes(20) + b"\x01000" + block + check + b"\x04")]


class DemoBoardOptions(BoardOptions):
    """Options of the demonstration board."""

    kind: Literal["demo-board"] = "demo-board"


class DemoBoardTwin(BoardTwin):
    """Can be read, has Cyrillic letters, and a picture of its own when nobody talks to it."""

    _FRAME: Final = re.compile(rb"\$([0-9]{2}),([^*$\r\n]{1,80})\*([0-9A-F]{2})\r\n")
    _LONGEST: Final = 60

    def power_on(self) -> None:
        """Forget all, and be watched by nobody."""
        super().power_on()
        self.watched_s = 0.0
        self.quiet_s = 0.0

    def step(self, dt_s: float) -> None:
        """Count the silence."""
        self.quiet_s += dt_s

    @property
    def own(self) -> bool:
        """Say whether it shows its own picture."""
        return not self.running or (self.watched_s > 0 and self.quiet_s > self.watched_s)

    @property
    def shows(self) -> str:
        """Return what passers-by read."""
        return LOGO if self.own else super().shows

    def cut(self, heard: bytearray) -> bytes | None:
        """Find a telegram for this board with a right sum."""
        while (found := self._FRAME.search(bytes(heard))) is not None:
            del heard[: found.end()]
            if int(found[1]) == self.address and found[0] == _telegram(found[0][1:-5]):
                return found[0]
        return None

    def answer(self, request: bytes, struck: Sequence[Struck]) -> Sequence[Said]:
        """Carry a telegram out."""
        found = self._FRAME.fullmatch(request)
        if found is None:
            return []
        refused = next((fault for fault, _ in struck if isinstance(fault, Refuse)), None)
        body = f"ERR,{refused.code}".encode() if refused else self._carry_out(found[2])
        if any(isinstance(fault, Liar) and fault.how == "count" for fault, _ in struck):
            body = body[:-1] + b"?"
        self.quiet_s = 0.0
        return [Said(_telegram(b"%02d," % self.answering(struck) + body))]

    def _carry_out(self, order: bytes) -> bytes:
        if order == b"STATE?":
            return f"STATE,{self.running},{self.brightness},{int(self.own)}".encode()
        if re.fullmatch(rb"PAGE[A-F]\?", order):
            page = order[4:5]
            return b"PAGE" + page + b"=" + self.pages.get(page.decode(), "").encode("cp1251")
        name, _, value = order.partition(b"=")
        return b"OK" if self._set(name, value) else b"ERR,2"

    def _set(self, name: bytes, value: bytes) -> bool:
        if re.fullmatch(rb"PAGE[A-F]", name) and len(value) <= self._LONGEST:
            self.pages[name[-1:].decode()] = value.decode("cp1251", "replace")
        elif name == b"RUN" and re.fullmatch(rb"[A-F]{1,6}", value):
            self.running = value.decode()
        elif name == b"DIM" and value in {b"25", b"50", b"75", b"100"}:
            self.brightness = int(value)
        elif name == b"DOG" and re.fullmatch(rb"[0-9]{1,4}", value):
            self.watched_s = float(value)
        else:
            return False
        return True


def _telegram(body: bytes) -> bytes:
    check = 0
    for byte in body:
        check ^= byte
    return b"$" + body + b"*%02X\r\n" % check
