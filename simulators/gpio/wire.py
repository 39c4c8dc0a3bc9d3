"""The socket interface of the pigpio service: requests in, answers and reports out. Pure.

Source: pigpio, "Socket interface" (requests, answers, numbers of commands, `cmdCmd_t`) and "C
interface", gpioNotifyOpen (`gpioReport_t`) and the list of error codes; version 79.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

_HEAD: Final = struct.Struct("<4I")
_REPORT: Final = struct.Struct("<2H2I")
HEAD_LEN: Final = _HEAD.size
MAX_EXTENSION: Final = 65_536
"""No command here has more; who sends more speaks something else."""


class Command(IntEnum):
    """Those that are carried out here; the others are answered with UNKNOWN_COMMAND."""

    MODES = 0
    MODEG = 1
    PUD = 2
    READ = 3
    WRITE = 4
    PWM = 5
    PRS = 6
    PFS = 7
    BR1 = 10
    BC1 = 12
    BS1 = 14
    TICK = 16
    HWVER = 17
    NB = 19
    NP = 20
    NC = 21
    PRG = 22
    PFG = 23
    PRRG = 24
    PIGPV = 26
    TRIG = 37
    GDC = 83
    FG = 97
    NOIB = 99


class Refusal(IntEnum):
    """Error codes."""

    BAD_USER_GPIO = -2
    BAD_GPIO = -3
    BAD_MODE = -4
    BAD_LEVEL = -5
    BAD_PUD = -6
    BAD_DUTYCYCLE = -8
    BAD_DUTYRANGE = -21
    NO_HANDLE = -24
    BAD_HANDLE = -25
    NOT_PERMITTED = -41
    BAD_PULSELEN = -46
    UNKNOWN_COMMAND = -88
    NOT_PWM_GPIO = -92
    BAD_FILTER = -125


@dataclass(frozen=True, slots=True)
class Request:
    """One message of a client."""

    command: int
    p1: int
    p2: int
    extension: bytes = b""


class ProtocolError(ValueError):
    """What came is not this protocol."""


class Requests:
    """Cuts a stream into requests, wherever it was split."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Request]:
        """Return the requests that are whole now.

        Raises:
            ProtocolError: an extension longer than any there is.
        """
        self._buffer += data
        requests = []
        while len(self._buffer) >= HEAD_LEN:
            command, p1, p2, length = _HEAD.unpack_from(self._buffer)
            if length > MAX_EXTENSION:
                msg = f"an extension of {length} bytes"
                raise ProtocolError(msg)
            end = HEAD_LEN + length
            if len(self._buffer) < end:
                break
            requests.append(Request(command, p1, p2, bytes(self._buffer[HEAD_LEN:end])))
            del self._buffer[:end]
        return requests


def answer(request: Request, result: int) -> bytes:
    """Return the answer: command and parameters as they came, then the result, signed."""
    return _HEAD.pack(request.command, request.p1, request.p2, result & 0xFFFF_FFFF)


def report(number: int, tick_us: int, levels: int) -> bytes:
    """Return one notification.

    Args:
        number: counts the reports of one handle, modulo 2**16.
        tick_us: microseconds, modulo 2**32.
        levels: of GPIO 0 to 31, one bit each.
    """
    return _REPORT.pack(number & 0xFFFF, 0, tick_us & 0xFFFF_FFFF, levels & 0xFFFF_FFFF)
