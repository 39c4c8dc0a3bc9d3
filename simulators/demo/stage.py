"""The run of a demo: starts every part, plays outage and kill, asks for the account."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.model.clock import Clock
from simulators.demo.show import Scoreboard
from simulators.demo.sites import GATEWAY, part_of, scene_of, site_of, write_files
from simulators.demo.verdict import Verdict, judge
from simulators.demo.wordings import Lang, say
from simulators.programs.children import Child, ChildError, Children
from simulators.programs.parts import Parts

TICK_S: Final = 0.5
DRAIN_WITHIN_S: Final = 30.0
OUTAGE_STARTS_AT: Final = 1 / 3
"""Of the run."""
KILL_AT: Final = 1 / 2
"""Of the outage, or of the run when there is none."""


def _is_counted(device: Mapping[str, Any]) -> bool:  # Any: what TOML holds
    """Say whether a device tells the number of its answers."""
    return str(device["driver"]).startswith("modbus")


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
        plan, parts = self.plan, Parts(children, GATEWAY)
        self._step("keys")
        await parts.new_keys()
        self._step("broker")
        _, broker_port, broker = await parts.broker(plan.broker)
        self._step("platform")
        await parts.platform(broker_port)
        proxy, proxy_port = await parts.proxy(broker_port)
        self._step("twins")
        twins, lines = await parts.twins(scene_of(plan.kind, self.folder))
        site = self.folder / "site.toml"
        where = {name: line["site"] for name, line in lines.items()}
        site.write_text(site_of(plan.kind, where, proxy_port), encoding="utf-8")
        write_files(plan.kind, self.folder)
        self._step("agent")
        board = Scoreboard(plan.kind, broker, part_of(plan.kind).shown)
        agent = await parts.agent(site)
        for twin, fault in plan.faults:
            twins.tell(
                {"twin": twin, "fault": fault, "at_s": plan.for_s / 4, "for_s": plan.for_s / 4}
            )
        agent = await self._watch(parts, board, proxy, agent, site)
        await twins.stop()
        await self._drain(parts, board)
        code = await agent.stop()
        if code:
            msg = f"the gateway ended with {code}:\n{agent.last_words()}"
            raise ChildError(msg)
        per_reading = board.bytes_per_reading or 0.0
        ledger = await parts.ledger(self._kills_ms, self._truth_asked_for(parts))
        return judge(ledger, per_reading, len(self._kills_ms), plan.outage_s, board.mute)

    def _truth_asked_for(self, parts: Parts) -> Path:
        """Return the journal of the twins whose number the site reads: those by register map."""
        asked = {each["id"] for each in part_of(self.plan.kind).devices if _is_counted(each)}
        file = self.folder / "truth-asked.jsonl"
        lines = parts.truth.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = (line for line in lines if json.loads(line)["twin"] in asked)
        file.write_text("".join(kept), encoding="utf-8")
        return file

    async def _watch(
        self, parts: Parts, board: Scoreboard, proxy: Child, agent: Child, site: Path
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
                await self._note(parts, board)
                self._kills_ms.append(self.clock.now().wall_ms)
                await agent.stop(signal.SIGKILL)
                agent = await parts.agent(site)
            for child in parts.children.all:
                if child.name != "agent" or child is agent:
                    parts.children.check(child)
            board.left_s = max(0.0, begun_s + plan.for_s - now_s)
            board.faults = self._faults_in_play(parts)
            await self._note(parts, board)
            await asyncio.sleep(TICK_S)
        proxy.tell({"mode": "pass"})
        return agent

    async def _drain(self, parts: Parts, board: Scoreboard) -> None:
        """Wait until the platform has acknowledged all that was read, but not for ever."""
        board.link = say(self.lang, "draining")
        deadline_s = self.clock.monotonic_s() + DRAIN_WITHIN_S
        while self.clock.monotonic_s() < deadline_s:
            await self._note(parts, board, values=False)
            if board.agent.get("kept_values") == 0 and board.agent.get("waiting") == 0:
                return
            await asyncio.sleep(TICK_S)

    async def _note(self, parts: Parts, board: Scoreboard, *, values: bool = True) -> None:
        """Ask the gateway how it is, and show it; without values once the twins are gone."""
        status = await parts.ask({"do": "status"})
        if status is not None:
            board.note_status(status, self.clock.monotonic_s())
        latest = await parts.ask({"do": "values"}) if values else None
        if latest is not None:
            board.values = latest["values"]
        self.show(board)

    def _faults_in_play(self, parts: Parts) -> list[str]:
        """Return what the twins said last of their faults: `light-1: silent`."""
        twins = parts.last_told("twins").get("twins", {})
        return [
            f"{name}: {fault['fault']}" for name, twin in twins.items() for fault in twin["faults"]
        ]

    def _step(self, key: str) -> None:
        self.say_step(say(self.lang, "starting", what=say(self.lang, key)))
