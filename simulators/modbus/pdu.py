"""A Modbus server as a function: a request PDU and a memory in, an answer PDU out.

Source: MODBUS Application Protocol Specification V1.1b3. Each function names its
clause. The order of the checks is that of the state diagrams there: function (exception 1),
quantity and structure (3), addresses (2).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from simulators.modbus.memory import WORD, Bits, ExceptionCode, Memory, RefusalError, Words

MAX_PDU: Final = 253
"""Bytes of the longest PDU (V1.1b3, 4.1)."""
MAX_READ_BITS: Final = 2000
MAX_READ_WORDS: Final = 125
MAX_WRITE_BITS: Final = 0x7B0
MAX_WRITE_WORDS: Final = 0x7B
MAX_READ_WRITE_WORDS: Final = 0x79
EXCEPTION: Final = 0x80
"""Added to the function code in a refusal."""
ON: Final = 0xFF00
OFF: Final = 0x0000


class Function(IntEnum):
    """Public function codes this server knows (V1.1b3, 5.1)."""

    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4
    WRITE_SINGLE_COIL = 5
    WRITE_SINGLE_REGISTER = 6
    WRITE_MULTIPLE_COILS = 15
    WRITE_MULTIPLE_REGISTERS = 16
    MASK_WRITE_REGISTER = 22
    READ_WRITE_MULTIPLE_REGISTERS = 23
    ENCAPSULATED_INTERFACE = 43


class ReadRange(NamedTuple):
    """Which registers or bits a request asks for."""

    function: Function
    """One of the four plain reads: 23 counts as READ_HOLDING_REGISTERS."""
    address: int
    quantity: int


Identity = Mapping[int, bytes]
"""Objects of the device identification: 0 vendor, 1 product code, 2 revision, then regular ones."""


def refusal(function: int, code: int) -> bytes:
    """Return the exception answer to a request of that function (V1.1b3, 7)."""
    return bytes((function | EXCEPTION, code))


def read_range(request: bytes) -> ReadRange | None:
    """Return what the request asks to read, or None when it is no read of the right length."""
    if not request:
        return None
    function, body = request[0], request[1:]
    if function in _READS and len(body) == _PAIR.size:
        return ReadRange(Function(function), *_PAIR.unpack(body))
    if function == Function.READ_WRITE_MULTIPLE_REGISTERS and len(body) > _PAIR.size:
        return ReadRange(Function.READ_HOLDING_REGISTERS, *_PAIR.unpack_from(body))
    return None


def serve(memory: Memory, identity: Identity, request: bytes) -> bytes | None:
    """Carry out one request and return the answer.

    Args:
        memory: the tables; changed by writes.
        identity: what function 43/14 tells.
        request: the PDU: function code and data, without unit and checksum.

    Returns:
        The answer PDU; an exception answer when the request is refused; None for what is no
        request at all (empty, or with the code of an exception answer).
    """
    if not request or request[0] >= EXCEPTION:
        return None
    function, body = request[0], request[1:]
    try:
        return bytes((function,)) + _serve(memory, identity, function, body)
    except RefusalError as error:
        return refusal(function, error.code)


def _serve(memory: Memory, identity: Identity, function: int, body: bytes) -> bytes:
    match function:
        case Function.READ_COILS:
            return _read_bits(memory.coils, body)
        case Function.READ_DISCRETE_INPUTS:
            return _read_bits(memory.discrete, body)
        case Function.READ_HOLDING_REGISTERS:
            return _read_words(memory.holding, body)
        case Function.READ_INPUT_REGISTERS:
            return _read_words(memory.inputs, body)
        case Function.ENCAPSULATED_INTERFACE:
            return _identify(identity, body)
    write = _WRITES.get(function)
    if write is None:
        raise RefusalError(ExceptionCode.ILLEGAL_FUNCTION)
    return write(memory, body)


_PAIR: Final = struct.Struct(">HH")
_MASKS: Final = struct.Struct(">HHH")
_WRITE_MANY: Final = struct.Struct(">HHB")
_READ_WRITE: Final = struct.Struct(">HHHHB")
_READS: Final = frozenset((1, 2, 3, 4))


def _need(condition: bool) -> None:  # noqa: FBT001 - reads as "need this"
    """Raise the refusal for a wrong quantity, value or implied length (V1.1b3, 7, code 03)."""
    if not condition:
        raise RefusalError(ExceptionCode.ILLEGAL_DATA_VALUE)


def _have(table: Bits | Words) -> None:
    """Raise the refusal for a table that this server does not have (V1.1b3, 7, code 01)."""
    if not table.present:
        raise RefusalError(ExceptionCode.ILLEGAL_FUNCTION)


def _read_bits(table: Bits, body: bytes) -> bytes:
    """V1.1b3, 6.1 and 6.2."""
    _have(table)
    _need(len(body) == _PAIR.size)
    address, count = _PAIR.unpack(body)
    _need(1 <= count <= MAX_READ_BITS)
    packed = table.read(address, count)
    return bytes((len(packed),)) + packed


def _read_words(table: Words, body: bytes) -> bytes:
    """V1.1b3, 6.3 and 6.4."""
    _have(table)
    _need(len(body) == _PAIR.size)
    address, count = _PAIR.unpack(body)
    _need(1 <= count <= MAX_READ_WORDS)
    packed = table.read(address, count)
    return bytes((len(packed),)) + packed


def _write_coil(memory: Memory, body: bytes) -> bytes:
    """V1.1b3, 6.5: FF00 is on, 0000 is off, anything else is refused."""
    _have(memory.coils)
    _need(len(body) == _PAIR.size)
    address, value = _PAIR.unpack(body)
    _need(value in {ON, OFF})
    memory.coils.write(address, 1, bytes((value == ON,)))
    return body


def _write_register(memory: Memory, body: bytes) -> bytes:
    """V1.1b3, 6.6."""
    _have(memory.holding)
    _need(len(body) == _PAIR.size)
    address, _value = _PAIR.unpack(body)
    memory.holding.write(address, body[WORD:])
    return body


def _write_coils(memory: Memory, body: bytes) -> bytes:
    """V1.1b3, 6.11."""
    _have(memory.coils)
    _need(len(body) > _WRITE_MANY.size)
    address, count, length = _WRITE_MANY.unpack_from(body)
    packed = body[_WRITE_MANY.size :]
    _need(1 <= count <= MAX_WRITE_BITS and length == (count + 7) // 8 == len(packed))
    memory.coils.write(address, count, packed)
    return body[: _PAIR.size]


def _write_registers(memory: Memory, body: bytes) -> bytes:
    """V1.1b3, 6.12."""
    _have(memory.holding)
    _need(len(body) > _WRITE_MANY.size)
    address, count, length = _WRITE_MANY.unpack_from(body)
    packed = body[_WRITE_MANY.size :]
    _need(1 <= count <= MAX_WRITE_WORDS and length == WORD * count == len(packed))
    memory.holding.write(address, packed)
    return body[: _PAIR.size]


def _mask_write(memory: Memory, body: bytes) -> bytes:
    """V1.1b3, 6.16: (current AND and_mask) OR (or_mask AND NOT and_mask)."""
    _have(memory.holding)
    _need(len(body) == _MASKS.size)
    address, and_mask, or_mask = _MASKS.unpack(body)
    current = int.from_bytes(memory.holding.read(address, 1), "big")
    value = current & and_mask | or_mask & ~and_mask & 0xFFFF
    memory.holding.write(address, value.to_bytes(WORD, "big"))
    return body


def _read_write(memory: Memory, body: bytes) -> bytes:
    """V1.1b3, 6.17: everything is checked first, then the write goes before the read."""
    table = memory.holding
    _have(table)
    _need(len(body) > _READ_WRITE.size)
    read_at, read_count, write_at, write_count, length = _READ_WRITE.unpack_from(body)
    packed = body[_READ_WRITE.size :]
    _need(1 <= read_count <= MAX_READ_WORDS)
    _need(1 <= write_count <= MAX_READ_WRITE_WORDS and length == WORD * write_count == len(packed))
    table.check(read_at, read_count)
    table.write(write_at, packed)
    answer = table.read(read_at, read_count)
    return bytes((len(answer),)) + answer


_WRITES: Final[Mapping[int, Callable[[Memory, bytes], bytes]]] = {
    Function.WRITE_SINGLE_COIL: _write_coil,
    Function.WRITE_SINGLE_REGISTER: _write_register,
    Function.WRITE_MULTIPLE_COILS: _write_coils,
    Function.WRITE_MULTIPLE_REGISTERS: _write_registers,
    Function.MASK_WRITE_REGISTER: _mask_write,
    Function.READ_WRITE_MULTIPLE_REGISTERS: _read_write,
}

MEI_DEVICE_IDENTIFICATION: Final = 14
BASIC, REGULAR, EXTENDED, ONE_OBJECT = 1, 2, 3, 4
CONFORMITY: Final = 0x82
"""Regular identification, as a stream and object by object (V1.1b3, 6.21)."""
_LAST_OBJECT: Final = {BASIC: 0x02, REGULAR: 0x7F, EXTENDED: 0x7F}
"""The highest object of each category; there are no extended ones, so regular is what it gives."""
_IDENTITY_HEAD: Final = 7
"""Bytes before the first object: function, MEI, code, conformity, more follows, next, number."""


def _identify(identity: Identity, body: bytes) -> bytes:
    """V1.1b3, 6.21: read device identification. A device without objects lacks the function."""
    if not identity or body[:1] != bytes((MEI_DEVICE_IDENTIFICATION,)):
        raise RefusalError(ExceptionCode.ILLEGAL_FUNCTION)
    _need(len(body) == 3)  # noqa: PLR2004 - MEI type, code, object
    _mei, code, first = body
    _need(code in {BASIC, REGULAR, EXTENDED, ONE_OBJECT})
    if code == ONE_OBJECT:
        if first not in identity:
            raise RefusalError(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        wanted = [first]
    else:
        # An object that is not there: begin at the beginning (V1.1b3, 6.21).
        start = first if first in identity else 0
        wanted = [key for key in sorted(identity) if start <= key <= _LAST_OBJECT[code]]
    objects, following = b"", 0
    taken = 0
    for key in wanted:
        item = bytes((key, len(identity[key]))) + identity[key]
        if _IDENTITY_HEAD + len(objects) + len(item) > MAX_PDU:
            following = key
            break
        objects += item
        taken += 1
    more = 0xFF if taken < len(wanted) else 0
    head = bytes((MEI_DEVICE_IDENTIFICATION, code, CONFORMITY, more, following, taken))
    return head + objects
