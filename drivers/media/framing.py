"""What a driver says to the owner of a line: how an answer looks, and how to ask. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Protocol, runtime_checkable

from drivers.media.characters import Characters
from gateway.model.driver import Medium, Priority
from gateway.model.errors import FrameError


class ForeignFrameError(FrameError):
    """What came is somebody else's, or noise: the answer to the request may still follow."""


class Framing(Protocol):
    """Finds the answer to one request in what comes over a line."""

    @property
    def shape(self) -> Hashable | None:
        """Return what answers that could be mistaken for one another have in common.

        None: this one never is.
        A request whose answer never came still has it coming: `drivers.media.lateness` says what
        follows.
        """
        ...

    def measure(self, received: bytes | bytearray, /) -> int:
        """Say how much of what was received is the answer.

        Returns:
            n > 0: the first n bytes are the answer, whole and checked. 0: more bytes are needed. n
            < 0: the first -n bytes are a whole answer to some earlier request: pass over them.

        Raises:
            ForeignFrameError: this is no answer to the request, which may still come.
            FrameError: this is the answer, damaged.
        """
        ...


@runtime_checkable
class ByteLine(Medium, Protocol):
    """A medium that carries bytes both ways: what a driver is handed."""

    @property
    def medium(self) -> str:
        """Return the name of the entry point that made it: `serial` or `tcp`."""
        ...

    @property
    def generation(self) -> int:
        """Return how often the port was opened: after that, everybody on it may have changed."""
        ...

    def listen(self, hear: Callable[[bytes], None]) -> None:
        """Have `hear` called in the loop with whatever comes while nobody waits for an answer.

        For a device that talks by itself; it sets the speed of its line. Its bytes come in pieces
        of any size. While an exchange is under way they go to that exchange, whose framing passes
        over them.

        Raises:
            ValueError: another device of this line talks by itself already.
        """
        ...

    async def exchange(
        self,
        request: bytes,
        answer: Framing,
        *,
        timeout_s: float,
        priority: Priority = Priority.POLL,
        characters: Characters | None = None,
    ) -> bytes:
        """Send a request when it is its turn, and return the answer as `answer` measured it.

        Args:
            request: what goes out, as it is.
            answer: how to find what comes back.
            timeout_s: silence, in seconds, after the request has left, that means "no answer".
            priority: commands go before polls; within one, first come first served.
            characters: speed and frame of the device, where they are not those of the line; a line
                without characters (TCP) lets them be.

        Raises:
            NoResponseError: nothing came.
            FrameError: something came that is no answer; it carries the bytes.
            BusUnavailableError: the port is gone or cannot be opened; the message names the next
                action.
        """
        ...
