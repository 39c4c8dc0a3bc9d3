"""A Modbus device in memory, and the line it is on: what a driver is handed, without a port.

Tables are dictionaries; an address that is not in them is refused with exception 2. The line speaks
MBAP and hands every answer to the framing that the driver gave it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from drivers.media.characters import Characters
from drivers.media.framing import Framing
from drivers.media.port import Statistics
from gateway.model.driver import Priority
from gateway.model.errors import NoResponseError
from gateway.model.ids import LineId

BITS = {1: "coil", 2: "discrete"}
WORDS = {3: "holding", 4: "input"}
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS = 1, 2


@dataclass
class Device:
    """What it holds and what it refuses."""

    tables: dict[str, dict[int, int]]
    code: int = ILLEGAL_ADDRESS
    """With what it refuses an address it does not have."""
    refuses_all: int | None = None
    refuses_writes: int | None = None
    longest: int = 125
    """More registers than this are refused with `code`."""
    deaf_to_writes: bool = False
    """Confirms a write and does nothing."""
    silent: bool = False
    log: list[tuple[int, int, int]] = field(default_factory=list)
    """Function, address, count (or value) of each request."""

    def answer(self, pdu: bytes) -> bytes:
        function, address, count = struct.unpack_from(">BHH", pdu)
        self.log.append((function, address, count))
        if self.refuses_all is not None:
            return bytes((function | 0x80, self.refuses_all))
        if function in BITS | WORDS:
            return self._read(function, address, count)
        if self.refuses_writes is not None:
            return bytes((function | 0x80, self.refuses_writes))
        return self._write(function, address, pdu)

    def _read(self, function: int, address: int, count: int) -> bytes:
        table = self.tables.get((BITS | WORDS)[function])
        if table is None:
            return bytes((function | 0x80, ILLEGAL_FUNCTION))
        wanted = range(address, address + count)
        if (function in WORDS and count > self.longest) or not table.keys() >= set(wanted):
            return bytes((function | 0x80, self.code))
        if function in WORDS:
            data = b"".join(table[at].to_bytes(2, "big") for at in wanted)
        else:
            packed = sum(bool(table[at]) << place for place, at in enumerate(wanted))
            data = packed.to_bytes((count + 7) // 8, "little")
        return bytes((function, len(data))) + data

    def _write(self, function: int, address: int, pdu: bytes) -> bytes:
        values: Mapping[int, int]
        if function == 5:
            values = {address: int(pdu[3:5] == b"\xff\0")}
        elif function == 6:
            values = {address: int.from_bytes(pdu[3:5], "big")}
        elif function == 15:
            values = {address: pdu[6] & 1}
        else:
            words = struct.unpack(f">{pdu[5] // 2}H", pdu[6:])
            values = {address + place: word for place, word in enumerate(words)}
        table = self.tables["coil" if function in {5, 15} else "holding"]
        if not self.deaf_to_writes:
            table.update(values)
        return pdu[:5]


@dataclass
class DeviceLine:
    """A `ByteLine` with one device on it."""

    device: Device
    medium: str = "tcp"
    generation: int = 1
    id: LineId = field(default_factory=lambda: LineId("line"))
    statistics: Statistics = field(default_factory=Statistics)
    priorities: list[Priority] = field(default_factory=list)

    async def open(self) -> None:
        """Be open already."""

    async def close(self) -> None:
        """Stay open."""

    def listen(self, hear: Callable[[bytes], None]) -> None:
        """Refuse: a Modbus device never talks by itself."""
        msg = f"{hear}: nothing is heard here"
        raise ValueError(msg)

    async def exchange(
        self,
        request: bytes,
        answer: Framing,
        *,
        timeout_s: float,
        priority: Priority = Priority.POLL,
        characters: Characters | None = None,
    ) -> bytes:
        assert timeout_s > 0
        assert characters is None  # there are none over TCP
        self.priorities.append(priority)
        self.statistics.exchanges += 1
        if self.device.silent:
            msg = "no answer"
            raise NoResponseError(msg)
        reply = self.device.answer(request[7:])
        frame = request[:4] + (len(reply) + 1).to_bytes(2, "big") + request[6:7] + reply
        assert answer.measure(frame) == len(frame)
        return frame
