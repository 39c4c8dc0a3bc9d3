"""From a value to the registers of a write. Pure: the inverse of `codec`."""

from __future__ import annotations

import math
import struct
from array import array
from typing import Final

from drivers.modbus.codec import BCD, FLOATS, sentinel_raws
from drivers.modbus.fields import CODE, Field, MappedPoint, Type
from gateway.model.errors import CommandRefusedError
from gateway.model.reading import Kind, Point, Value

_BCD_LIMIT: Final = {Type.BCD16: 9_999, Type.BCD32: 99_999_999}
_GRID_TOLERANCE: Final = 1e-6
"""How far from a step, as a part of it, a value counts as being on it: fractions never are."""


def encode_value(mapped: MappedPoint, value: Value) -> tuple[Value, bytes]:
    """Return what the point will be, and its registers as they go over the wire.

    Args:
        mapped: the point, which lies in registers; a bit field gives the register with all its
        other bits 0.
        value: in the unit of the point; a state by its number or its name.

    Raises:
        CommandRefusedError: the point cannot take this value; the message says which it can.
    """
    point, field = mapped
    if field.type is Type.STRING:
        return _encode_text(point, field, value)
    if point.kind is Kind.BOOL:
        wanted: Value = as_bool(point, value)
        raw: float = int(wanted)
    elif point.kind is Kind.STATE:
        wanted = raw = _as_state(point, value)
    else:
        wanted = _as_number(point, value)
        raw = _to_raw(point, field, wanted)
    if raw in sentinel_raws(field):
        msg = f"{point.name}: {value} is what the device says for no value"
        raise CommandRefusedError(msg)
    return wanted, _pack(point, field, raw)


def as_bool(point: Point, value: Value) -> bool:
    """Return the value as a bool.

    Raises:
        CommandRefusedError: it is neither true nor false, neither 1 nor 0.
    """
    if isinstance(value, str) or value not in {0, 1}:
        msg = f"{point.name}: true or false expected, not {value!r}"
        raise CommandRefusedError(msg)
    return bool(value)


def _as_state(point: Point, value: Value) -> int:
    names = {name: number for number, name in point.states.items()}
    if isinstance(value, str) and value in names:
        return names[value]
    if isinstance(value, int) and not isinstance(value, bool) and value in point.states:
        return value
    allowed = ", ".join(f"{name} ({number})" for name, number in names.items())
    msg = f"{point.name}: {value!r} is not one of {allowed}"
    raise CommandRefusedError(msg)


def _as_number(point: Point, value: Value) -> float:
    if isinstance(value, (bool, str)) or not math.isfinite(value):
        msg = f"{point.name}: a number in {point.unit} expected, not {value!r}"
        raise CommandRefusedError(msg)
    low = -math.inf if point.low is None else point.low
    high = math.inf if point.high is None else point.high
    if not low <= value <= high:
        msg = f"{point.name}: {value} is not between {low} and {high} {point.unit}"
        raise CommandRefusedError(msg)
    return value


def _to_raw(point: Point, field: Field, value: float) -> float:
    """Undo scale and offset. A whole number must come out of it where the registers hold one."""
    exact = (value - field.offset) / field.scale if field.scaled else value
    if field.type in FLOATS:
        return exact
    step = round(exact)
    if abs(exact - step) > _GRID_TOLERANCE:
        nearest = step * field.scale + field.offset if field.scaled else step
        grid = f"a step of {field.scale:g} {point.unit}"
        msg = f"{point.name}: {value} is not {grid}; the nearest is {nearest:g}"
        raise CommandRefusedError(msg)
    return step


def _pack(point: Point, field: Field, raw: float) -> bytes:
    """Return the registers of a raw value in the byte order of the field."""
    code = CODE[field.type]
    number = raw
    if field.mask is not None:
        limit = field.mask >> field.shift
        if not 0 <= raw <= limit or int(raw) & ~limit:
            msg = f"{point.name}: {raw:g} does not fit into its bits ({field.mask:#06x})"
            raise CommandRefusedError(msg)
        number = int(raw) << field.shift
    elif field.type in BCD:
        if not 0 <= raw <= _BCD_LIMIT[field.type]:
            msg = f"{point.name}: {raw:g} has no digits in {field.type}"
            raise CommandRefusedError(msg)
        number = int(str(int(raw)), 16)
    try:
        packed = struct.pack(f"{field.order.endian}{code}", number)
    except (struct.error, OverflowError) as error:
        msg = f"{point.name}: {raw:g} does not fit into {field.type}"
        raise CommandRefusedError(msg) from error
    return swap(packed) if field.order.swapped else packed


def _encode_text(point: Point, field: Field, value: Value) -> tuple[Value, bytes]:
    room = field.span.length * 2
    if not isinstance(value, str) or not value.isprintable() or value != value.strip(" "):
        msg = f"{point.name}: a text without blanks at its ends expected, not {value!r}"
        raise CommandRefusedError(msg)
    try:
        raw = value.encode(field.encoding)
    except UnicodeEncodeError as error:
        msg = f"{point.name}: {value!r} cannot be written in {field.encoding}"
        raise CommandRefusedError(msg) from error
    if len(raw) > room:
        msg = f"{point.name}: {value!r} takes {len(raw)} bytes, there is room for {room}"
        raise CommandRefusedError(msg)
    padded = raw.ljust(room, b"\0")
    return value, swap(padded) if field.order.swapped else padded


def merge_bits(field: Field, old: bytes, new: bytes) -> bytes:
    """Return the registers `old` with the bits of the field taken from `new`."""
    mask = struct.pack(f"{field.order.endian}{CODE[field.type]}", field.mask)
    if field.order.swapped:
        mask = swap(mask)
    return bytes(
        was & ~bits & 0xFF | will & bits for was, will, bits in zip(old, new, mask, strict=True)
    )


def swap(registers: bytes) -> bytes:
    """Exchange the two bytes of each register."""
    words = array("H", registers)
    words.byteswap()
    return words.tobytes()
