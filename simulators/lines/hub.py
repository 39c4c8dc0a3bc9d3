"""An RS-485 line: what one end says, all others hear; who talks at once is not understood.

Ends are ptys (for drivers and other programs) and ears inside this program (for twins). A burst
arrives whole after as long as its bytes take at its sender's speed. Bytes of bursts that overlap
are damaged. There are no threads: everything happens on the event loop.

What a pty cannot do: RS-485 ioctls, parity errors, real speeds. The speed that a program sets on
its pty is its own; an ear may have another one than the line. Who hears somebody of another speed
hears garbage, as in the field.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
import termios
import tty
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Final, NamedTuple, Self

READ_SIZE: Final = 4096
UNREAD_LIMIT: Final = 2048
"""Bytes a program may leave unread on its pty before the oldest are lost, as in a real driver."""
BITS_8N1: Final = 10
"""Bits of one byte on the line: start, eight, stop."""


class Fate(Enum):
    """What became of a burst."""

    WHOLE = "whole"
    """Every end got it as it was said."""
    COLLIDED = "collided"
    """Somebody else talked at the same time."""
    UNHEARD = "unheard"
    """It was whole, but a pty was gone or took no more bytes."""


class Wiring(Enum):
    """How the adapter's pair is connected to the others."""

    SOUND = "sound"
    SWAPPED = "swapped"
    """A on B: nobody understands, and when the line is let go the adapter sees a break."""
    FLOATING = "floating"
    """No bias: when the line is let go it drifts, and the adapter sees bytes nobody sent."""


Told = Callable[[Fate], None]
"""Called once, when the last bit of a burst is on the line."""


class Tone(NamedTuple):
    """How an end sets its port."""

    speed: int
    parity: str


@dataclass(slots=True, eq=False)
class _Burst:
    """Bytes on the line, with the times of their first and last bit."""

    sender: End
    wire: bytearray
    start: float
    end: float
    told: Told | None
    tone: Tone
    """Of its sender."""
    byte_s: float
    damaged: set[int] = field(default_factory=set)


class End:
    """One end of the line inside this program."""

    def __init__(
        self,
        hub: Hub,
        hear: Callable[[bytes], None] | None = None,
        speed: int | None = None,
    ) -> None:
        """Join the line; `hear` is called with every burst of the others.

        Args:
            hub: the line.
            hear: gets garbage when the sender has another speed.
            speed: bits a second; None: that of the line.
        """
        self._hub = hub
        self._hear = hear
        self._speed = speed or hub.baud_rate
        self.parity = hub.parity
        """Where it is not that of the sender, what is heard is garbage."""
        self.busy_until = float("-inf")

    @property
    def speed(self) -> int:
        """Return at how many bits a second this end talks and hears."""
        return self._speed

    def say(self, wire: bytes, told: Told | None = None) -> None:
        """Put bytes on the line, after what this end is still saying."""
        self._hub.carry(self, wire, told)

    @property
    def tone(self) -> Tone:
        """Return how its port is set."""
        return Tone(self.speed, self.parity)

    def hear(self, wire: bytes, tone: Tone) -> bool:
        """Take what another end said in its tone; say whether all of it was taken."""
        if self._hear is not None:
            self._hear(wire if tone == self.tone else garble(wire))
        return True

    def close(self) -> None:
        """Leave the line."""
        self._hub.leave(self)


class PtyEnd(End):
    """One end of the line that another program opens by its path."""

    def __init__(self, hub: Hub, loop: asyncio.AbstractEventLoop, link: Path | None) -> None:
        """Open the pty; with `link` a symbolic link points to it, also after it was plugged again.

        Raises:
            OSError: the system has no more ptys, or the link cannot be made.
        """
        super().__init__(hub)
        self._loop = loop
        self._link = link
        self._master = self._slave = -1
        self.overruns = 0
        self.plug()

    @property
    def path(self) -> str:
        """Return what a program opens."""
        return str(self._link) if self._link is not None else self._path

    @property
    def plugged(self) -> bool:
        """Say whether the adapter is there."""
        return self._master >= 0

    def plug(self) -> None:
        """Plug the adapter in; does nothing when it is."""
        if self.plugged:
            return
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        speed = _SPEEDS.get(self._hub.baud_rate)
        if speed is not None:
            modes = termios.tcgetattr(self._slave)
            modes[4] = modes[5] = speed
            termios.tcsetattr(self._slave, termios.TCSANOW, modes)
        os.set_blocking(self._master, False)
        self._path = os.ttyname(self._slave)
        if self._link is not None:
            fresh = self._link.with_name(self._link.name + ".new")
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self._path)
            fresh.replace(self._link)
        self._loop.add_reader(self._master, self._readable)

    def unplug(self) -> None:
        """Pull the adapter out: whoever has it open gets an error; does nothing when it is out."""
        if not self.plugged:
            return
        self._loop.remove_reader(self._master)
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = -1
        if self._link is not None:
            self._link.unlink(missing_ok=True)

    def hear(self, wire: bytes, tone: Tone) -> bool:
        """Hand the bytes to the program that has the pty open; old unread ones make room."""
        if not self.plugged:
            return False
        if tone != self.tone:
            wire = garble(wire)
        if _waiting(self._slave) + len(wire) > UNREAD_LIMIT:
            self.overruns += 1
            termios.tcflush(self._slave, termios.TCIFLUSH)
        try:
            return os.write(self._master, wire) == len(wire)
        except OSError:
            # The far end is going away, or its buffer is full: on a real line that is lost too.
            self.overruns += 1
            return False

    def close(self) -> None:
        """Leave the line for good."""
        self.unplug()
        super().close()

    @property
    def speed(self) -> int:
        """Return what the program set; one we have no name for counts as the line's."""
        if not self.plugged:
            return self._hub.baud_rate
        return _NAMES.get(termios.tcgetattr(self._slave)[5], self._hub.baud_rate)

    def _readable(self) -> None:
        try:
            wire = os.read(self._master, READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            # This pty broke; a fresh one takes its place, as after pulling and plugging.
            self.unplug()
            self.plug()
            return
        self.say(wire)


class Hub:
    """The line itself."""

    def __init__(
        self,
        baud_rate: int,
        *,
        parity: str = "none",
        bits_per_byte: int = BITS_8N1,
        wiring: Wiring = Wiring.SOUND,
        seed: int = 1,
    ) -> None:
        """Lay a line in the running event loop.

        Args:
            baud_rate: bits a second, more than 0.
            parity: `none`, `even` or `odd`.
            bits_per_byte: with start, parity and stop bits.
            wiring: of ptys to the others; may change at any time.
            seed: of what collisions make of bytes.
        """
        self.baud_rate: Final = baud_rate
        self.parity: Final = parity
        self.wiring = wiring
        self._bits_per_byte: Final = bits_per_byte
        self.collisions = 0
        self.said_at = float("-inf")
        """When the last bit of what is heard now was on the line, in loop time: a program that is
        late does not make the line quiet for longer."""
        self._loop = asyncio.get_running_loop()
        self._rng = Random(seed)
        self._ends: list[End] = []
        self._bursts: list[_Burst] = []

    def __enter__(self) -> Self:
        """Return the line."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the line down."""
        self.close()

    def byte_s(self, speed: int) -> float:
        """Return how long a byte takes at a speed, in seconds."""
        return self._bits_per_byte / speed

    def add_end(self, hear: Callable[[bytes], None], speed: int | None = None) -> End:
        """Join from inside this program; `hear` gets every burst of the others."""
        end = End(self, hear, speed)
        self._ends.append(end)
        return end

    def add_pty(self, link: Path | None = None) -> PtyEnd:
        """Join by a pty, under the path of `link` if given.

        Raises:
            OSError: the system has no more ptys, or the link cannot be made.
        """
        end = PtyEnd(self, self._loop, link)
        self._ends.append(end)
        return end

    def leave(self, end: End) -> None:
        """Take one end off the line; what it still says goes under."""
        if end in self._ends:
            self._ends.remove(end)
        for burst in self._bursts:
            if burst.sender is end:
                burst.damaged.update(range(len(burst.wire)))

    def close(self) -> None:
        """Take everybody off the line."""
        for end in tuple(self._ends):
            end.close()

    def busy_until(self, begun_before: float) -> float:
        """Return until when those talk who began before a loop time, or minus infinity."""
        ends = (burst.end for burst in self._bursts if burst.start < begun_before)
        return max(ends, default=float("-inf"))

    def carry(self, sender: End, wire: bytes, told: Told | None) -> None:
        """Put a burst on the line: the bytes of `sender`, after what it is still saying."""
        if not wire:
            return
        start = max(self._loop.time(), sender.busy_until)
        tone = sender.tone
        byte_s = self.byte_s(tone.speed)
        end = start + len(wire) * byte_s
        sender.busy_until = end
        burst = _Burst(sender, bytearray(wire), start, end, told, tone, byte_s)
        for other in self._bursts:
            if other.sender is not sender and other.end > start and end > other.start:
                self.collisions += 1
                self._damage(burst, other)
                self._damage(other, burst)
        self._bursts.append(burst)
        self._loop.call_at(end, self._deliver, burst)

    def _damage(self, burst: _Burst, other: _Burst) -> None:
        """Note which bytes of `burst` lie under `other`."""
        first = int((max(burst.start, other.start) - burst.start) / burst.byte_s)
        last = int((min(burst.end, other.end) - burst.start) / burst.byte_s)
        burst.damaged.update(range(first, min(last + 1, len(burst.wire))))

    def _deliver(self, burst: _Burst) -> None:
        self._bursts.remove(burst)
        self.said_at = burst.end
        for place in burst.damaged:
            burst.wire[place] ^= self._rng.randrange(1, 256)
        wire = bytes(burst.wire)
        others = [end for end in tuple(self._ends) if end is not burst.sender]
        taken = [end.hear(self._over(burst.sender, end, wire), burst.tone) for end in others]
        self._let_go()
        if burst.told is not None:
            if burst.damaged:
                burst.told(Fate.COLLIDED)
            else:
                burst.told(Fate.WHOLE if all(taken) else Fate.UNHEARD)

    def _over(self, sender: End, hearer: End, wire: bytes) -> bytes:
        """Return what comes over the pair from one end to another."""
        crosses = isinstance(sender, PtyEnd) != isinstance(hearer, PtyEnd)
        return garble(wire) if crosses and self.wiring is Wiring.SWAPPED else wire

    def _let_go(self) -> None:
        """Have the adapter see what a pair does that nobody drives, unless somebody talks on."""
        if self.wiring is Wiring.SOUND or self._bursts:
            return
        stray = bytes(1)
        if self.wiring is Wiring.FLOATING:
            stray = bytes(
                self._rng.choice((0x00, 0xFE, 0xFF)) for _ in range(self._rng.randint(1, 3))
            )
        for end in self._ends:
            if isinstance(end, PtyEnd):
                end.hear(stray, end.tone)


def garble(wire: bytes) -> bytes:
    """Return what a receiver with another speed makes of it: other bytes, and fewer of them."""
    return bytes((value * 29 + 7 * place + 0x55) & 0xFF for place, value in enumerate(wire[::2]))


def _waiting(slave: int) -> int:
    """Return how many bytes lie unread on the program's side."""
    room = fcntl.ioctl(slave, termios.FIONREAD, struct.pack("i", 0))
    return int(struct.unpack("i", room)[0])


_SPEEDS: Final = {
    int(name[1:]): int(getattr(termios, name))
    for name in dir(termios)
    if name[0] == "B" and name[1:].isdigit() and name != "B0"
}
"""The system's codes of the usual speeds."""
_NAMES: Final = {code: speed for speed, code in _SPEEDS.items()}
