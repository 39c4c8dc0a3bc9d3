"""Cuts what a device tells by itself into frames, however it was torn up on the way. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.model.errors import FrameError

LONGEST_NOISE: Final = 256
"""So many bytes that are no frame are told as one mistake."""
_SHOWN: Final = 64

Find = Callable[[bytearray], int]
"""Looks at the head of what came: n > 0, a whole and sound frame of n bytes; 0, more are needed;
n < 0, the first -n bytes belong to no frame."""


class Stream:
    """The bytes of one talker. It keeps at most `longest` bytes that are no frame yet."""

    __slots__ = ("_buffer", "_find", "_longest", "_noise")

    def __init__(self, find: Find, longest: int) -> None:
        """Take what finds a frame, and how long one can be.

        Args:
            find: see `Find`.
            longest: bytes; of what is longer and still no frame the first byte is given up.
        """
        self._find: Final = find
        self._longest: Final = longest
        self._buffer: Final = bytearray()
        self._noise: Final = bytearray()

    def take(self, data: bytes) -> list[bytes | FrameError]:
        """Return the frames that are whole now, and a mistake for each run of bytes between."""
        self._buffer.extend(data)
        found: list[bytes | FrameError] = []
        while self._buffer:
            size = self._find(self._buffer)
            if size == 0 and len(self._buffer) <= self._longest:
                break
            if size > 0:
                self._tell_noise(found)
                found.append(bytes(self._buffer[:size]))
                del self._buffer[:size]
                continue
            lost = -size or 1
            self._noise.extend(self._buffer[:lost])
            del self._buffer[:lost]
            if len(self._noise) >= LONGEST_NOISE:
                self._tell_noise(found)
        return found

    def forget(self) -> None:
        """Drop what has come of an unfinished frame: the port was opened anew."""
        self._buffer.clear()
        self._noise.clear()

    def _tell_noise(self, found: list[bytes | FrameError]) -> None:
        if self._noise:
            msg = f"{len(self._noise)} bytes that belong to no frame"
            found.append(FrameError(msg, answer=bytes(self._noise[:_SHOWN])))
            self._noise.clear()
