"""A scene that runs: lines, twins, faults on time, and the journal of what was served."""

from __future__ import annotations

import asyncio
import functools
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

from gateway.model.clock import Clock, SystemClock
from simulators.faults import Fault, FaultError, Flood, Reboot, options_of
from simulators.grounds import Grounds, RunningLine
from simulators.kinds import LINES, TWINS
from simulators.lines.hub import PtyEnd
from simulators.lines.kinds import RunningSerial
from simulators.lines.listening import nursery
from simulators.modbus.twin import ModbusTwin
from simulators.options import SerialTwinOptions, TwinOptions
from simulators.scene import FaultSpec, Scene, misfit
from simulators.truth import TruthJournal
from simulators.twin import InPlay, Twin

TICK_S: Final = 1.0
"""How often the physics of twins that nobody asks runs on, and the journal is flushed."""


class Running:
    """What `run_scene` hands over."""

    def __init__(
        self,
        scene: Scene,
        grounds: Grounds,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Take everything that was built."""
        self.lines: Final[Mapping[str, RunningLine]] = grounds.lines
        self.twins: Final[Mapping[str, Twin]] = {
            twin.id: grounds.twins[twin.id] for twin in scene.twin
        }
        self.truth: Final = grounds.truth
        self._kinds = {twin.id: twin.kind for twin in scene.twin}
        self._line_of = {twin.id: twin.line for twin in scene.twin}
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
            line.babble(self.twins[twin], held)
        if isinstance(fault, Reboot):
            self._tasks.create_task(line.refresh(), name=f"refresh:{twin}")
        return held

    def end(self, twin: str, held: InPlay) -> None:
        """End one fault now; does nothing when it has ended."""
        self.twins[twin].end(held)
        timer = self._ends.pop(held, None)
        if timer is not None:
            timer.cancel()
        if isinstance(held.fault, Reboot):
            self._tasks.create_task(self.line_of(twin).refresh(), name=f"refresh:{twin}")

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
            line.retire()

    def snapshot(self) -> dict[str, object]:
        """Return what is the case now as plain values: seconds, lines, twins, faults."""
        now = self._loop.time()
        return {
            "running_s": round(now - self._since, 3),
            "lines": {
                name: {
                    "medium": line.medium,
                    **asdict(line.address),
                    "site": as_site(line.medium, line.address),
                }
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
        why = misfit(fault, self._kinds[twin], self.line_of(twin).medium)
        if why is not None:
            msg = f"fault {fault.name} of {twin}: {why}"
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


def as_site(medium: str, address: object) -> dict[str, object]:
    """Return what stands of a line in the gateway's site file, without its id.

    Args:
        medium: kind of the line in the scene.
        address: where it is.
    """
    kind = LINES[medium]
    return {"medium": kind.site_medium or kind.name, **kind.site_options(address)}


def _in_order(twins: Sequence[TwinOptions]) -> list[TwinOptions]:
    """Return the twins so that each comes after those it looks at."""
    by_name = {twin.id: twin for twin in twins}
    ordered: dict[str, TwinOptions] = {}

    def add(twin: TwinOptions) -> None:
        for name in twin.looks_at:
            if name not in ordered:
                add(by_name[name])
        ordered.setdefault(twin.id, twin)

    for twin in twins:
        add(twin)
    return list(ordered.values())


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
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="mayak-lines-"))
        grounds = Grounds(journal, Path(folder), stack)
        for line in scene.line:
            grounds.lines[line.id] = LINES[line.medium].lay(line, grounds)
        for twin in _in_order(scene.twin):
            grounds.twins[twin.id] = hung = TWINS[twin.kind].hang(twin, grounds)
            laid = grounds.lines[twin.line]
            if isinstance(twin, SerialTwinOptions) and isinstance(laid, RunningSerial):
                laid.server.tune(hung, twin.parity or laid.hub.parity)
        async with nursery() as tasks:
            running = Running(scene, grounds, tasks)
            ticking = tasks.create_task(running.tick(), name="tick")
            try:
                for laid in grounds.lines.values():
                    await laid.refresh()
                for item in scene.fault:
                    running.plan(item)
                yield running
            finally:
                ticking.cancel()
                running.stop()
