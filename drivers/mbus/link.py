"""Frames of the wired M-Bus as they stand on the line, and how to find an answer. Pure.

Source: EN 13757-2 (physical and link layer; frame format class FT 1.2 of IEC 60870-5-1) and "The
M-Bus: A Documentation", Rev. 4.8, 5.2 to 5.5 and 7.1; byte values also as in libmbus's headers.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from drivers.mbus.address import ANY_ANSWERS, SELECTED, SecondaryAddress
from drivers.media.framing import ForeignFrameError
from gateway.model.errors import FrameError

ACK: Final = 0xE5
START_SHORT: Final = 0x10
START_LONG: Final = 0x68
STOP: Final = 0x16

SND_NKE: Final = 0x40
SND_UD: Final = 0x53
REQ_UD2: Final = 0x5B
FCB: Final = 0x20
"""Toggled from one request to the next, so that a meter tells a repeat from a new one."""
RSP_UD: Final = 0x08
_DEMAND_BITS: Final = 0x30
"""ACD and DFC: the meter has more to say, or is short of room. Neither changes the answer."""

CI_SELECT: Final = 0x52
CI_RESET: Final = 0x50
CI_SET_SPEED: Final = {
    300: 0xB8,
    600: 0xB9,
    1200: 0xBA,
    2400: 0xBB,
    4800: 0xBC,
    9600: 0xBD,
    19200: 0xBE,
    38400: 0xBF,
}
CI_LONG_HEADER: Final = 0x72
CI_FIXED: Final = 0x73

_HEAD: Final = 4
_FRAME_ROOM: Final = 6
"""Of a long frame beside its L bytes: two starts, two lengths, checksum, stop."""
_LEAST: Final = 3
"""Control, address and control information."""
_BODY: Final = 7
"""Where the user data of a long frame begins."""
_SHORT: Final = 5


def _sum(data: bytes | bytearray) -> int:
    return sum(data) & 0xFF


def short_frame(control: int, address: int) -> bytes:
    """Return a frame without user data."""
    body = bytes((control, address))
    return bytes((START_SHORT, *body, _sum(body), STOP))


def long_frame(control: int, address: int, control_information: int, data: bytes = b"") -> bytes:
    """Return a frame with control information and up to 252 bytes of user data.

    Raises:
        ValueError: more data than fits.
    """
    body = bytes((control, address, control_information)) + data
    if len(body) > 0xFF:  # noqa: PLR2004  the length is one byte
        msg = f"{len(data)} bytes do not fit into a frame"
        raise ValueError(msg)
    head = bytes((START_LONG, len(body), len(body), START_LONG))
    return head + body + bytes((_sum(body), STOP))


def reset_link(address: int) -> bytes:
    """Return SND_NKE: the meter forgets the frame count bit and is not selected any more."""
    return short_frame(SND_NKE, address)


def request_data(address: int, *, fcb: bool) -> bytes:
    """Return REQ_UD2: the meter answers with its data."""
    return short_frame(REQ_UD2 | (FCB if fcb else 0), address)


def select(who: SecondaryAddress) -> bytes:
    """Return the selection: whoever is meant acknowledges and then answers to address 253."""
    return long_frame(SND_UD, SELECTED, CI_SELECT, who.encode())


def reset_application(address: int, subcode: int | None = None) -> bytes:
    """Return the application reset; the subcode says which telegrams are wanted from then on."""
    return long_frame(
        SND_UD, address, CI_RESET, b"" if subcode is None else bytes((subcode & 0xFF,))
    )


def set_speed(address: int, baud_rate: int) -> bytes:
    """Return the order to talk at another speed, acknowledged at the old one.

    Raises:
        ValueError: M-Bus has no such speed.
    """
    code = CI_SET_SPEED.get(baud_rate)
    if code is None:
        known = ", ".join(map(str, CI_SET_SPEED))
        msg = f"M-Bus has no speed of {baud_rate} Bd; there are {known}"
        raise ValueError(msg)
    return long_frame(SND_UD, address, code)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The single character E5h.

    It names nobody. So nothing rests on it: who goes on is asked for data, and that names its
    sender. One that comes late is taken for that of another meter without harm.
    """

    @property
    def shape(self) -> None:
        """Return None: no line needs to wait for one that is owed."""
        return None

    def measure(self, received: bytes | bytearray, /) -> int:
        """Find it; see `Framing.measure`.

        Raises:
            ForeignFrameError: something else came.
        """
        if not received:
            return 0
        if received[0] == ACK:
            return 1
        msg = "not an acknowledgement"
        raise ForeignFrameError(msg, answer=bytes(received))


@dataclass(frozen=True, slots=True)
class Response:
    """The answer with user data (RSP_UD) of one meter.

    Args:
        address: that was asked; a selected meter answers with its own primary address.
        who: the secondary address it must have; None: any.
    """

    address: int
    who: SecondaryAddress | None = None

    @property
    def shape(self) -> Hashable:
        """Return whose it is: a meter has one answer for all requests, so they look alike."""
        return ("mbus", self.address, self.who)

    def measure(self, received: bytes | bytearray, /) -> int:
        """Find it; see `Framing.measure`.

        Raises:
            ForeignFrameError: of somebody else, or noise.
            FrameError: it is damaged.
        """
        if not received:
            return 0
        if received[0] == ACK:
            return -1  # to a reset or a selection before: an acknowledgement is never an answer
        self._check_head(received)
        if len(received) < _HEAD:
            return 0
        length = received[1]
        size = length + _FRAME_ROOM
        if len(received) < size:
            return 0
        frame = bytes(received[:size])
        # EN 13757-2 and FT 1.2: the sum is that of all bytes from the control field on.
        if frame[-1] != STOP or _sum(frame[_HEAD:-2]) != frame[-2]:
            msg = "checksum or stop of an M-Bus frame"
            raise FrameError(msg, answer=frame)
        self._check_sender(frame)
        return size

    @staticmethod
    def _check_head(received: bytes | bytearray) -> None:
        """Check as much of the head as has come."""
        lengths = received[1:3]
        whole = (
            received[0] == START_LONG
            and all(length >= _LEAST for length in lengths)
            and len(set(lengths)) <= 1
            and received[3:4] in (b"", bytes((START_LONG,)))
        )
        if not whole:
            msg = "not the head of an M-Bus frame"
            raise ForeignFrameError(msg, answer=bytes(received))

    def _check_sender(self, frame: bytes) -> None:
        control, address, information = frame[_HEAD:_BODY]
        if control & ~_DEMAND_BITS != RSP_UD:
            msg = f"control field {control:02X}h is not that of an answer"
            raise ForeignFrameError(msg, answer=frame)
        if self.address not in (SELECTED, ANY_ANSWERS, address):
            msg = f"an answer of meter {address} instead of {self.address}"
            raise ForeignFrameError(msg, answer=frame)
        if self.who is None:
            return
        header = frame[_BODY : _BODY + 8]
        if information == CI_FIXED:
            header = header[:4] + self.who.encode()[4:]  # has an identification only
        if information in (CI_FIXED, CI_LONG_HEADER) and (
            len(header) < 8 or not self.who.means(header)  # noqa: PLR2004
        ):
            msg = f"an answer of another meter than {self.who}"
            raise ForeignFrameError(msg, answer=frame)


def user_data(frame: bytes) -> tuple[int, bytes]:
    """Return control information and user data of a long frame that `Response` found."""
    return frame[6], frame[_BODY:-2]
