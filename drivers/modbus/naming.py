"""What a device says of itself: function 0x2B/0x0E, asked and understood. Pure.

Source: MODBUS Application Protocol Specification V1.1b3, 6.21 (Read Device Identification).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest

from drivers.media.framing import ForeignFrameError, Framing
from gateway.model.errors import FrameError

FUNCTION: Final = 0x2B
MEI_TYPE: Final = 0x0E
REGULAR: Final = 2
"""Read device id code: basic and regular objects, 0 to 6."""
MOST_ROUNDS: Final = 8
"""A device that says each time that more follows is believed so often."""

_REFUSAL: Final = 0x80
_RTU: Final = FramerRTU(DecodePDU(is_server=False))
_MBAP: Final = FramerSocket(DecodePDU(is_server=False))
_MBAP_HEAD: Final = 6
_COUNT_AT: Final = 7
"""Where the number of objects stands, counted from the unit."""
_OBJECTS_AT: Final = 8


@dataclass(frozen=True, slots=True)
class Naming:
    """The question for the objects from a number on, to one unit."""

    unit: int
    mbap: bool
    first: int = 0
    number: int = 0
    """Transaction id of an MBAP frame."""

    @property
    def request(self) -> bytes:
        """Return the request as it goes over the line."""
        pdu = ReadDeviceInformationRequest(REGULAR, self.first, self.unit, self.number)
        return (_MBAP if self.mbap else _RTU).buildFrame(pdu)

    @property
    def answer(self) -> Framing:
        """Return what finds the answer."""
        return _MbapNames(self.unit, self.number) if self.mbap else _RtuNames(self.unit)


@dataclass(frozen=True, slots=True)
class Named:
    """One answer."""

    objects: dict[int, bytes]
    more_from: int | None
    """The object to go on with, when there are more."""


def names(frame: bytes, *, mbap: bool) -> Named | None:
    """Return what an answer says; None when the device refuses.

    Args:
        frame: as `Naming.answer` found it.
        mbap: how it is framed.

    Raises:
        FrameError: the lengths in it do not fit.
    """
    body = frame[_MBAP_HEAD:] if mbap else frame[:-2]
    if body[1] & _REFUSAL:
        return None
    objects: dict[int, bytes] = {}
    at = _OBJECTS_AT
    for _ in range(body[_COUNT_AT]):
        if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
            msg = "device identification: an object is longer than the answer"
            raise FrameError(msg, answer=frame)
        objects[body[at]] = body[at + 2 : at + 2 + body[at + 1]]
        at += 2 + body[at + 1]
    if at != len(body):
        msg = "device identification: the answer is longer than its objects"
        raise FrameError(msg, answer=frame)
    more = body[5] == 0xFF and bool(objects)  # noqa: PLR2004 - "more follows" (6.21)
    return Named(objects, body[6] if more else None)


@dataclass(frozen=True, slots=True)
class _RtuNames:
    unit: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.unit, FUNCTION

    def measure(self, received: bytes | bytearray, /) -> int:
        """Find the answer; see `Framing.measure`.

        Raises:
            ForeignFrameError: another unit or function, or noise.
            FrameError: wrong checksum.
        """
        for place, wanted in enumerate(({self.unit}, {FUNCTION, FUNCTION | _REFUSAL})):
            if len(received) > place and received[place] not in wanted:
                msg = f"unit {self.unit}, device identification: somebody else, or noise"
                raise ForeignFrameError(msg, answer=bytes(received))
        size = self._size(received)
        if not size or len(received) < size:
            return 0
        checksum = FramerRTU.compute_CRC(bytes(received[: size - 2]))
        if checksum != received[size - 2] << 8 | received[size - 1]:
            msg = f"unit {self.unit}, device identification: wrong checksum"
            raise FrameError(msg, answer=bytes(received[:size]))
        return size

    @staticmethod
    def _size(received: bytes | bytearray) -> int:
        """Return the length of the frame; 0: too early to tell."""
        if len(received) > 1 and received[1] & _REFUSAL:
            return 5
        if len(received) <= _COUNT_AT:
            return 0
        at = _OBJECTS_AT
        for _ in range(received[_COUNT_AT]):
            if len(received) < at + 2:
                return 0
            at += 2 + received[at + 1]
        return at + 2


@dataclass(frozen=True, slots=True)
class _MbapNames:
    unit: int
    number: int

    @property
    def shape(self) -> None:
        return

    def measure(self, received: bytes | bytearray, /) -> int:
        """Find the answer; see `Framing.measure`.

        Raises:
            ForeignFrameError: this is no Modbus TCP.
            FrameError: our transaction, but another unit or function.
        """
        if len(received) < _MBAP_HEAD:
            return 0
        number, protocol, length = (
            int.from_bytes(received[at : at + 2], "big") for at in (0, 2, 4)
        )
        if protocol or not 3 <= length <= 254:  # noqa: PLR2004 - unit and a refusal; V1.0b, 3.1.3
            msg = f"unit {self.unit}, device identification: this is no Modbus TCP"
            raise ForeignFrameError(msg, answer=bytes(received))
        size = _MBAP_HEAD + length
        if len(received) < size:
            return 0
        if number != self.number:
            return -size
        refused = received[7] == FUNCTION | _REFUSAL
        whole = received[7] == FUNCTION and length > _COUNT_AT
        if received[6] != self.unit or not (refused or whole):
            msg = f"unit {self.unit}, device identification: answered otherwise"
            raise FrameError(msg, answer=bytes(received[:size]))
        return size
