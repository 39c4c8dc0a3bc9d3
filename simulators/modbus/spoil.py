"""How a fault looks in Modbus: pure functions from an answer to what goes on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from simulators.faults import Liar, Refuse, Short, WrongUnit
from simulators.lines.spoiling import serial_wire
from simulators.modbus import mbap, rtu
from simulators.modbus.memory import WORD
from simulators.modbus.pdu import EXCEPTION, Function, refusal
from simulators.twin import Struck

_BIT_READS: Final = frozenset({Function.READ_COILS, Function.READ_DISCRETE_INPUTS})
_WORD_READS: Final = frozenset(
    {
        Function.READ_HOLDING_REGISTERS,
        Function.READ_INPUT_REGISTERS,
        Function.READ_WRITE_MULTIPLE_REGISTERS,
    }
)
_DATA: Final = 2
"""Where the data of an answer to a read begins: after function code and byte count."""
_UNITS: Final = 247


def refused(struck: Iterable[Struck], function: int) -> bytes | None:
    """Return the refusal of a device that refuses everything now, or None."""
    for fault, _rng in struck:
        if isinstance(fault, Refuse):
            return refusal(function, fault.code)
    return None


def content(struck: Iterable[Struck], answer: bytes, keep: range) -> bytes:
    """Return what a liar makes of an answer.

    Args:
        struck: the faults that strike it.
        answer: the PDU of the true answer.
        keep: places in it that stay true when values are bent (the counter of answers).
    """
    for fault, _rng in struck:
        if isinstance(fault, Liar):
            answer = _bend(fault, answer, keep)
    return answer


def _bend(fault: Liar, answer: bytes, keep: range) -> bytes:
    function = answer[0]
    if function & EXCEPTION or function == Function.ENCAPSULATED_INTERFACE:
        return answer
    if function not in _BIT_READS | _WORD_READS:
        return _bend_confirmation(fault, answer)
    data = answer[_DATA:]
    if fault.how == "count":
        size = WORD if function in _WORD_READS else 1
        data = data[:-size] if len(data) > size else data + bytes(size)
        return bytes((function, len(data))) + data
    if fault.how == "length":
        return bytes((function, answer[1] ^ 2)) + data
    if function in _BIT_READS:
        return answer  # a bit has no impossible value
    bent = bytearray(answer[:_DATA] + b"\xff" * len(data))
    bent[keep.start : keep.stop] = answer[keep.start : keep.stop]
    return bytes(bent)


def _bend_confirmation(fault: Liar, answer: bytes) -> bytes:
    """Bend the answer to a write: another value or quantity, or a byte too few."""
    match fault.how:
        case "count":
            return answer[:-1] + bytes((answer[-1] ^ 1,))
        case "length":
            return answer[:-1]
        case "values":
            return answer


def rtu_wire(struck: Sequence[Struck], unit: int, answer: bytes, request: bytes) -> bytes:
    """Return what goes on a serial line for an answer.

    Args:
        struck: the faults that strike it.
        unit: who answers.
        answer: the PDU, already bent by a liar.
        request: the frame that was asked, for an echo.
    """
    return serial_wire(struck, rtu.wrap(_unit(struck, unit), answer), request)


def tcp_wire(struck: Sequence[Struck], transaction: int, unit: int, answer: bytes) -> bytes:
    """Return what goes into a connection for an answer; arguments as for `rtu_wire`."""
    wire = mbap.wrap(transaction, _unit(struck, unit), answer)
    for fault, _rng in struck:
        if isinstance(fault, Short):
            wire = wire[: max(1, len(wire) - fault.missing)]
    return wire


def _unit(struck: Iterable[Struck], unit: int) -> int:
    for fault, _rng in struck:
        if isinstance(fault, WrongUnit):
            unit = (unit - 1 + fault.offset) % _UNITS + 1
    return unit
