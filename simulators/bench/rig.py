"""A site under test: every part a process, the load of the twins known, the agent watched."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from simulators.bench import usage
from simulators.bench.site_file import GATEWAY, PROFILE, Load, Placed, alone, profile, site
from simulators.programs.children import Child, ChildError, Children, mayak
from simulators.programs.parts import Parts

STEP_S: Final = 0.02
"""How closely the agent is watched where an instant is looked for."""
SETTLED_WITHIN_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Seen:
    """The agent at one instant."""

    at_s: float
    cpu_s: float
    produced: int
    """Values sealed since the agent started."""
    kept: int
    """Values not settled yet."""
    sent: int
    """Payload bytes published."""


@dataclass(frozen=True, slots=True)
class Window:
    """What happened between two looks."""

    begin: Seen
    end: Seen

    @property
    def wall_s(self) -> float:
        """Return how long it was."""
        return self.end.at_s - self.begin.at_s

    @property
    def cpu_s(self) -> float:
        """Return the CPU seconds the agent used."""
        return self.end.cpu_s - self.begin.cpu_s

    @property
    def delivered(self) -> int:
        """Return how many values were settled with the platform."""
        return (self.end.produced - self.end.kept) - (self.begin.produced - self.begin.kept)


class Baseline(NamedTuple):
    """What a raw loop over the same registers takes, nothing sealed, kept or sent."""

    cost: float
    """CPU seconds for 100,000 values."""
    resident_mib: float
    ready_s: float
    """From the start of the process to the first answer."""


@dataclass(slots=True)
class Workshop:
    """Keys, twins and site file: what a single room needs."""

    parts: Parts
    _: KW_ONLY
    link_port: int = 8883
    """Where the agent is to find the broker."""
    lines: dict[str, Any] = field(default_factory=dict)  # Any: JSON values of the ready file
    _twins: Child | None = None

    @property
    def folder(self) -> Path:
        """Return where the run lies."""
        return self.parts.folder

    @property
    def twins(self) -> Child:
        """Return the twins.

        Raises:
            ChildError: they were not started.
        """
        return _there(self._twins, "the twins")

    async def load(self, load: Load, beside: Iterable[str] = ()) -> None:
        """Start the twins of a load scene.

        Args:
            load: how much there is to read.
            beside: further banks, each unit 1 of a TCP line of its own, all of that name.

        Raises:
            ChildError: they do not get ready.
        """
        scene = self.folder / "load.toml"
        text = await self.parts.must(_load_command(load))
        more = "".join(alone(name, load.registers) for name in beside)
        scene.write_text(text + more, encoding="utf-8")
        await self.play(scene, load.registers)

    async def play(self, scene: Path, registers: int) -> None:
        """Start the twins of a scene of banks with so many registers each.

        Raises:
            ChildError: they do not get ready.
        """
        folder = self.folder / "profiles"
        folder.mkdir(exist_ok=True)
        (folder / f"{PROFILE}.toml").write_text(profile(registers), encoding="utf-8")
        self._twins, self.lines = await self.parts.twins(str(scene))

    def write_site(self, placed: list[Placed], period_s: float, options: str = "") -> Path:
        """Write the site file for the twins that run, and return it."""
        file = self.folder / "site.toml"
        text = site(placed, self.lines, self.link_port, period_s=period_s, options=options)
        file.write_text(text, encoding="utf-8")
        return file

    async def baseline(self, program: str, load: Load, for_s: float, *, paced: bool) -> Baseline:
        """Return what a baseline takes for the values of the same twins.

        Raises:
            ChildError: it fails.
        """
        came = await self.worker(
            f"simulators.bench.{program}",
            *(f"--to={line['host']}:{line['port']}" for line in self.lines.values()),
            f"--units={1 if load.separate else load.devices}",
            f"--registers={load.registers + 2}",
            f"--period={load.period_s if paced else 0}",
            f"--for={for_s}",
        )
        cost = per_100k(came["cpu_s"], came["values"])
        return Baseline(cost, came["resident_mib"], came["ready_s"])

    async def worker(self, module: str, *arguments: str) -> dict[str, Any]:  # Any: JSON values
        """Run a program that prints one JSON object to its end.

        Raises:
            ChildError: it fails.
        """
        out = await self.parts.must([sys.executable, "-m", module, *arguments])
        told: dict[str, Any] = json.loads(out.splitlines()[-1])
        return told


@dataclass(slots=True, kw_only=True)
class Rig(Workshop):
    """A whole site: broker, receiver, link, twins, agent."""

    broker_kind: str
    broker: Child
    broker_port: int
    link: Child
    receiver: Child
    _agent: Child | None = None

    @property
    def agent(self) -> Child:
        """Return the agent that was started last.

        Raises:
            ChildError: it was not started.
        """
        return _there(self._agent, "the agent")

    async def start_agent(self, site_file: Path) -> float:
        """Start the agent; return the loop's time just before."""
        begun_s = asyncio.get_running_loop().time()
        self._agent = await self.parts.agent(site_file)
        return begun_s

    async def look(self) -> Seen | None:
        """Look at the agent; None while it does not answer.

        Raises:
            ChildError: it ended.
        """
        self.parts.children.check(self.agent)
        pid = self.agent.process.pid
        cpu_s = usage.cpu_s(pid)
        told = await self.parts.ask({"do": "status"})
        if told is None:
            return None
        return Seen(
            asyncio.get_running_loop().time(),
            cpu_s,
            told["readings"],
            told["kept_values"],
            sum(told["sent_bytes"].values()),
        )

    async def until(
        self, true: Callable[[Seen], bool], what: str, within_s: float = SETTLED_WITHIN_S
    ) -> Seen:
        """Look again and again until something is the case, and return that look.

        Raises:
            ChildError: it is not within the time, or the agent ended.
        """
        try:
            async with asyncio.timeout(within_s):
                while True:
                    seen = await self.look()
                    if seen is not None and true(seen):
                        return seen
                    await asyncio.sleep(STEP_S)
        except TimeoutError as error:
            msg = f"not within {within_s:.0f} s: {what}\n{self.agent.last_words()}"
            raise ChildError(msg) from error

    async def now(self) -> Seen:
        """Look at the agent; one that is starting is waited for.

        Raises:
            ChildError: it ended or does not answer.
        """
        return await self.until(lambda _: True, "an answer of the agent")

    async def window(self, for_s: float) -> Window:
        """Let the site run and return what happened meanwhile.

        Raises:
            ChildError: the agent ended or does not answer.
        """
        begin = await self.now()
        await asyncio.sleep(for_s)
        return Window(begin, await self.now())

    async def link_bytes(self) -> int:
        """Return the bytes that the link has passed, both ways, as of its next line.

        Raises:
            ChildError: it says nothing any more.
        """
        log = self.folder / "proxy.log"
        before = log.stat().st_size
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while log.stat().st_size == before:
                self.parts.children.check(self.link)
                await asyncio.sleep(STEP_S)
        told = self.parts.last_told("proxy")
        return int(told["bytes_up"]) + int(told["bytes_down"])

    async def stop_agent(self) -> None:
        """End the agent.

        Raises:
            ChildError: it did not end well.
        """
        code = await self.agent.stop()
        if code:
            msg = f"the agent ended with {code}:\n{self.agent.last_words()}"
            raise ChildError(msg)


def _there(child: Child | None, what: str) -> Child:
    if child is None:
        msg = f"{what}: not started"
        raise ChildError(msg)
    return child


def _load_command(load: Load) -> list[str]:
    separate = ["--separate"] if load.separate else []
    return mayak(
        "sim", "load", f"--devices={load.devices}", f"--registers={load.registers}", *separate
    )


def per_100k(cost: float, values: float) -> float:
    """Return a cost for each 100,000 values; none at all for no values is no answer.

    Raises:
        ChildError: there were no values.
    """
    if values <= 0:
        msg = "no value arrived, so nothing can be said of the cost of one"
        raise ChildError(msg)
    return cost / values * 100_000


@asynccontextmanager
async def workshop(folder: Path) -> AsyncIterator[Workshop]:
    """Make keys in a folder; end every process of it at the end.

    Raises:
        ChildError: they cannot be made.
    """
    parts = Parts(Children(folder), GATEWAY)
    try:
        await parts.new_keys()
        yield Workshop(parts)
    finally:
        await parts.children.stop_all()


@asynccontextmanager
async def rig(folder: Path, broker: str) -> AsyncIterator[Rig]:
    """Start keys, broker, receiver and link in a folder; end everything at the end.

    Raises:
        ChildError: a part does not start.
    """
    async with workshop(folder) as shop:
        parts = shop.parts
        child, port, kind = await parts.broker(broker)
        receiver = await parts.platform(port)
        link, link_port = await parts.proxy(port)
        yield Rig(
            parts,
            link_port=link_port,
            broker_kind=kind,
            broker=child,
            broker_port=port,
            link=link,
            receiver=receiver,
        )
