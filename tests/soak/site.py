"""One site under blows: every part a process, killed and started again, judged at the end."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from gateway.model.clock import Clock
from simulators.bench.site_file import GATEWAY, Load, profile, site
from simulators.programs.children import Child, ChildError, Children, mayak, output_of
from simulators.programs.parts import Parts
from simulators.programs.told import told_events
from tests.soak import sound
from tests.soak.events import compare, said
from tests.soak.judging import Verdict, judge
from tests.soak.plan import BANKS, FAULTY_S, Blow, Role, Setup, blows

LOAD: Final = Load(devices=BANKS, registers=6, period_s=0.25)
OPTIONS: Final = "response_timeout_s = 3.0"
"""On a machine that is busy with starting programs, a late answer is an answer."""
BROKEN: Final = {"fault": "exception", "code": 4}
"""An answer that says the device is broken (Application Protocol V1.1b3, chapter 7)."""
QUIET_S: Final = 1.0
"""What is read after the last blow, and forgiven nothing."""
ON_THE_CARD_S: Final = 1.5
"""After the last answer of a twin: from here on a kill is forgiven nothing."""
DRAINED_WITHIN_S: Final = 60.0
STEP_S: Final = 0.05
SHARE: Final = "soak"

Tell = Callable[[], None]
"""Called after each blow."""


@dataclass(slots=True)
class Mortal:
    """A part that may be killed; it has no child while it is down."""

    role: Role
    start: Callable[[], Awaitable[Child]]
    child: Child | None = None


@dataclass(slots=True)
class SoakSite:
    """One site in one folder."""

    folder: Path
    setup: Setup
    seed: str
    clock: Clock
    told: Tell = lambda: None
    server: str = ""
    """Connection string of an empty database; empty: the receivers keep a file."""
    pace: float = 1.0
    """How long pauses between blows are, as a share of the usual."""
    kills: Counter[str] = field(default_factory=Counter)
    link_faults: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    checks: int = 0
    parts: Parts = field(init=False)
    agent_kills_ms: list[int] = field(default_factory=list)
    _mortals: dict[str, Mortal] = field(default_factory=dict)
    _port: int = 0

    def __post_init__(self) -> None:
        """Make the folder's parts known; nothing is started yet."""
        self.parts = Parts(Children(self.folder), GATEWAY, self.server)

    async def run(self, kills: int, until_s: float) -> Verdict:
        """Start the site, strike it, let it drain, and judge it.

        Args:
            kills: after so many SIGKILLs it is enough; the last of all come on top.
            until_s: monotonic time after which no blow falls.
        """
        try:
            return await self._run(kills, until_s)
        except* ChildError as group:
            self.findings += [str(error) for error in _leaves(group)]
        finally:
            await self.parts.children.stop_all()
        return Verdict(
            kills=self.kills,
            link_faults=self.link_faults,
            checks=self.checks,
            findings=tuple(f"{self.folder.name}: {finding}" for finding in self.findings),
        )

    async def _run(self, kills: int, until_s: float) -> Verdict:
        twins, link = await self._begin()
        with (self.folder / "blows.jsonl").open("w", encoding="utf-8") as journal:
            async with asyncio.TaskGroup() as tasks:
                for blow in blows(self.seed, self.setup, self.pace):
                    await asyncio.sleep(blow.after_s)
                    if self.kills.total() >= kills or self.clock.monotonic_s() >= until_s:
                        break
                    self._check(twins, link)
                    at_ms = self.clock.now().wall_ms
                    struck = self._strike(blow, tasks)
                    if blow.link is not None:
                        link.tell(blow.link)
                        self.link_faults[blow.link["mode"]] += 1
                    if blow.device is not None:
                        twin = LOAD.placed[blow.device].name
                        twins.tell({"twin": twin, **BROKEN, "for_s": FAULTY_S})
                    told = {"wall_ms": at_ms, "struck": struck, **blow.as_json()}
                    journal.write(json.dumps(told) + "\n")
                    self.told()
        link.tell({"mode": "pass"})
        return await self._end(twins)

    async def _begin(self) -> tuple[Child, Child]:
        """Start every part; return twins and link, which live to the end."""
        parts = self.parts
        await parts.new_keys()
        scene = self.folder / "load.toml"
        command = mayak("sim", "load", f"--devices={LOAD.devices}", f"--registers={LOAD.registers}")
        scene.write_text(await parts.must(command), encoding="utf-8")
        profiles = self.folder / "profiles"
        profiles.mkdir()
        (profiles / "bench-bank.toml").write_text(profile(LOAD.registers), encoding="utf-8")
        twins, lines = await parts.twins(str(scene))
        _, self._port, _ = await parts.broker(self.setup.broker, persistent=self.setup.persistent)
        broker = parts.children.all[-1]
        link, link_port = await parts.proxy(self._port)
        site_file = self.folder / "site.toml"
        text = site(LOAD.placed, lines, link_port, period_s=LOAD.period_s, options=OPTIONS)
        site_file.write_text(text, encoding="utf-8")
        for name, role in self.setup.parts.items():
            self._mortals[name] = Mortal(role, self._starter(name, role, site_file))
        self._mortals["broker"].child = broker
        for name, mortal in self._mortals.items():
            if mortal.role is Role.RECEIVER:
                mortal.child = await mortal.start()
                await parts.children.ready(mortal.child, self.folder / f"{name}.ready")
        agent = self._mortals["agent"].child = await self._mortals["agent"].start()
        await self._reads(agent)
        return twins, link

    def _starter(self, name: str, role: Role, site_file: Path) -> Callable[[], Awaitable[Child]]:
        parts, setup = self.parts, self.setup

        async def broker() -> Child:
            child, _, _ = await parts.broker(setup.broker, self._port, persistent=setup.persistent)
            return child

        async def receiver() -> Child:
            share = SHARE if setup.receivers > 1 else None
            child, _ = await parts.launch_platform(self._port, name=name, share=share)
            return child

        async def agent() -> Child:
            return await parts.agent(site_file)

        return {Role.AGENT: agent, Role.BROKER: broker, Role.RECEIVER: receiver}[role]

    def _check(self, *others: Child) -> None:
        """Raise when a part ended that nobody killed.

        Raises:
            ChildError: one did.
        """
        for child in (*others, *(mortal.child for mortal in self._mortals.values())):
            if child is not None:
                self.parts.children.check(child)

    def _strike(self, blow: Blow, tasks: asyncio.TaskGroup) -> list[str]:
        """Kill what the blow names and is not down already; return what that was."""
        struck = []
        for kill in blow.kills:
            mortal = self._mortals[kill.part]
            if mortal.child is not None:
                dead = self._kill(mortal)
                tasks.create_task(self._raise_again(mortal, dead, kill.down_s, tasks))
                struck.append(kill.part)
        return struck

    def _kill(self, mortal: Mortal) -> Child:
        child, mortal.child = mortal.child, None
        if child is None:
            msg = f"{mortal.role} is down already"
            raise ChildError(msg)
        if mortal.role is Role.AGENT:
            self.agent_kills_ms.append(self.clock.now().wall_ms)
        child.process.kill()
        self.kills[mortal.role.value] += 1
        return child

    async def _raise_again(
        self, mortal: Mortal, dead: Child, down_s: float, tasks: asyncio.TaskGroup
    ) -> None:
        await dead.process.wait()
        if mortal.role is Role.AGENT:
            # What the kill left is looked at in a copy: the next life finds it untouched.
            copy = await asyncio.to_thread(sound.copy_store, self._store, self._copies)
            tasks.create_task(self._look(sound.store_faults, copy))
        elif mortal.role is Role.RECEIVER and isinstance(self.parts.database, Path):
            tasks.create_task(self._look(sound.database_faults, self.parts.database))
        await asyncio.sleep(down_s)
        mortal.child = await mortal.start()

    @property
    def _store(self) -> Path:
        return self.folder / "var" / "store.db"

    @property
    def _copies(self) -> Path:
        return self.folder / f"after-kill-{self.kills[Role.AGENT.value]}"

    async def _look(self, through: Callable[[Path], list[str]], file: Path) -> None:
        self.findings += await asyncio.to_thread(through, file)
        self.checks += 1

    async def _end(self, twins: Child) -> Verdict:
        """Stop reading, kill everything once more, and see what the platform has in the end."""
        await self._rest()
        if await twins.stop():
            self.findings.append(f"the twins did not end well:\n{twins.last_words()}")
        await asyncio.sleep(ON_THE_CARD_S)
        async with asyncio.TaskGroup() as tasks:
            dead = {name: self._kill(mortal) for name, mortal in self._mortals.items()}
            for name, mortal in self._mortals.items():
                if mortal.role is not Role.AGENT:  # it finds the others at work
                    await self._raise_again(mortal, dead[name], 0.0, tasks)
                if mortal.role is Role.RECEIVER and mortal.child is not None:
                    ready = self.folder / f"{name}.ready"
                    await self.parts.children.ready(mortal.child, ready)
            await self._raise_again(self._mortals["agent"], dead["agent"], 0.0, tasks)
        self.told()
        agent = self._mortals["agent"].child
        assert agent is not None  # just started
        if not await self._says(agent, _settled):
            self.findings.append(f"not settled in {DRAINED_WITHIN_S:.0f} s")
        if code := await agent.stop():
            self.findings.append(f"the agent ended with {code}:\n{agent.last_words()}")
        for mortal in self._mortals.values():
            if mortal.role is Role.RECEIVER and mortal.child is not None:
                await mortal.child.stop()
        await self._look_through_what_is_left()
        ledger = await self.parts.ledger(self.agent_kills_ms)
        (self.folder / "ledger.json").write_text(json.dumps(ledger), encoding="utf-8")
        log = (self.folder / "agent.log").read_text(encoding="utf-8", errors="replace")
        told = await asyncio.to_thread(told_events, self.parts.database)
        verdict = judge(
            ledger,
            events=compare(said(log.splitlines()), told, self.agent_kills_ms),
            kills=self.kills,
            link_faults=self.link_faults,
            checks=self.checks,
            findings=self.findings,
        )
        named = tuple(f"{self.folder.name}: {finding}" for finding in verdict.findings)
        return replace(verdict, findings=named)

    async def _look_through_what_is_left(self) -> None:
        code, out, err = await output_of(
            mayak("store", "verify", str(self.folder / "site.toml"), "--json")
        )
        if code:
            self.findings.append(f"mayak store verify: {out}{err}")
        if isinstance(self.parts.database, Path):
            await self._look(sound.database_faults, self.parts.database)
        aside = sorted(file.name for file in self._store.parent.glob("*.damaged-*"))
        if aside:
            self.findings.append(f"set aside as damaged: {', '.join(aside)}")
        self.findings += sound.log_faults(self.folder)

    async def _rest(self) -> None:
        """Let the site read undisturbed for a moment."""
        agent = self._mortals["agent"].child
        assert agent is not None  # nothing is struck any more, and all that was is up again
        await self._reads(agent)
        await asyncio.sleep(QUIET_S)

    async def _reads(self, agent: Child) -> None:
        """Wait until the agent has put readings on its card.

        Raises:
            ChildError: it ended, or reads nothing.
        """
        if not await self._says(agent, lambda told: told["readings"] > 0):
            msg = f"nothing is read:\n{agent.last_words()}"
            raise ChildError(msg)

    async def _says(self, agent: Child, true: Callable[[dict[str, int]], bool]) -> bool:
        """Wait until the agent says so; return whether it did within DRAINED_WITHIN_S.

        Raises:
            ChildError: it ended.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAINED_WITHIN_S):
                while True:
                    self.parts.children.check(agent)
                    told = await self.parts.ask({"do": "status"})
                    if told is not None and true(told):
                        return True
                    await asyncio.sleep(STEP_S)
        return False


def _settled(told: dict[str, int]) -> bool:
    return told["kept_values"] == 0 and told["waiting"] == 0


def _leaves(group: BaseExceptionGroup[ChildError]) -> list[ChildError]:
    found: list[ChildError] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
