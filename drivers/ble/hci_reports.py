"""Advertising reports as a controller tells them over HCI. Pure.

The Bluetooth stack that the virtual adapter runs on takes a sixth of a millisecond for each
report, most of it for things that nobody here asks. These two events are read here, in a tenth of
that; everything else is left to the stack.

Source: Bluetooth Core Specification 6.3, Vol 4 Part E, 7.7.65.2 (LE Advertising Report) and
7.7.65.13 (LE Extended Advertising Report), as told by the page of Nordic's controller and by the
structures in bumble's `hci.py`, against which the tests compare.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from typing import Final, NamedTuple

from gateway.model.errors import FrameError

_HEAD: Final = b"\x04\x3e"
"""A packet of the kind HCI event, of which the code is LE Meta."""
LEGACY: Final = 0x02
EXTENDED: Final = 0x0D
_LEGACY_HEAD: Final = struct.Struct("<BB6sB")
_EXTENDED_HEAD: Final = struct.Struct("<HB6sBBBbbHB6sB")
NO_RSSI: Final = 127
_PARTS_AT_MOST: Final = 16
_BYTES_AT_MOST: Final = 1650
"""Of the data of one extended advertisement (Vol 4 Part E, 7.8.54)."""


class Report(NamedTuple):
    """One advertisement or scan response."""

    address: bytes
    """Six bytes, the most significant first."""
    random: bool
    """The address is a random one, else it is public."""
    rssi: int
    """In dBm; 127: the controller does not know."""
    data: bytes


def is_report(packet: bytes) -> bool:
    """Say whether an HCI packet is one of the two events that are read here."""
    return packet[:2] == _HEAD and len(packet) > 4 and packet[3] in {LEGACY, EXTENDED}  # noqa: PLR2004


class ReportReader:
    """Reads reports; keeps the first parts of those that come in several, a few at most."""

    def __init__(self) -> None:
        """Start without parts."""
        self._parts: Final[OrderedDict[tuple[bytes, int], bytes]] = OrderedDict()

    def read(self, packet: bytes) -> list[Report]:
        """Return what one packet tells, without what is still incomplete.

        Args:
            packet: of the kind HCI event, with its first byte.

        Raises:
            FrameError: it is no such event, or its lengths do not fit.
        """
        if not is_report(packet) or packet[2] != len(packet) - 3:
            msg = "no advertising report, or its length does not fit"
            raise FrameError(msg, answer=packet)
        take = self._legacy if packet[3] == LEGACY else self._extended
        found: list[Report] = []
        place = 5
        try:
            for _ in range(packet[4]):
                place = take(packet, place, found)
        except (struct.error, IndexError) as error:
            msg = "an advertising report breaks off"
            raise FrameError(msg, answer=packet) from error
        if place != len(packet):
            msg = "an advertising report is shorter than its packet"
            raise FrameError(msg, answer=packet)
        return found

    @staticmethod
    def _legacy(packet: bytes, place: int, found: list[Report]) -> int:
        _event, kind, address, length = _LEGACY_HEAD.unpack_from(packet, place)
        start = place + _LEGACY_HEAD.size
        end: int = start + length
        rssi = packet[end]
        data = packet[start:end]
        found.append(Report(address[::-1], bool(kind & 1), rssi - (rssi & 0x80) * 2, data))
        return end + 1

    def _extended(self, packet: bytes, place: int, found: list[Report]) -> int:
        head = _EXTENDED_HEAD.unpack_from(packet, place)
        event, kind, address, sid, rssi, length = (*head[:3], head[5], head[7], head[11])
        start = place + _EXTENDED_HEAD.size
        end: int = start + length
        data = packet[start:end]
        if len(data) != length:
            raise IndexError
        status = event >> 5 & 3
        if status or self._parts:
            key = (address, sid)
            data = self._parts.pop(key, b"") + data
            if status == 1 and len(data) <= _BYTES_AT_MOST:  # incomplete, more to come
                self._parts[key] = data
                if len(self._parts) > _PARTS_AT_MOST:
                    self._parts.popitem(last=False)
            if status:  # what was cut off is not told either
                return end
        found.append(Report(address[::-1], bool(kind & 1), rssi, data))
        return end
