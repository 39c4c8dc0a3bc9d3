"""The twins of one RS-485 line, each with its own ear and voice, whatever they speak."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from simulators.faults import Flood
from simulators.lines.hub import End, Hub
from simulators.twin import InPlay, Twin


class Slave(Protocol):
    """A twin on a serial line: hears everything, answers what is for it."""

    @property
    def end(self) -> End:
        """Return its end of the line."""
        ...


class SerialServer:
    """The slaves of one line."""

    def __init__(self, hub: Hub) -> None:
        """Take the line."""
        self.hub: Final = hub
        self.floods = 0
        """How many twins talk without being asked now."""
        self._slaves: dict[str, Slave] = {}

    def join(self, twin: Twin, slave: Slave) -> None:
        """Hang a twin on the line, with what hears and talks for it."""
        self._slaves[twin.name] = slave

    def tune(self, twin: Twin, parity: str) -> None:
        """Have a twin of this line talk and hear with another parity."""
        self._slaves[twin.name].end.parity = parity

    def babble(self, twin: Twin, held: InPlay) -> None:
        """Let the twin flood the line for as long as the fault holds."""
        fault = held.fault
        if isinstance(fault, Flood):
            self.floods += 1
            self._burst(twin, held, fault)

    def _burst(self, twin: Twin, held: InPlay, fault: Flood) -> None:
        if held not in twin.faults:
            self.floods -= 1
            return
        if not twin.off and held.rng.random() < fault.probability:
            self._slaves[twin.name].end.say(held.rng.randbytes(fault.size))
        loop = asyncio.get_running_loop()
        loop.call_later(fault.every_s, self._burst, twin, held, fault)
