"""Takes bytes off a telegram, never more than there are. Pure."""

from __future__ import annotations

from gateway.model.errors import FrameError


class Reader:
    """What is left of a telegram."""

    __slots__ = ("_data", "at")

    def __init__(self, data: bytes, at: int = 0) -> None:
        """Begin at a place."""
        self._data = bytes(data)
        self.at = at

    @property
    def left(self) -> int:
        """Return how many bytes are left."""
        return len(self._data) - self.at

    def take(self, size: int) -> bytes:
        """Return the next bytes.

        Raises:
            FrameError: there are not so many.
        """
        taken = self._data[self.at : self.at + size]
        if len(taken) < size:
            msg = "a record breaks off"
            raise self.broken(msg)
        self.at += size
        return taken

    def byte(self) -> int:
        """Return the next byte.

        Raises:
            FrameError: there is none.
        """
        return self.take(1)[0]

    def since(self, start: int) -> bytes:
        """Return what was taken since a place."""
        return self._data[start : self.at]

    def ahead(self, size: int) -> bytes:
        """Return up to so many bytes without taking them."""
        return self._data[self.at : self.at + size]

    def broken(self, why: str) -> FrameError:
        """Return the error for a telegram that makes no sense."""
        return FrameError(why, answer=self._data)
