"""The run of a demo: starts every part, plays outage and kill, asks for the account."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.model.clock import Clock
from gateway.model.files import durable_write
from simulators.demo.broker import start_broker
from simulators.demo.children import Child, ChildError, Children, mayak, output_of
from simulators.demo.show import Scoreboard
from simulators.demo.site_file import CONSUMER, GATEWAY, KINDS
from simulators.demo.verdict import Verdict, judge
from simulators.demo.wordings import Lang, say

TICK_S: Final = 0.5
DRAIN_WITHIN_S: Final = 30.0
OUTAGE_STARTS_AT: Final = 1 / 3
"""Of the run."""
KILL_AT: Final = 1 / 2
"""Of the outage, or of the run when there is none."""
FORGIVEN_BEFORE_MS: Final = 1_250
"""The second before a kill in which plain readings may be lost, and the commit that was under way.
The second before a kill in which plain readings may be lost, and the commit that was under way."""
FORGIVEN_AFTER_MS: Final = 250
"""An answer that was on the wire when the agent died."""
ASK_WITHIN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be played."""

    kind: str
    for_s: float
    outage_s: float
    kill: bool
    broker: str
    faults: tuple[tuple[str, str], ...] = ()
    """Twin and fault; each begins after a quarter of the run and lasts a quarter."""


@dataclass(slots=True)
class Stage:
    """One run in one folder."""

    plan: Plan
    folder: Path
    lang: Lang
    clock: Clock
    show: Callable[[Scoreboard], None]
    """Called twice a second with the state of things."""
    say_step: Callable[[str], None]
    """Called with what is being started."""
    _kills_ms: list[int] = field(default_factory=list)

    async def play(self) -> Verdict:
        """Run it all and return the verdict.

        Raises:
            ChildError: a part did not start, or ended by itself.
        """
        children = Children(self.folder)
        try:
            return await self._play(children)
        finally:
            await children.stop_all()

    async def _play(self, children: Children) -> Verdict:
        plan, keys = self.plan, self.folder / "keys"
        self._step("keys")
        await self._must(
            mayak("ca", "new", str(keys), "--gateway", GATEWAY, "--consumer", CONSUMER,
                  "--host", "localhost", "--host", "127.0.0.1")
        )  # fmt: skip
        self._step("broker")
        _, broker_port, broker = await start_broker(children, keys, plan.broker)
        self._step("platform")
        await self._start_platform(children, keys, broker_port)
        proxy, proxy_port = await self._start_proxy(children, broker_port)
        self._step("twins")
        twins, lines = await self._start_twins(children)
        site = self.folder / "site.toml"
        site.write_text(KINDS[plan.kind](lines, proxy_port), encoding="utf-8")
        self._step("agent")
        board = Scoreboard(plan.kind, broker)
        agent = await self._start_agent(children, site)
        for twin, fault in plan.faults:
            twins.tell(
                {"twin": twin, "fault": fault, "at_s": plan.for_s / 4, "for_s": plan.for_s / 4}
            )
        agent = await self._watch(children, board, proxy, agent, site)
        await twins.stop()
        await self._drain(board)
        code = await agent.stop()
        if code:
            msg = f"the gateway ended with {code}:\n{agent.last_words()}"
            raise ChildError(msg)
        per_reading = board.bytes_per_reading or 0.0
        ledger = await self._ledger()
        return judge(ledger, per_reading, len(self._kills_ms), plan.outage_s)

    async def _start_platform(self, children: Children, keys: Path, port: int) -> None:
        ready = self.folder / "platform.ready"
        child = await children.start(
            "platform",
            mayak(
                "platform", "run", "--db", str(self.folder / "platform.db"),
                "--broker", f"localhost:{port}", "--tls-ca", str(keys / "ca.pem"),
                "--tls-cert", str(keys / f"platform-{CONSUMER}.pem"),
                "--tls-key", str(keys / f"platform-{CONSUMER}.key"),
                "--hpke-key", str(keys / f"{CONSUMER}-hpke.key"),
                "--sign-key", str(keys / f"{CONSUMER}-sign.key"),
                "--city-ca", str(keys / "ca.pem"), "--consumer", CONSUMER,
                "--ready", str(ready),
            ),
        )  # fmt: skip
        await children.ready(child, ready)

    async def _start_proxy(self, children: Children, port: int) -> tuple[Child, int]:
        ready = self.folder / "proxy.ready"
        command = mayak(
            "sim", "proxy", "--listen", "127.0.0.1:0", "--to", f"127.0.0.1:{port}",
            "--ready", str(ready),
        )  # fmt: skip
        child = await children.start("proxy", command)
        told = await children.ready(child, ready)
        return child, int(told["port"])

    async def _start_twins(self, children: Children) -> tuple[Child, dict[str, Any]]:
        ready = self.folder / "twins.ready"
        command = mayak(
            "sim", "run", self.plan.kind, "--ready", str(ready),
            "--truth", str(self.folder / "truth.jsonl"), "--json",
        )  # fmt: skip
        child = await children.start("twins", command)
        told = await children.ready(child, ready)
        return child, told["lines"]

    async def _start_agent(self, children: Children, site: Path) -> Child:
        return await children.start("agent", mayak("run", str(site)))

    async def _watch(
        self, children: Children, board: Scoreboard, proxy: Child, agent: Child, site: Path
    ) -> Child:
        """Play the time, the outage and the kill; return the agent that runs at the end."""
        plan = self.plan
        begun_s = self.clock.monotonic_s()
        cut_s = begun_s + plan.for_s * OUTAGE_STARTS_AT
        back_s = cut_s + plan.outage_s
        kill_s = (
            cut_s + plan.outage_s * KILL_AT if plan.outage_s else begun_s + plan.for_s * KILL_AT
        )
        cut = killed = False
        while (now_s := self.clock.monotonic_s()) < max(begun_s + plan.for_s, back_s):
            if cut is not (cut_s <= now_s < back_s):
                cut = not cut
                proxy.tell({"mode": "cut" if cut else "pass"})
            board.link = (
                say(self.lang, "link-cut", for_s=round(now_s - cut_s))
                if cut
                else say(self.lang, "link-up")
            )
            if plan.kill and not killed and now_s >= kill_s:
                killed = True
                board.notes = [*board.notes, say(self.lang, "killed")]
                await self._note(board)
                self._kills_ms.append(self.clock.now().wall_ms)
                await agent.stop(signal.SIGKILL)
                agent = await self._start_agent(children, site)
            for child in children.all:
                if child.name != "agent" or child is agent:
                    children.check(child)
            board.left_s = max(0.0, begun_s + plan.for_s - now_s)
            board.faults = self._faults_in_play()
            await self._note(board)
            await asyncio.sleep(TICK_S)
        proxy.tell({"mode": "pass"})
        return agent

    async def _drain(self, board: Scoreboard) -> None:
        """Wait until the platform has acknowledged all that was read, but not for ever."""
        board.link = say(self.lang, "draining")
        deadline_s = self.clock.monotonic_s() + DRAIN_WITHIN_S
        while self.clock.monotonic_s() < deadline_s:
            await self._note(board, values=False)
            if board.agent.get("kept_values") == 0 and board.agent.get("waiting") == 0:
                return
            await asyncio.sleep(TICK_S)

    async def _note(self, board: Scoreboard, *, values: bool = True) -> None:
        """Ask the gateway how it is, and show it; without values once the twins are gone."""
        status = await self._ask({"do": "status"})
        if status is not None:
            board.note_status(status, self.clock.monotonic_s())
        latest = await self._ask({"do": "values"}) if values else None
        if latest is not None:
            board.values = latest["values"]
        self.show(board)

    def _faults_in_play(self) -> list[str]:
        """Return what the twins said last of their faults: `light-1: silent`."""
        lines = (self.folder / "twins.log").read_text(encoding="utf-8").splitlines()
        told = next((line for line in reversed(lines) if line.startswith("{")), "{}")
        twins = json.loads(told).get("twins", {})
        return [
            f"{name}: {fault['fault']}" for name, twin in twins.items() for fault in twin["faults"]
        ]

    async def _ask(self, request: dict[str, str]) -> dict[str, Any] | None:  # Any: JSON values
        """Ask the agent at its door; None while it is starting."""
        door = self.folder / "var" / "store.db.sock"
        try:
            async with asyncio.timeout(ASK_WITHIN_S):
                reader, writer = await asyncio.open_unix_connection(door, limit=2**22)
                writer.write(json.dumps(request).encode() + b"\n")
                answer: dict[str, Any] = json.loads(await reader.readline())
                writer.close()
        except (OSError, ValueError, TimeoutError):
            return None
        return answer

    async def _ledger(self) -> dict[str, Any]:  # Any: JSON values
        forgiven = [
            {"from_ms": at - FORGIVEN_BEFORE_MS, "to_ms": at + FORGIVEN_AFTER_MS}
            for at in self._kills_ms
        ]
        file = self.folder / "forgiven.jsonl"
        durable_write(file, "".join(json.dumps(each) + "\n" for each in forgiven).encode())
        _, out, err = await output_of(
            mayak(
                "platform", "ledger", "--db", str(self.folder / "platform.db"), "--json",
                "--truth", str(self.folder / "truth.jsonl"), "--forgive", str(file),
            )
        )  # fmt: skip
        try:
            ledger: dict[str, Any] = json.loads(out)
        except ValueError as error:
            msg = f"the platform's ledger said no account:\n{err}"
            raise ChildError(msg) from error
        return ledger

    async def _must(self, command: list[str]) -> None:
        code, out, err = await output_of(command)
        if code:
            msg = f"{' '.join(command[3:5])} ended with {code}:\n{out}{err}"
            raise ChildError(msg)

    def _step(self, key: str) -> None:
        self.say_step(say(self.lang, "starting", what=say(self.lang, key)))
