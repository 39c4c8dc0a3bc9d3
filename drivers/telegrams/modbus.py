"""Requests and answers of Modbus as they stand on the line: RTU and MBAP. Pure.

The protocol data units of requests, the checksum and the codes of refusals are pymodbus's; finding
the answer in what comes is done here, because the answer must be checked against the request:
pymodbus lets a short one pass.

Source: MODBUS Application Protocol Specification V1.1b3, 4.1 and 7; MODBUS over Serial Line V1.02,
2.5.1; MODBUS Messaging on TCP/IP Implementation Guide V1.0b, 3.1.3 (MBAP header).
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Protocol

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadDiscreteInputsRequest,
    WriteMultipleCoilsRequest,
    WriteSingleCoilRequest,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from drivers.media.framing import ForeignFrameError, Framing
from drivers.telegrams.modbus_tables import Span, Table
from gateway.model.errors import FrameError

REFUSAL: Final = 0x80
"""Added to the function code in an exception reply (V1.1b3, 7)."""

_READS: Final = {
    Table.COIL: ReadCoilsRequest,
    Table.DISCRETE: ReadDiscreteInputsRequest,
    Table.HOLDING: ReadHoldingRegistersRequest,
    Table.INPUT: ReadInputRegistersRequest,
}
_RTU_FRAMER: Final = FramerRTU(DecodePDU(is_server=False))
_MBAP_FRAMER: Final = FramerSocket(DecodePDU(is_server=False))
_TRANSACTIONS: Final = itertools.count(1)
"""One row of transaction ids for all: no two devices on one connection use the same at a time."""

_RTU_HEAD: Final = 2
_RTU_REFUSAL: Final = 5
_MBAP_HEAD: Final = 6
_MBAP_REFUSAL: Final = 9
_LEAST_LENGTH: Final = 2
_PDU_MAX: Final = 253


@dataclass(frozen=True, slots=True)
class Body:
    """What an answer must be, whatever the framing: unit, function, and the bytes after it."""

    unit: int
    function: int
    starts: bytes
    """What stands after the function: the byte count of a read, the echo of a write."""
    size: int
    """Length of unit, function and data of a good answer."""
    asked: str
    """The request in words."""


@dataclass(frozen=True, slots=True)
class RtuAnswer:
    """The RTU answer to one request."""

    body: Body
    head: bytes

    @property
    def shape(self) -> Hashable:
        """Return how a good answer starts (unit, function, length): such frames look alike."""
        return self.head

    def measure(self, received: bytes | bytearray, /) -> int:
        """Find the answer; see `Framing.measure`.

        Raises:
            ForeignFrameError: another unit, another function, or noise.
            FrameError: wrong checksum or length, or an echo that is not what was written.
        """
        body = self.body
        if not received:
            return 0
        good = received.startswith(self.head)
        size = body.size + 2 if good else self._odd_size(received)
        if len(received) < size or not size:
            return 0
        checksum = FramerRTU.compute_CRC(bytes(received[: size - 2]))
        if checksum != received[size - 2] << 8 | received[size - 1]:
            msg = f"{body.asked}: wrong checksum"
            raise FrameError(msg, answer=bytes(received[:size]))
        if received[1] == body.function and not good:
            msg = f"{body.asked}: the answer is of another length or place"
            raise FrameError(msg, answer=bytes(received[:size]))
        return size

    def _odd_size(self, received: bytes | bytearray) -> int:
        """Return the length of a frame that starts unlike a good answer; 0: too early to tell."""
        body = self.body
        if received[0] != body.unit:
            msg = f"{body.asked}: answered by unit {received[0]}, or noise"
            raise ForeignFrameError(msg, answer=bytes(received))
        if len(received) < _RTU_HEAD:
            return 0
        if received[1] == body.function | REFUSAL:
            return _RTU_REFUSAL
        if received[1] != body.function:
            msg = f"{body.asked}: answered with function {received[1]}, or noise"
            raise ForeignFrameError(msg, answer=bytes(received))
        if len(body.starts) > 1:
            return (
                body.size + 2
            )  # a write: all good answers are of one length (V1.1b3, 6.5, 6.6, 6.11, 6.12)
        return received[2] + 5 if len(received) > _RTU_HEAD else 0


@dataclass(frozen=True, slots=True)
class MbapAnswer:
    """The MBAP answer to one request."""

    body: Body
    transaction: int
    head: bytes

    @property
    def shape(self) -> None:
        """Return None: the transaction id tells answers apart."""
        return

    def measure(self, received: bytes | bytearray, /) -> int:
        """Find the answer; see `Framing.measure`. Answers to other transactions are passed over.

        Raises:
            ForeignFrameError: no MBAP frame at all.
            FrameError: our transaction, but another unit, function or length.
        """
        body = self.body
        size = _MBAP_HEAD + body.size
        if len(received) == size and received.startswith(self.head):
            return size
        if len(received) < _MBAP_HEAD:
            return 0
        transaction, protocol, length = (
            int.from_bytes(received[at : at + 2], "big") for at in (0, 2, 4)
        )
        if protocol or not _LEAST_LENGTH <= length <= _PDU_MAX + 1:
            msg = f'{body.asked}: this is no Modbus TCP; is it RTU over TCP (framing = "rtu")?'
            raise ForeignFrameError(msg, answer=bytes(received))
        size = _MBAP_HEAD + length
        if len(received) < size:
            return 0
        if transaction != self.transaction:
            return -size
        self._check(bytes(received[:size]))
        return size

    def _check(self, frame: bytes) -> None:
        body = self.body
        if frame[6] != body.unit:
            msg = f"{body.asked}: answered by unit {frame[6]}"
        elif frame[7] == body.function | REFUSAL and len(frame) == _MBAP_REFUSAL:
            return
        elif frame[7] != body.function:
            msg = f"{body.asked}: answered with function {frame[7]}"
        elif len(frame) != _MBAP_HEAD + body.size or not frame.startswith(self.head):
            msg = f"{body.asked}: the answer is of another length or place"
        else:
            return
        raise FrameError(msg, answer=frame)


class Question(Protocol):
    """One request, prepared once and asked often."""

    @property
    def data_at(self) -> int:
        """Return where in the answer to a read the registers or bits begin."""
        ...

    def ask(self) -> tuple[bytes, Framing]:
        """Return what to send now and what to expect."""
        ...

    def refusal(self, frame: bytes) -> int | None:
        """Return the exception code of an answer, or None when it is a good one."""
        ...


@dataclass(frozen=True, slots=True)
class RtuQuestion:
    """A request in RTU framing: the same bytes each time."""

    request: bytes
    answer: RtuAnswer

    @property
    def data_at(self) -> int:
        """Return 3: unit, function, byte count."""
        return 3

    def ask(self) -> tuple[bytes, Framing]:
        """Return the request and its answer."""
        return self.request, self.answer

    def refusal(self, frame: bytes) -> int | None:
        """Return the exception code, or None."""
        return frame[2] if frame[1] & REFUSAL else None


@dataclass(frozen=True, slots=True)
class MbapQuestion:
    """A request in MBAP framing: a new transaction id each time."""

    tail: bytes
    """The request behind the transaction id."""
    body: Body
    answer_tail: bytes

    @property
    def data_at(self) -> int:
        """Return 9: seven bytes of MBAP header, function, byte count."""
        return 9

    def ask(self) -> tuple[bytes, Framing]:
        """Return the request under a new transaction id, and its answer."""
        transaction = next(_TRANSACTIONS) & 0xFFFF
        mark = transaction.to_bytes(2, "big")
        return mark + self.tail, MbapAnswer(self.body, transaction, mark + self.answer_tail)

    def refusal(self, frame: bytes) -> int | None:
        """Return the exception code, or None."""
        return frame[8] if frame[7] & REFUSAL else None


class Speech:
    """How requests to one unit are framed."""

    def __init__(self, unit: int, *, mbap: bool) -> None:
        """Take the unit identifier and the framing."""
        self._unit: Final = unit
        self._mbap: Final = mbap

    def read(self, span: Span) -> Question:
        """Return the request for a span (functions 1 to 4)."""
        size = (span.length + 7) // 8 if span.table.bits else span.length * 2
        pdu = _READS[span.table](address=span.address, count=span.length)
        return self._question(pdu, size.to_bytes(1, "big"), 3 + size, f"read {span}")

    def write_coil(self, address: int, *, on: bool, multiple: bool) -> Question:
        """Return the request that sets a coil, with function 5, or with 15 for one coil."""
        pdu: ModbusPDU
        if multiple:
            pdu = WriteMultipleCoilsRequest(address=address, bits=[on])
            return self._question(pdu, struct.pack(">HH", address, 1), 6, f"write coil {address}")
        pdu = WriteSingleCoilRequest(address=address, bits=[on])
        return self._question(pdu, pdu.encode(), 6, f"write coil {address}")

    def write_registers(self, address: int, registers: bytes, *, multiple: bool) -> Question:
        """Return the request that sets registers: function 6 where it may be, else 16."""
        words = list(struct.unpack(f">{len(registers) // 2}H", registers))
        span = Span(Table.HOLDING, address, len(words))
        pdu: ModbusPDU
        if multiple or len(words) > 1:
            pdu = WriteMultipleRegistersRequest(address=address, registers=words)
            return self._question(pdu, struct.pack(">HH", address, len(words)), 6, f"write {span}")
        pdu = WriteSingleRegisterRequest(address=address, registers=words)
        return self._question(pdu, pdu.encode(), 6, f"write {span}")

    def _question(self, pdu: ModbusPDU, starts: bytes, size: int, asked: str) -> Question:
        pdu.dev_id = self._unit
        body = Body(self._unit, pdu.function_code, starts, size, f"unit {self._unit}, {asked}")
        plain = bytes((self._unit, pdu.function_code)) + starts
        if self._mbap:
            length = struct.pack(">HH", 0, size)
            return MbapQuestion(_MBAP_FRAMER.buildFrame(pdu)[2:], body, length + plain)
        return RtuQuestion(_RTU_FRAMER.buildFrame(pdu), RtuAnswer(body, plain))


def refusal_name(code: int) -> str:
    """Return the name of an exception code (V1.1b3, 7)."""
    try:
        return ExcCodes(code).name.lower().replace("_", " ")
    except ValueError:
        return "unknown"
