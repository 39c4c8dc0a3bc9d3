"""How a telegram begins and ends, and how it is found among what comes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

from drivers.media.framing import ForeignFrameError
from drivers.telegrams.checksums import Checksum
from drivers.telegrams.template import size_of, unpacked
from gateway.model.errors import FrameError

LONGEST: Final = 1024
"""Bytes of a telegram."""
_SHOWN: Final = 32


@dataclass(frozen=True, slots=True)
class Counted:
    """The telegram says its length itself."""

    at: int
    form: str = "u8"
    add: int = 0
    """Bytes of the telegram beyond those that it counts."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What all telegrams of a kind have in common."""

    start: bytes = b""
    end: bytes = b""
    length: int | None = None
    counted: Counted | None = None
    longest: int = 256
    checksum: Checksum | None = None

    def measure(self, received: bytes | bytearray) -> int:
        """Return the length of the telegram that stands at the beginning; 0: more is needed.

        Raises:
            ForeignFrameError: no telegram of this shape begins so.
            FrameError: it is damaged: too long, or its checksum is wrong.
        """
        start = self.start[: len(received)]
        if not received.startswith(start):
            msg = f"it does not begin with {self.start.hex(' ')}"
            raise ForeignFrameError(msg, answer=bytes(received[:_SHOWN]))
        size = self._size(received)
        if size > self.longest or (not size and len(received) >= self.longest):
            msg = f"longer than {self.longest} bytes"
            raise FrameError(msg, answer=bytes(received[:_SHOWN]))
        if not size or len(received) < size:
            return 0
        if self.checksum is not None:
            self.checksum.check(bytes(received[:size]))
        return size

    def _size(self, received: bytes | bytearray) -> int:
        """Return how long it will be, or 0 when that cannot be told yet."""
        if self.length is not None:
            return self.length
        if self.counted is not None:
            place = self.counted
            head = place.at + size_of(place.form)
            if len(received) < head:
                return 0
            size = int(unpacked(place.form, bytes(received[place.at : head]))) + place.add
            if size < max(head, len(self.start)):
                msg = f"it says that it is {size} bytes long"
                raise FrameError(msg, answer=bytes(received[:_SHOWN]))
            return size
        at = received.find(self.end, len(self.start))
        return at + len(self.end) if at >= 0 else 0

    def body(self, telegram: bytes) -> bytes:
        """Return what stands between the start and the checksum or the end.

        Raises:
            FrameError: there is no room for a checksum.
        """
        stop = len(telegram) - len(self.end)
        if self.checksum is not None:
            stop = self.checksum.body_end(len(telegram))
        return telegram[len(self.start) : max(stop, len(self.start))]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request: the framing that the line is handed."""

    shapes: tuple[Shape, ...]
    """Of the answer, and of a refusal where that looks otherwise."""
    fits: Callable[[bytes], bool]
    """Says of a whole telegram whether it is the answer, or a refusal of it."""
    shape: Hashable | None
    """See `Framing.shape`."""
    echo: bytes = b""
    """The device repeats the request before it answers."""
    passes: Callable[[bytes], int] = lambda _: 0
    """Says how much at the beginning the device tells by itself: that is passed over."""

    def measure(self, received: bytes | bytearray, /) -> int:
        """Find the answer; see `Framing.measure`.

        Raises:
            ForeignFrameError: it is no answer to this request.
            FrameError: it is damaged.
        """
        if told := self.passes(bytes(received)):
            return -told
        head = len(self.echo)
        if head:
            if not received.startswith(self.echo[: len(received)]):
                msg = "the request is not repeated before the answer"
                raise ForeignFrameError(msg, answer=bytes(received[:_SHOWN]))
            if len(received) <= head:
                return 0
        size = self._found(bytes(received[head:]))
        return head + size if size else 0

    def _found(self, received: bytes) -> int:
        """Return the length of the answer at the beginning; 0: more is needed.

        Raises:
            ForeignFrameError: it is no answer to this request.
            FrameError: it is damaged.
        """
        problem: FrameError | None = None
        for shape in self.shapes:
            try:
                size = shape.measure(received)
            except FrameError as error:
                if problem is None or isinstance(problem, ForeignFrameError):
                    problem = error
                continue
            if not size:
                return 0
            if self.fits(received[:size]):
                return size
            problem = problem or ForeignFrameError(
                "it answers something else", answer=received[:size]
            )
        if problem is None:
            return 0
        raise problem


class Listener:
    """Takes telegrams out of what a device tells by itself, whatever comes between them."""

    def __init__(
        self,
        shapes: tuple[Shape, ...],
        take: Callable[[bytes], None],
        lose: Callable[[FrameError], None],
    ) -> None:
        """Take the shapes to look for.

        Args:
            shapes: tried in this order.
            take: gets each whole telegram.
            lose: gets one error for each run of bytes in which there is none.
        """
        self._shapes: Final = shapes
        self._take: Final = take
        self._lose: Final = lose
        self._buffer: Final = bytearray()
        self._skipped: Final = bytearray()
        self._reason = "no telegram"
        self._synchronous = False

    def hear(self, data: bytes) -> None:
        """Take some bytes."""
        self._buffer.extend(data)
        while self._buffer:
            size = self._next()
            if size is None:
                self._skip()
            elif size:
                telegram = bytes(self._buffer[:size])
                del self._buffer[:size]
                self._tell_skipped()
                self._synchronous = True
                self._take(telegram)
            else:
                return

    def _next(self) -> int | None:
        """Return the length of the telegram at the beginning; 0: wait for more; None: none."""
        waiting = False
        for shape in self._shapes:
            try:
                size = shape.measure(self._buffer)
            except FrameError as error:
                if not isinstance(error, ForeignFrameError):
                    self._reason = str(error)
                continue
            if size:
                return size
            waiting = True
        return 0 if waiting else None

    def _skip(self) -> None:
        """Pass over the first byte, up to where a telegram may begin."""
        starts = [shape.start for shape in self._shapes]
        step = 1
        if all(starts):
            places = [self._buffer.find(start[:1], 1) for start in starts]
            step = min((place for place in places if place > 0), default=len(self._buffer))
        elif all(shape.end for shape in self._shapes):
            places = [self._buffer.find(shape.end) + len(shape.end) for shape in self._shapes]
            step = max(1, min(place for place in places))
        self._skipped.extend(self._buffer[:step])
        del self._buffer[:step]
        if len(self._skipped) > LONGEST:
            self._tell_skipped()

    def _tell_skipped(self) -> None:
        """Tell what was passed over; the piece of a telegram into which we came is no news."""
        if self._skipped and self._synchronous:
            self._lose(FrameError(self._reason, answer=bytes(self._skipped[:_SHOWN])))
        self._synchronous |= bool(self._skipped)
        self._skipped.clear()
        self._reason = "no telegram"
