"""HTTP devices of a running scene, and the place where the gateway listens for their web hooks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from simulators.faults import Flood
from simulators.grounds import Grounds
from simulators.localnet.http_twins import CounterTwin, ShellyTwin
from simulators.localnet.line import free_port
from simulators.localnet.options import LocalHttpSpec
from simulators.twin import InPlay, Twin


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """Where the devices are, and where the gateway is to listen."""

    host: str
    hook_port: int


class RunningHttp:
    """HTTP devices of a running scene."""

    medium: Final = "http-local"

    def __init__(self, spec: LocalHttpSpec) -> None:
        """Take the scene's words for it."""
        self._spec: Final = spec
        self._hook_port: Final = spec.hook_port or free_port()
        self._servers: Final[list[ShellyTwin]] = []
        self._tellers: Final[list[CounterTwin]] = []
        self._tasks: Final[set[asyncio.Task[None]]] = set()
        self._timers: Final[dict[object, asyncio.TimerHandle]] = {}
        self._began = self._retired = False

    @property
    def address(self) -> HttpAddress:
        """Return where the gateway listens."""
        return HttpAddress(self._spec.host, self._hook_port)

    @property
    def host(self) -> str:
        """Return the address of the devices."""
        return self._spec.host

    def words(self) -> tuple[str, str]:
        """Return where the gateway is expected to listen."""
        return f"{self._spec.host}:{self._hook_port}", "of the gateway"

    def gateway(self) -> tuple[str, int]:
        """Return where the gateway listens."""
        return self._spec.host, self._hook_port

    def serve(self, twin: ShellyTwin) -> None:
        """Take a device that is asked."""
        self._servers.append(twin)

    def teller(self, twin: CounterTwin) -> None:
        """Take a device that tells."""
        self._tellers.append(twin)

    async def refresh(self) -> None:
        """Let devices that are off be gone, and the others be there.

        Raises:
            OSError: somebody else has a port.
        """
        if self._retired:
            return
        for server in self._servers:
            await server.refresh()
        if not self._began:
            self._began = True
            for teller in self._tellers:
                self._turn(teller, teller.options.interval_s)

    def babble(self, twin: Twin, held: InPlay) -> None:
        """Let a device tell again and again for as long as the fault holds."""
        fault = held.fault
        if self._retired or held not in twin.faults or not isinstance(fault, Flood):
            self._timers.pop(held, None)
            return
        if isinstance(twin, CounterTwin):
            self._start(twin)
        loop = asyncio.get_running_loop()
        self._timers[held] = loop.call_later(fault.every_s, self.babble, twin, held)

    def retire(self) -> None:
        """End it for good."""
        self._retired = True
        for timer in self._timers.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        for server in self._servers:
            server.retire()

    def _turn(self, twin: CounterTwin, interval_s: float) -> None:
        loop = asyncio.get_running_loop()
        self._start(twin)
        self._timers[twin] = loop.call_later(interval_s, self._turn, twin, interval_s)

    def _start(self, twin: CounterTwin) -> None:
        task = asyncio.get_running_loop().create_task(twin.tell(), name=f"hook:{twin.name}")
        self._tasks.add(task)  # kept, so that it is not lost; told errors are the gateway's
        task.add_done_callback(self._tasks.discard)


def lay(spec: LocalHttpSpec, _grounds: Grounds) -> RunningHttp:
    """Return the line."""
    return RunningHttp(spec)


def http(line: object) -> RunningHttp:
    """Return a line that a kind of twin asked for as `http-local`.

    Raises:
        TypeError: it is another kind of line.
    """
    if not isinstance(line, RunningHttp):
        msg = f"{type(line).__name__} has no HTTP devices"
        raise TypeError(msg)
    return line
