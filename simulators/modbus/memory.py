"""What a Modbus server keeps: four tables, the addresses they offer, and what may be written.

Registers are kept packed, as they go on the wire: a read is one slice however long it is.

Source: MODBUS Application Protocol Specification V1.1b3, 4.3 (data model), 7 (exceptions).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Final

WORD: Final = 2
"""Bytes of one register."""


class ExceptionCode(IntEnum):
    """Why a server refuses (V1.1b3, 7)."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    SERVER_DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    SERVER_DEVICE_BUSY = 6
    MEMORY_PARITY_ERROR = 8
    GATEWAY_PATH_UNAVAILABLE = 10
    GATEWAY_TARGET_FAILED = 11


class RefusalError(Exception):
    """A request that is answered with an exception code."""

    def __init__(self, code: ExceptionCode) -> None:
        """Take the code that goes into the answer."""
        self.code = code
        super().__init__(code.name)


def _inside(spans: Iterable[range], address: int, count: int) -> bool:
    return any(span.start <= address and address + count <= span.stop for span in spans)


@dataclass(slots=True, eq=False)
class _Table:
    """What the tables have in common: addresses on offer, and a packed image of all of them."""

    width: ClassVar[int]
    """Bytes of an address in the image."""
    spans: tuple[range, ...] = ()
    """Addresses on offer; a request must lie inside one of them."""
    image: bytearray = field(init=False)
    """All addresses from 0."""

    def __post_init__(self) -> None:
        """Make room up to the highest address, all zero."""
        self.image = bytearray(self.width * max((span.stop for span in self.spans), default=0))

    @property
    def present(self) -> bool:
        """Say whether the server has this table at all."""
        return bool(self.spans)

    def check(self, address: int, count: int) -> None:
        """Raise RefusalError when not all of the addresses are on offer."""
        if not _inside(self.spans, address, count):
            raise RefusalError(ExceptionCode.ILLEGAL_DATA_ADDRESS)


@dataclass(slots=True, eq=False)
class Bits(_Table):
    """A table of single bits, each a byte of the image: coils or discrete inputs."""

    width: ClassVar[int] = 1
    fixed: frozenset[int] = frozenset()
    """Addresses that cannot be written."""

    def read(self, address: int, count: int) -> bytes:
        """Return `count` bits packed, the first in the least significant bit of the first byte.

        Raises:
            RefusalError: an address is not on offer.
        """
        self.check(address, count)
        digits = self.image[address : address + count][::-1]
        number = int(digits.translate(_DIGITS), 2)
        return number.to_bytes((count + 7) // 8, "little")

    def write(self, address: int, count: int, packed: bytes) -> None:
        """Set `count` bits from their packed form.

        Raises:
            RefusalError: an address is not on offer, or cannot be written.
        """
        self.check(address, count)
        if not self.fixed.isdisjoint(range(address, address + count)):
            raise RefusalError(ExceptionCode.ILLEGAL_DATA_ADDRESS)
        number = int.from_bytes(packed, "little")
        self.image[address : address + count] = bytes(number >> place & 1 for place in range(count))


_DIGITS: Final = bytes.maketrans(b"\x00\x01", b"01")


@dataclass(slots=True, eq=False)
class Words(_Table):
    """A table of 16-bit registers, big-endian in the image: input or holding registers."""

    width: ClassVar[int] = WORD
    writable: Mapping[int, Container[int]] = field(default_factory=dict)
    """Which values each writable register takes; a register that is not named here is read only."""
    alone: Mapping[tuple[int, int], bytes] = field(default_factory=dict)
    """Answers to reads of exactly so many registers there, which tell something else by themselves
    than as part of a longer read."""

    def read(self, address: int, count: int) -> bytes:
        """Return `count` registers as they go on the wire.

        Raises:
            RefusalError: an address is not on offer.
        """
        self.check(address, count)
        whole = bytes(self.image[WORD * address : WORD * (address + count)])
        return self.alone.get((address, count), whole)

    def check_write(self, address: int, packed: bytes) -> None:
        """Raise RefusalError when a register is not writable or does not take its value."""
        self.check(address, len(packed) // WORD)
        for place in range(0, len(packed), WORD):
            allowed = self.writable.get(address + place // WORD)
            if allowed is None:
                raise RefusalError(ExceptionCode.ILLEGAL_DATA_ADDRESS)
            if int.from_bytes(packed[place : place + WORD], "big") not in allowed:
                raise RefusalError(ExceptionCode.ILLEGAL_DATA_VALUE)

    def write(self, address: int, packed: bytes) -> None:
        """Set registers from their wire form: all of them or, when one is refused, none.

        Raises:
            RefusalError: a register is not writable (2) or does not take its value (3).
        """
        self.check_write(address, packed)
        self.image[WORD * address : WORD * address + len(packed)] = packed


@dataclass(slots=True, eq=False)
class Memory:
    """The four tables of one server (V1.1b3, 4.3). Without addresses, its functions are illegal."""

    coils: Bits = field(default_factory=Bits)
    discrete: Bits = field(default_factory=Bits)
    holding: Words = field(default_factory=Words)
    inputs: Words = field(default_factory=Words)
