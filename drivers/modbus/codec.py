"""From the registers of an answer to values, and back. Pure.

The decoder of a read is compiled once: one `struct` for each byte order that occurs takes all
values out at once, and short loops over the few points that need more (a scale, a mask, a sentinel)
finish them. There is no call per value.

Source: MODBUS Application Protocol Specification V1.1b3, 4.2 (registers are big-endian), 6.1 (least
significant bit first).
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final, Protocol

from drivers.modbus.fields import CODE, Field, MappedPoint, Order, Span, Type
from gateway.model.reading import NO_FLAGS, Cause, Flag, Kind, Quality, Value

NO_VALUE: Final = Flag(Quality.BAD, Cause.NO_VALUE)
OUT_OF_RANGE: Final = Flag(Quality.BAD, Cause.OUT_OF_RANGE)
UNKNOWN_STATE: Final = Flag(Quality.UNCERTAIN, Cause.UNKNOWN_STATE)

FLOATS: Final = frozenset({Type.FLOAT32, Type.FLOAT64})
BCD: Final = frozenset({Type.BCD16, Type.BCD32})

Decoded = tuple[list[Value | None], Mapping[int, Flag]]
"""One cell for each point of a read, and a flag for each doubtful one, by its place."""

_BITS_OF_BYTE: Final = tuple(
    tuple(bool(byte >> bit & 1) for bit in range(8)) for byte in range(256)
)
_LANES: Final = (Order.ABCD, Order.DCBA, Order.BADC, Order.CDAB)


class Decoder(Protocol):
    """Takes the values of some points out of the answer to one read."""

    def decode(self, frame: bytes, start: int) -> Decoded:
        """Return the cells; `frame` has what was read, whole, from `start` on."""
        ...


def compile_decoder(span: Span, points: Sequence[MappedPoint]) -> Decoder:
    """Return the decoder of a read of `span` for these points, all of which lie in it."""
    return BitsDecoder(span, points) if span.table.bits else RegistersDecoder(span, points)


class BitsDecoder:
    """Decodes the answer to one read of coils or discrete inputs."""

    __slots__ = ("_pick", "_size")

    def __init__(self, span: Span, points: Sequence[MappedPoint]) -> None:
        """Compile."""
        self._size: Final = (span.length + 7) // 8
        places = [field.span.address - span.address for _, field in points]
        self._pick: Final = _picker(places, self._size * 8)

    def decode(self, frame: bytes, start: int) -> Decoded:
        """Return the cells; `frame` has the packed bits from `start` on."""
        packed = frame[start : start + self._size]
        return list(
            self._pick(tuple(chain.from_iterable([_BITS_OF_BYTE[byte] for byte in packed])))
        ), NO_FLAGS


class RegistersDecoder:
    """Decodes the answer to one read of holding or input registers."""

    def __init__(self, span: Span, points: Sequence[MappedPoint]) -> None:
        """Compile. Points of the same registers (bit fields, aliases) share one raw value."""
        self._size: Final = span.length * 2
        slots = [
            (field.order, (field.span.address - span.address) * 2, _code(field))
            for _, field in points
        ]
        raw_place: dict[tuple[Order, int, str], int] = {}
        layouts: dict[bool, list[struct.Struct]] = {False: [], True: []}
        for order in _LANES:
            lane = sorted({slot for slot in slots if slot[0] is order}, key=itemgetter(1))
            if lane:
                raw_place |= {slot: len(raw_place) + place for place, slot in enumerate(lane)}
                layouts[order.swapped].append(
                    _layout(order, [(start, code) for _, start, code in lane])
                )
        self._straight: Final = tuple(layout.unpack_from for layout in layouts[False])
        self._swapped: Final = tuple(layout.unpack_from for layout in layouts[True])
        self._pick: Final = _picker([raw_place[slot] for slot in slots], len(raw_place))
        numbered = [(place, point, field) for place, (point, field) in enumerate(points)]
        self._masked: Final = [
            (place, f.mask, f.shift) for place, _, f in numbered if f.mask is not None
        ]
        self._sentinels: Final = [
            (place, sentinel_raws(f)) for place, _, f in numbered if sentinel_raws(f)
        ]
        self._bcd: Final = [place for place, _, f in numbered if f.type in BCD]
        self._texts: Final = [
            (place, f.encoding) for place, _, f in numbered if f.type is Type.STRING
        ]
        self._floats: Final = [
            (place, NO_VALUE if _nan_means_no_value(f) else OUT_OF_RANGE)
            for place, _, f in numbered
            if f.type in FLOATS
        ]
        self._bools: Final = [place for place, _, f in numbered if f.type is Type.BOOL]
        self._scaled: Final = [(place, f.scale, f.offset) for place, _, f in numbered if f.scaled]
        self._limits: Final = [
            (place, -math.inf if p.low is None else p.low, math.inf if p.high is None else p.high)
            for place, p, _ in numbered
            if p.low is not None or p.high is not None
        ]
        self._states: Final = [
            (place, frozenset(p.states)) for place, p, _ in numbered if p.kind is Kind.STATE
        ]

    def decode(self, frame: bytes, start: int) -> Decoded:
        """Return the cells; `frame` has the registers from `start` on."""
        cells = self._unpack(frame, start)
        flags: dict[int, Flag] = {}
        for place, mask, shift in self._masked:
            cells[place] = (cells[place] & mask) >> shift
        for place, sentinels in self._sentinels:
            if cells[place] in sentinels:
                flags[place] = NO_VALUE
        self._finish_types(cells, flags)
        for place, scale, offset in self._scaled:
            cells[place] = cells[place] * scale + offset
        self._judge(cells, flags)
        return cells, flags or NO_FLAGS

    def _unpack(
        self, frame: bytes, start: int
    ) -> list[Any]:  # Any: as the layout of this read says
        """Return the raw value of each point."""
        raws: tuple[Any, ...] = ()
        for unpack in self._straight:
            raws += unpack(frame, start)
        if self._swapped:
            words = array("H", frame[start : start + self._size])
            words.byteswap()
            for unpack in self._swapped:
                raws += unpack(words)
        return list(self._pick(raws))

    def _finish_types(self, cells: list[Any], flags: dict[int, Flag]) -> None:
        """Finish what a `struct` cannot: digits, texts, bits; and refuse what is no number."""
        for place in self._bcd:
            digits = f"{cells[place]:x}"
            if digits.isdecimal():
                cells[place] = int(digits)
            else:
                flags.setdefault(place, OUT_OF_RANGE)
        for place, encoding in self._texts:
            text = decode_text(cells[place], encoding)
            cells[place] = text
            if text is None:
                flags[place] = OUT_OF_RANGE
        for place, flag in self._floats:
            if not math.isfinite(cells[place]):
                flags.setdefault(place, flag if math.isnan(cells[place]) else OUT_OF_RANGE)
        for place in self._bools:
            cells[place] = cells[place] != 0

    def _judge(self, cells: list[Any], flags: dict[int, Flag]) -> None:
        """Hold the values against limits and states; take away those that are BAD."""
        for place, low, high in self._limits:
            if not low <= cells[place] <= high:
                flags.setdefault(place, OUT_OF_RANGE)
        for place in flags:
            cells[place] = None  # BAD has no value
        for place, states in self._states:
            if cells[place] not in states and place not in flags:
                flags[place] = UNKNOWN_STATE


def decode_text(raw: bytes, encoding: str) -> str | None:
    """Return the text up to the first NUL without padding, or None when it is no text."""
    try:
        text = raw.partition(b"\0")[0].decode(encoding).strip(" ")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def sentinel_raws(field: Field) -> frozenset[float]:
    """Return the patterns that mean "no value" as `struct` makes them raw values; NaN left out."""
    if field.mask is not None or field.type is Type.STRING:
        return frozenset(field.sentinels)
    values = (_as_raw(field.type, pattern) for pattern in field.sentinels)
    return frozenset(value for value in values if not math.isnan(value))


def _nan_means_no_value(field: Field) -> bool:
    return any(math.isnan(_as_raw(field.type, pattern)) for pattern in field.sentinels)


def _as_raw(kind: Type, pattern: int) -> float:
    code = CODE[kind]
    value: float = struct.unpack(f">{code}", pattern.to_bytes(struct.calcsize(f">{code}"), "big"))[
        0
    ]
    return value


def _code(field: Field) -> str:
    """Return the letter of a field in `struct`."""
    return f"{field.span.length * 2}s" if field.type is Type.STRING else CODE[field.type]


def _layout(order: Order, lane: Sequence[tuple[int, str]]) -> struct.Struct:
    """Return the layout of fields at these rising byte offsets; what lies between is left out."""
    parts: list[str] = [order.endian]
    position = 0
    for start, code in lane:
        if start > position:
            parts.append(f"{start - position}x")
        parts.append(code)
        position = start + struct.calcsize(f">{code}")
    return struct.Struct("".join(parts))


def _picker(
    places: Sequence[int], size: int
) -> Callable[[Sequence[Any]], Sequence[Any]]:  # Any: raws of any type
    """Return what takes these places out of a row of `size`, as cheaply as it can be done."""
    if list(places) == list(range(size)):
        return lambda row: row
    if len(places) == 1:
        only = places[0]
        return lambda row: (row[only],)
    return itemgetter(*places)
