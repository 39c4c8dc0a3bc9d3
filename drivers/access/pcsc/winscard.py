"""The few calls of libpcsclite that a reader of UIDs needs, by ctypes.

The library is the system's (package libpcsclite1, BSD licence): no package of Python has to be
built for the board. Everything here blocks and belongs into a thread.

Source: PC/SC lite API (pcsclite.apdu.fr), winscard.h and pcsclite.h of version 1.9.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from ctypes import POINTER, Structure, byref, c_char_p, c_long, c_ubyte, c_ulong, c_void_p
from dataclasses import dataclass
from typing import Final

SCOPE_SYSTEM: Final = 2
SHARE_SHARED: Final = 2
PROTOCOL_ANY: Final = 3
LEAVE: Final = 0
STATE_UNAWARE: Final = 0
STATE_PRESENT: Final = 0x20
STATE_MUTE: Final = 0x200
CANCELLED: Final = 0x80100002
TIMED_OUT: Final = 0x8010000A
NO_READERS: Final = 0x8010002E
NO_SERVICE: Final = 0x8010001D
_LONGEST_ANSWER: Final = 264
_MASK: Final = 0xFFFFFFFF


class PcscError(Exception):
    """A call that did not succeed; `code` is the library's."""

    def __init__(self, code: int) -> None:
        """Take the code."""
        self.code: Final = code & _MASK
        super().__init__(f"PC/SC error {self.code:08X}")


class _ReaderState(Structure):
    _fields_ = [
        ("name", c_char_p),
        ("user", c_void_p),
        ("current", c_ulong),
        ("event", c_ulong),
        ("atr_length", c_ulong),
        ("atr", c_ubyte * 33),
    ]


class _Protocol(Structure):
    _fields_ = [("protocol", c_ulong), ("length", c_ulong)]


@dataclass(frozen=True, slots=True)
class Seen:
    """State of a reader: hand it back to wait for the next change."""

    raw: int
    present: bool
    mute: bool


def load() -> ctypes.CDLL | None:
    """Return the library, or None when the system has none."""
    name = ctypes.util.find_library("pcsclite") or "libpcsclite.so.1"
    try:
        library = ctypes.CDLL(name)
    except OSError:
        return None
    arguments = {
        "SCardEstablishContext": (c_ulong, c_void_p, c_void_p, POINTER(c_long)),
        "SCardReleaseContext": (c_long,),
        "SCardCancel": (c_long,),
        "SCardListReaders": (c_long, c_char_p, c_char_p, POINTER(c_ulong)),
        "SCardGetStatusChange": (c_long, c_ulong, POINTER(_ReaderState), c_ulong),
        "SCardConnect": (c_long, c_char_p, c_ulong, c_ulong, POINTER(c_long), POINTER(c_ulong)),
        "SCardDisconnect": (c_long, c_ulong),
        "SCardTransmit": (
            c_long, POINTER(_Protocol), c_char_p, c_ulong, c_void_p, c_char_p, POINTER(c_ulong),
        ),
    }  # fmt: skip
    for function, types in arguments.items():
        call = getattr(library, function)
        call.argtypes = types
        call.restype = c_long
    return library


def _checked(code: int) -> None:
    if code & _MASK:
        raise PcscError(code)


class Context:
    """A connection with pcscd."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """Connect.

        Raises:
            PcscError: pcscd does not run, or does not let us in.
        """
        self._library: Final = library
        handle = c_long()
        _checked(library.SCardEstablishContext(SCOPE_SYSTEM, None, None, byref(handle)))
        self._handle: Final = handle.value

    def close(self) -> None:
        """Let go; what was waiting ends."""
        self._library.SCardReleaseContext(self._handle)

    def cancel(self) -> None:
        """End what waits in another thread."""
        self._library.SCardCancel(self._handle)

    def readers(self) -> list[str]:
        """Return the names of the readers that are there.

        Raises:
            PcscError: the service has gone.
        """
        size = c_ulong()
        code = self._library.SCardListReaders(self._handle, None, None, byref(size))
        if code & _MASK == NO_READERS:
            return []
        _checked(code)
        names = ctypes.create_string_buffer(size.value)
        _checked(self._library.SCardListReaders(self._handle, None, names, byref(size)))
        return [name.decode("utf-8", "replace") for name in names.raw.split(b"\0") if name]

    def wait(self, reader: str, seen: Seen | None, timeout_s: float) -> Seen | None:
        """Return the state of a reader once it is another than `seen`, or None when time is up.

        Raises:
            PcscError: the reader or the service has gone, or the waiting was cancelled.
        """
        state = _ReaderState(name=reader.encode(), current=seen.raw if seen else STATE_UNAWARE)
        code = self._library.SCardGetStatusChange(
            self._handle, round(timeout_s * 1000), byref(state), 1
        )
        if code & _MASK == TIMED_OUT:
            return None
        _checked(code)
        event = int(state.event)
        return Seen(event & ~0x2, bool(event & STATE_PRESENT), bool(event & STATE_MUTE))

    def transmit(self, reader: str, request: bytes) -> bytes:
        """Ask the card in a reader.

        Raises:
            PcscError: it has gone, or does not answer.
        """
        card, protocol = c_long(), c_ulong()
        _checked(
            self._library.SCardConnect(
                self._handle,
                reader.encode(),
                SHARE_SHARED,
                PROTOCOL_ANY,
                byref(card),
                byref(protocol),
            )
        )
        try:
            answer = ctypes.create_string_buffer(_LONGEST_ANSWER)
            size = c_ulong(_LONGEST_ANSWER)
            head = _Protocol(protocol.value, ctypes.sizeof(_Protocol))
            _checked(
                self._library.SCardTransmit(
                    card.value, byref(head), request, len(request), None, answer, byref(size)
                )
            )
            return answer.raw[: size.value]
        finally:
            self._library.SCardDisconnect(card.value, LEAVE)
