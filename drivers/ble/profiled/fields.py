"""Where a point stands in a frame or in a characteristic, and how it is read and written. Pure."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from gateway.model.errors import CommandRefusedError, FrameError
from gateway.model.reading import (
    NO_FLAGS,
    Cause,
    Flag,
    Kind,
    Point,
    PointTable,
    Quality,
    Sample,
    Value,
)

_NO_VALUE: Final = Flag(Quality.BAD, Cause.NO_VALUE)
_UNKNOWN_STATE: Final = Flag(Quality.BAD, Cause.UNKNOWN_STATE)


class Type(StrEnum):
    """What stands in the bytes of a point."""

    BOOL = "bool"
    U8 = "u8"
    I8 = "i8"
    U16 = "u16"
    I16 = "i16"
    U24 = "u24"
    I24 = "i24"
    U32 = "u32"
    I32 = "i32"
    FLOAT32 = "float32"
    STRING = "string"
    """UTF-8, without the zeros behind it."""


SIZES: Final[Mapping[Type, int]] = {
    Type.BOOL: 1,
    Type.U8: 1,
    Type.I8: 1,
    Type.U16: 2,
    Type.I16: 2,
    Type.U24: 3,
    Type.I24: 3,
    Type.U32: 4,
    Type.I32: 4,
    Type.FLOAT32: 4,
}
_SIGNED: Final = frozenset({Type.I8, Type.I16, Type.I24, Type.I32})


@dataclass(frozen=True, slots=True)
class Field:
    """The place of one point."""

    at: int
    """Its first byte."""
    type: Type
    order: Literal["little", "big"] = "little"
    length: int = 0
    """Of a string, in bytes."""
    mask: int | None = None
    """Bits that belong to the point, shifted to the lowest of them."""
    scale: float = 1.0
    offset: float = 0.0
    sentinels: frozenset[int] = frozenset()
    """Raw patterns that mean no value."""

    @property
    def end(self) -> int:
        """Return the place behind its last byte."""
        return self.at + (self.length or SIZES.get(self.type, 0))

    def read(self, data: bytes) -> Value | None:
        """Return the value; None: it says that it has none.

        Raises:
            FrameError: the data is too short, or no text.
        """
        if len(data) < self.end:
            msg = f"{len(data)} bytes, and a point ends at byte {self.end}"
            raise FrameError(msg, answer=data)
        raw = data[self.at : self.end]
        if self.type is Type.STRING:
            return _text(raw)
        if self.type is Type.FLOAT32:
            number: float = struct.unpack("<f" if self.order == "little" else ">f", raw)[0]
            return number if self._plain else number * self.scale + self.offset
        pattern = int.from_bytes(raw, self.order)
        if pattern in self.sentinels:
            return None
        if self.mask is not None:
            pattern = (pattern & self.mask) >> _lowest(self.mask)
        elif self.type in _SIGNED:
            pattern = int.from_bytes(raw, self.order, signed=True)
        if self.type is Type.BOOL:
            return bool(pattern)
        return pattern if self._plain else pattern * self.scale + self.offset

    def write(self, value: Value, data: bytes) -> bytes:
        """Return the data with the value in it.

        Args:
            value: in the unit of the point.
            data: what the characteristic holds now, or as many zeros.

        Raises:
            CommandRefusedError: the point cannot take this value.
        """
        raw = self._pattern(value)
        size = self.end - self.at
        if self.mask is not None:
            kept = int.from_bytes(data[self.at : self.end], self.order) & ~self.mask
            raw = kept | raw << _lowest(self.mask)
        signed = self.type in _SIGNED and self.mask is None
        return data[: self.at] + raw.to_bytes(size, self.order, signed=signed) + data[self.end :]

    def _pattern(self, value: Value) -> int:
        if isinstance(value, str) or self.type in {Type.STRING, Type.FLOAT32}:
            msg = "a text or a binary32 cannot be written"
            raise CommandRefusedError(msg)
        raw = round((value - self.offset) / self.scale)
        width = self.mask.bit_count() if self.mask is not None else 8 * (self.end - self.at)
        if self.type is Type.BOOL and self.mask is None:
            width = 1
        signed = self.type in _SIGNED and self.mask is None
        low, high = (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)
        if not low <= raw <= high or (raw & ((1 << width) - 1)) in self.sentinels:
            msg = f"{value} does not fit"
            raise CommandRefusedError(msg)
        return raw

    @property
    def _plain(self) -> bool:
        return self.scale == 1 and self.offset == 0


def _text(raw: bytes) -> str:
    try:
        return raw.rstrip(b"\0").decode()
    except UnicodeDecodeError as error:
        msg = "a text that is not UTF-8"
        raise FrameError(msg, answer=raw) from error


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


@dataclass(frozen=True, slots=True)
class Placed:
    """A point and where it stands."""

    point: Point
    field: Field


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The points of one frame, or of one characteristic."""

    points: tuple[Placed, ...]

    @property
    def length(self) -> int:
        """Return how many bytes it needs."""
        return max((placed.field.end for placed in self.points), default=0)

    def table(self) -> PointTable:
        """Return the points in their order."""
        return PointTable(*(placed.point for placed in self.points))

    def decode(self, data: bytes) -> Sample:
        """Return the values of all points.

        Raises:
            FrameError: the data is too short, or a text is none.
        """
        cells = tuple(placed.field.read(data) for placed in self.points)
        flags: dict[int, Flag] = {}
        for place, (cell, placed) in enumerate(zip(cells, self.points, strict=True)):
            if cell is None:
                flags[place] = _NO_VALUE
            elif placed.point.kind is Kind.STATE and cell not in placed.point.states:
                flags[place] = _UNKNOWN_STATE
        if not flags:
            return Sample(cells, NO_FLAGS)
        known = tuple(None if place in flags else cell for place, cell in enumerate(cells))
        return Sample(known, flags)


@dataclass(frozen=True, slots=True)
class FrameProfile:
    """A device that advertises a frame of its own."""

    name: str
    company: int | None
    """Its manufacturer data; else its service data."""
    service: str
    """UUID of 128 bits; "" when it is manufacturer data."""
    length: int | None
    """Of the data; None: any that holds the points."""
    match: tuple[tuple[int, bytes], ...]
    """What must stand where for a frame to be this one."""
    layout: Layout

    def is_this(self, data: bytes) -> bool:
        """Say whether data of this company or service is a frame of this kind."""
        return all(data[at : at + len(sign)] == sign for at, sign in self.match)

    def decode(self, data: bytes) -> Sample:
        """Return what a frame says.

        Raises:
            FrameError: its length is another, or its content cannot be.
        """
        if self.length is not None and len(data) != self.length:
            msg = f"a frame of {len(data)} bytes, it has {self.length}"
            raise FrameError(msg, answer=data)
        return self.layout.decode(data)


@dataclass(frozen=True, slots=True)
class Characteristic:
    """A characteristic of a GATT device."""

    name: str
    uuid: str
    notifies: bool
    """It is told on subscription, else read."""
    layout: Layout


@dataclass(frozen=True, slots=True)
class GattGroup:
    """Characteristics that are asked in one connection."""

    name: str
    period_s: float
    characteristics: tuple[Characteristic, ...]


@dataclass(frozen=True, slots=True)
class GattProfile:
    """A device that one connects to."""

    name: str
    groups: tuple[GattGroup, ...]
