"""One reader as its line sees it, and the pipe through which libosdp hears and talks."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

from drivers.access.osdp.codec import BROADCAST, MARK, Frame

QUICK_TRIES: Final = 3
"""After a broken reply a reader is back in a moment; after so many in a row it is not."""

Told = Mapping[str, Any]  # Any: what libosdp hands over: whole numbers and bytes by name


class Listener(Protocol):
    """Takes what one reader tells, in the loop."""

    def told(self, event: Told) -> None:
        """Take an event of libosdp that came over a channel as safe as was asked for."""
        ...

    def installing(self) -> None:
        """Take that the line was opened, and the factory key is taken for a while."""
        ...

    def installed(self) -> None:
        """Take that the reader has its own key now, and the factory key is refused again."""
        ...


@dataclass(slots=True, eq=False, repr=False)
class Station:
    """One reader on the line."""

    address: int
    key: bytes | None
    """None: without a secure channel."""
    install_for_s: float
    listener: Listener
    online: bool = False
    secure: bool = False
    """The channel stands, with the reader's own key."""
    heard_s: float = float("-inf")
    """When a sound frame of it came, in the time of the loop."""
    asked_s: float = float("-inf")
    """When it was taken up last."""
    again_s: float = 0.0
    """When it is taken up again, once it was given up."""
    tries: int = 0
    resting: bool = False
    install_until: float | None = None
    fallen: bool = False
    """It was lost since the last tick."""
    waiting: deque[asyncio.Future[bool]] = field(default_factory=deque)
    """One for each order that libosdp has, in its order."""
    watchers: list[asyncio.Future[None]] = field(default_factory=list)

    @property
    def trusted(self) -> bool:
        """Say whether what it says may be believed."""
        return self.online and (self.secure or self.key is None)

    @property
    def given_up(self) -> bool:
        """Say whether it is not worth waiting for just now."""
        return self.resting and self.tries > QUICK_TRIES

    def complaint(self, *, answers: bool) -> str:
        """Say why it may not be believed, and what to do next."""
        if not answers:
            return "does not answer: check its power, the wires A and B, address and speed"
        if self.online:
            return "has no secure channel yet, so nothing it says is taken"
        return (
            "answers, but no secure channel comes about: it has another key, "
            "or still the one of the factory (then open install mode)"
        )

    def wake(self) -> None:
        """Have those who wait for a change look again."""
        watchers, self.watchers = self.watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(None)


class Pipe:
    """What libosdp reads from and writes to; all readers share one."""

    id: ClassVar[int] = 1

    def __init__(self, say: Callable[[bytes], None]) -> None:
        """Take what sends."""
        self._say: Final = say
        self._heard: Final = bytearray()
        self.asked: int | None = None
        """Address of the reader that was asked last."""

    def hear(self, frame: Frame) -> None:
        """Let libosdp hear a frame when it looks next."""
        self._heard.extend(frame.wire)

    def read(self, most: int) -> bytes:
        """Return what was heard; libosdp calls it."""
        data = bytes(self._heard[:most])
        del self._heard[:most]
        return data

    def write(self, data: bytes) -> int:
        """Send all of a command; libosdp calls it."""
        wire = bytes(data)
        self.asked = wire[wire[0] == MARK :][1] & BROADCAST
        self._say(wire)
        return len(wire)

    def flush(self) -> None:
        """Forget what was heard; libosdp calls it before it asks anew."""
        self._heard.clear()
