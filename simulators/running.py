"""A scene that runs: lines, twins, faults on time, and the journal of what was served."""

from __future__ import annotations

import asyncio
import functools
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, assert_never

from gateway.model.clock import Clock, SystemClock
from simulators.faults import Fault, FaultError, Flood, Medium, Reboot, options_of
from simulators.lines.hub import Hub, PtyEnd
from simulators.lines.listening import nursery
from simulators.lines.serial_server import SerialServer
from simulators.modbus.bank import Bank, BankOptions
from simulators.modbus.device import Device, Switches
from simulators.modbus.door import Door, DoorOptions
from simulators.modbus.light import Light, LightOptions
from simulators.modbus.meter_3p import Meter3p, MeterOptions
from simulators.modbus.relay_4 import Relay4, RelayOptions
from simulators.modbus.servers import RtuSlave, TcpLine
from simulators.modbus.twin import ModbusTwin
from simulators.scene import FaultSpec, Scene, SerialSpec, TcpSpec, TwinSpec, misfit
from simulators.truth import TruthJournal
from simulators.twin import InPlay, Twin

TICK_S: Final = 1.0
"""How often the physics of twins that nobody asks runs on, and the journal is flushed."""


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """Where a TCP line listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class SerialAddress:
    """What a program opens to be on a serial line, and how the line is set."""

    path: str
    baud_rate: int
    parity: str
    stop_bits: int


class RunningTcp:
    """A TCP line of a running scene."""

    medium: Final = Medium.TCP

    def __init__(self, spec: TcpSpec) -> None:
        """Take the scene's words for it."""
        self.server: Final = TcpLine(spec.host, spec.port)

    @property
    def address(self) -> TcpAddress:
        """Return where it listens."""
        return TcpAddress(self.server.host, self.server.port)


class RunningSerial:
    """A serial line of a running scene."""

    medium: Final = Medium.SERIAL

    def __init__(self, spec: SerialSpec, hub: Hub, pty: PtyEnd) -> None:
        """Take the line and its pty."""
        self._spec = spec
        self.hub: Final = hub
        self.pty: Final = pty
        self.server: Final = SerialServer(hub)

    @property
    def address(self) -> SerialAddress:
        """Return what to open."""
        spec = self._spec
        return SerialAddress(self.pty.path, spec.baud_rate, spec.parity, spec.stop_bits)


RunningLine = RunningTcp | RunningSerial


class Running:
    """What `run_scene` hands over."""

    def __init__(
        self,
        lines: Mapping[str, RunningLine],
        twins: Mapping[str, Twin],
        line_of: Mapping[str, str],
        truth: TruthJournal,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Take everything that was built."""
        self.lines: Final = lines
        self.twins: Final = twins
        self.truth: Final = truth
        self._line_of = line_of
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._ends: dict[InPlay, asyncio.TimerHandle] = {}
        self._timers: list[asyncio.TimerHandle] = []

    def twin(self, name: str) -> Twin:
        """Return the twin of that name.

        Raises:
            KeyError: there is none.
        """
        return self.twins[name]

    def modbus(self, name: str) -> ModbusTwin:
        """Return the Modbus twin of that name.

        Raises:
            KeyError: there is none.
        """
        twin = self.twins[name]
        if not isinstance(twin, ModbusTwin):
            raise KeyError(name)
        return twin

    def line_name(self, twin: str) -> str:
        """Return the id of the line a twin hangs on.

        Raises:
            KeyError: there is no such twin.
        """
        return self._line_of[twin]

    def line_of(self, twin: str) -> RunningLine:
        """Return the line a twin hangs on.

        Raises:
            KeyError: there is no such twin.
        """
        return self.lines[self._line_of[twin]]

    def apply(self, twin: str, fault: Fault, for_s: float | None = None) -> InPlay:
        """Let a fault begin now.

        Args:
            twin: whom it befalls.
            fault: what.
            for_s: seconds after which it ends; None: until `clear`.

        Raises:
            FaultError: no such twin, or the fault does not apply to its line.
        """
        self._fits(twin, fault)
        line = self.line_of(twin)
        held = self.twins[twin].begin(fault)
        if for_s is not None:
            self._ends[held] = self._loop.call_later(for_s, self.end, twin, held)
        if isinstance(fault, Flood):
            self._doubt(self._line_of[twin])
            line.server.babble(self.twins[twin], held)
        if isinstance(fault, Reboot):
            self._tasks.create_task(line.server.refresh(), name=f"refresh:{twin}")
        return held

    def end(self, twin: str, held: InPlay) -> None:
        """End one fault now; does nothing when it has ended."""
        self.twins[twin].end(held)
        timer = self._ends.pop(held, None)
        if timer is not None:
            timer.cancel()
        if isinstance(held.fault, Reboot):
            self._tasks.create_task(self.line_of(twin).server.refresh(), name=f"refresh:{twin}")

    def clear(self, twin: str, fault: str | None = None) -> int:
        """End the faults of a twin, all or those of one name; return how many.

        Raises:
            FaultError: no such twin.
        """
        self._known(twin)
        ended = [held for held in self.twins[twin].faults if fault in {None, held.fault.name}]
        for held in ended:
            self.end(twin, held)
        return len(ended)

    def unplug(self, line: str, for_s: float | None = None) -> None:
        """Pull the adapter of a serial line out, and back in after `for_s` seconds.

        Raises:
            FaultError: no such line, or it has no adapter.
        """
        pty = self._pty(line)
        self._doubt(line)
        pty.unplug()
        if for_s is not None:
            self._timers.append(self._loop.call_later(for_s, pty.plug))

    def plug(self, line: str) -> None:
        """Plug the adapter of a serial line in; does nothing when it is.

        Raises:
            FaultError: no such line, or it has no adapter.
            OSError: the system has no more ptys.
        """
        self._pty(line).plug()

    def plan(self, item: FaultSpec) -> None:
        """Let a fault begin at its time, counted from now.

        Raises:
            FaultError: no such twin, or the fault does not apply to its line.
        """
        self._fits(item.twin, item.fault)
        begin = functools.partial(self.apply, item.twin, item.fault, item.for_s)
        if item.at_s:
            self._timers.append(self._loop.call_later(item.at_s, begin))
        else:
            begin()

    def stop(self) -> None:
        """Let nothing more happen: no fault begins or ends, no port opens."""
        for timer in (*self._timers, *self._ends.values()):
            timer.cancel()
        for twin in self.twins.values():
            for held in twin.faults:
                twin.end(held)
        for line in self.lines.values():
            if isinstance(line, RunningTcp):
                line.server.retire()

    def snapshot(self) -> dict[str, object]:
        """Return what is the case now as plain values: seconds, lines, twins, faults."""
        now = self._loop.time()
        return {
            "running_s": round(now - self._since, 3),
            "lines": {
                name: {"medium": line.medium, **asdict(line.address)}
                for name, line in self.lines.items()
            },
            "twins": {
                name: {
                    "line": self._line_of[name],
                    **twin.about(),
                    "answers": twin.answers,
                    **asdict(twin.counts),
                    "faults": [self._told(held, now) for held in twin.faults],
                }
                for name, twin in self.twins.items()
            },
        }

    def _known(self, twin: str) -> None:
        if twin not in self.twins:
            msg = f"no twin {twin!r}; there are: {', '.join(self.twins)}"
            raise FaultError(msg)

    def _fits(self, twin: str, fault: Fault) -> None:
        self._known(twin)
        if self.line_of(twin).medium not in fault.media:
            msg = f"fault {fault.name} of {twin}: {misfit(fault)}"
            raise FaultError(msg)

    def _doubt(self, line: str) -> None:
        """Take back the certainty of what all twins of a line served a moment ago."""
        for name, twin in self.twins.items():
            if self._line_of[name] == line:
                twin.doubt()

    def _pty(self, line: str) -> PtyEnd:
        found = self.lines.get(line)
        if not isinstance(found, RunningSerial):
            msg = f"no serial line {line!r}"
            raise FaultError(msg)
        return found.pty

    def _told(self, held: InPlay, now: float) -> dict[str, object]:
        timer = self._ends.get(held)
        left = None if timer is None else round(max(0.0, timer.when() - now), 1)
        return {"fault": held.fault.name, "left_s": left, **options_of(held.fault)}

    async def tick(self) -> None:
        """Keep physics and journal going; never returns.

        Raises:
            OSError: the journal cannot be written.
        """
        while True:
            await asyncio.sleep(TICK_S)
            for twin in self.twins.values():
                twin.advance(self._loop.time())
            self.truth.flush()


def _build(spec: TwinSpec, switches: Mapping[str, Switches]) -> Device:
    match spec:
        case MeterOptions():
            return Meter3p(spec, switches[spec.relays] if spec.relays is not None else None)
        case RelayOptions():
            return Relay4(spec)
        case LightOptions():
            return Light(spec)
        case DoorOptions():
            return Door(spec)
        case BankOptions():
            return Bank(spec)
        case _:
            assert_never(spec)


def _devices(scene: Scene) -> dict[str, Device]:
    """Build the devices, relay modules first: meters look at them."""
    relays = {spec.id: Relay4(spec) for spec in scene.twin if isinstance(spec, RelayOptions)}
    return {spec.id: relays.get(spec.id) or _build(spec, relays) for spec in scene.twin}


def _lay(scene: Scene, stack: ExitStack) -> dict[str, RunningLine]:
    lines: dict[str, RunningLine] = {}
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mayak-lines-"))
    for spec in scene.line:
        if isinstance(spec, TcpSpec):
            lines[spec.id] = RunningTcp(spec)
            continue
        hub = stack.enter_context(Hub(spec.baud_rate, bits_per_byte=spec.bits_per_byte))
        lines[spec.id] = RunningSerial(spec, hub, hub.add_pty(Path(folder, spec.id)))
    return lines


def _hang(twin: ModbusTwin, line: RunningLine) -> None:
    if isinstance(line, RunningTcp):
        line.server.join(twin)
    else:
        line.server.join(twin, RtuSlave(line.server, twin))


@asynccontextmanager
async def run_scene(
    scene: Scene, *, truth: Path | None = None, clock: Clock | None = None
) -> AsyncIterator[Running]:
    """Play a scene for as long as the block runs.

    Args:
        scene: what to play.
        truth: file of the truth journal; None: it stays in memory (`running.truth.entries()`).
        clock: for the journal; None: the system's.

    Raises:
        OSError: a port is taken, there are no more ptys, the journal cannot be written.
    """
    with ExitStack() as stack:
        journal = stack.enter_context(TruthJournal(clock or SystemClock(), truth))
        lines = _lay(scene, stack)
        devices = _devices(scene)
        twins: dict[str, Twin] = {}
        for spec in scene.twin:
            twin = ModbusTwin(spec.id, spec.unit, devices[spec.id], journal, spec.baud_rate)
            twins[spec.id] = twin
            _hang(twin, lines[spec.line])
        async with nursery() as tasks:
            line_of = {spec.id: spec.line for spec in scene.twin}
            running = Running(lines, twins, line_of, journal, tasks)
            ticking = tasks.create_task(running.tick(), name="tick")
            try:
                for line in lines.values():
                    await line.server.refresh()
                for item in scene.fault:
                    running.plan(item)
                yield running
            finally:
                ticking.cancel()
                running.stop()
