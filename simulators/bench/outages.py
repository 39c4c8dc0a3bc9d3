"""The link goes, in four ways; then every number that the twins served is looked up.

Meanwhile a *bell* rings: a line of its own is cut, which the agent tells as an alarm (`line-lost`).
When that alarm arrived is read from the platform's ledger.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from gateway.model.clock import SystemClock
from gateway.model.files import durable_write
from simulators.bench import usage
from simulators.bench.figures import Sheet, at_least, at_most
from simulators.bench.form import Form
from simulators.bench.rig import Rig, Seen, rig
from simulators.bench.site_file import Load, Placed
from simulators.lines.proxy import Cut, LinkProxy, link_proxy
from simulators.programs.told import told_events
from simulators.truth import Served, read_truth

LIVE_SECONDS: Final = 1.5
"""So many seconds of readings are under way when nothing waits."""
BACK_WITHIN_S: Final = 300.0
KILLS: Final = 3
BETWEEN_S: Final = 2.0
DELIVERED: Final = at_least(97)
ALARM: Final = at_most(2)
RING_AT: Final = 0.5
"""Of an outage."""
ALARM_KEY: Final = "line-lost"


@dataclass(slots=True)
class Outage:
    """One that was played."""

    name: str
    begin_ms: int
    bell: str
    end_ms: int = 0
    """The link is usable again."""
    back_s: float = 0.0
    """From then until nothing waited any more."""
    over_ms: int = 0


@dataclass(slots=True)
class Play:
    """Outages on one site, one after the other."""

    site: Rig
    load: Load
    bells: dict[str, LinkProxy]
    """Lines that may be cut, one for each outage: a line that is lost again soon is not told."""
    clock: SystemClock = field(default_factory=SystemClock)
    played: list[Outage] = field(default_factory=list)
    kills_ms: list[int] = field(default_factory=list)

    async def stop(self, for_s: float) -> None:
        """End the broker, and start it again on the same port."""
        await self.site.broker.stop()
        await asyncio.sleep(for_s)
        kind, port = self.site.broker_kind, self.site.broker_port
        self.site.broker, *_ = await self.site.parts.broker(kind, port)

    async def cut(self, for_s: float) -> None:
        """Reset the connection and refuse new ones."""
        await self._link("cut", for_s)

    async def black_hole(self, for_s: float) -> None:
        """Let nothing pass and nothing end."""
        await self._link("black_hole", for_s)

    async def kills(self, for_s: float) -> None:
        """Cut the link and kill the agent three times meanwhile."""
        site = self.site
        site.link.tell({"mode": "cut"})
        for _ in range(KILLS):
            await asyncio.sleep(for_s / (KILLS + 1))
            self.kills_ms.append(self.clock.now().wall_ms)
            await site.agent.stop(signal.SIGKILL)
            await site.start_agent(site.folder / "site.toml")
        await asyncio.sleep(for_s / (KILLS + 1))
        site.link.tell({"mode": "pass"})

    async def _link(self, mode: str, for_s: float) -> None:
        self.site.link.tell({"mode": mode})
        await asyncio.sleep(for_s)
        self.site.link.tell({"mode": "pass"})

    async def go(self, name: str, way: Callable[[float], Awaitable[None]], for_s: float) -> None:
        """Play one outage and wait until nothing waits any more.

        Raises:
            ChildError: it does not come to an end.
        """
        await asyncio.sleep(BETWEEN_S)
        bell = list(self.bells)[len(self.played)]
        outage = Outage(name, self.clock.now().wall_ms, bell)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ring(bell, for_s * RING_AT), name="bell")
            await way(for_s)
        outage.end_ms = self.clock.now().wall_ms
        back_s = asyncio.get_running_loop().time()
        caught_up = await self.site.until(self.caught_up, f"all of {name}", BACK_WITHIN_S)
        outage.back_s = caught_up.at_s - back_s
        outage.over_ms = self.clock.now().wall_ms
        self.played.append(outage)

    async def _ring(self, bell: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self.bells[bell].set_mode(Cut())

    def caught_up(self, seen: Seen) -> bool:
        """Say whether nothing waits but what is just under way."""
        return seen.produced > 0 and seen.kept <= LIVE_SECONDS * self.load.values * (
            1 + len(self.bells) / self.load.devices
        )

    async def card(self, sheet: Sheet, name: str, for_s: float) -> None:
        """Count what is written to the card for a reading meanwhile."""
        site = self.site
        begin, before = await site.now(), usage.written_bytes(site.agent.process.pid)
        await asyncio.sleep(for_s)
        end, after = await site.now(), usage.written_bytes(site.agent.process.pid)
        share = (after - before) / max(1, end.produced - begin.produced)
        sheet.add(f"written to the card a reading, {name}", share, "B", note="write_bytes")


async def outages(form: Form) -> Sheet:
    """Stop, cut, black hole, and a cut with three SIGKILLs."""
    sheet = Sheet("outages")
    load = Load(20, 50)
    lengths = [2.0] if form.quick else [10.0 * form.work]
    if form.long:
        lengths.append(60.0)
    names = [f"bell-{number}" for number in range(1, 3 * len(lengths) + 2)]
    async with rig(form.folder, form.broker) as site, AsyncExitStack() as links:
        await site.load(load, beside=names)
        bells = {}
        for name in names:
            at = site.lines[name]
            link = await links.enter_async_context(link_proxy((at["host"], at["port"])))
            bells[name], at["port"] = link, link.port
        placed = [*load.placed, *(Placed(name, name, 1) for name in names)]
        await site.start_agent(site.write_site(placed, load.period_s))
        await site.until(lambda seen: seen.produced > seen.kept, "a first acknowledgement")
        play = Play(site, load, bells)
        await play.card(sheet, "link up", form.choose(1, 10))
        site.link.tell({"mode": "cut"})
        await play.card(sheet, "link away", form.choose(1, 10))
        site.link.tell({"mode": "pass"})
        await site.until(play.caught_up, "all of a first cut", BACK_WITHIN_S)
        for for_s, how in zip(lengths, ("", ", a minute"), strict=False):
            await play.go(f"broker stopped{how}", play.stop, for_s)
            await play.go(f"link cut{how}", play.cut, for_s)
            await play.go(f"black hole{how}", play.black_hole, for_s)
        await play.go(f"cut with {KILLS} SIGKILLs", play.kills, form.choose(4, 24))
        await site.twins.stop()
        await site.until(lambda seen: seen.kept == 0, "the rest", BACK_WITHIN_S)
        await site.stop_agent()
        served = read_truth(site.parts.truth)
        for outage in play.played:
            await _judge(sheet, site, play, outage, served)
        total = (await site.parts.ledger(play.kills_ms))["total"]
    note = "by the gateway's own sequences, over the whole run"
    sheet.add("readings lost", total["lost"], "", at_most(0), note)
    sheet.add("readings doubled", total["duplicated"], "", at_most(0), note)
    return sheet


async def _judge(
    sheet: Sheet, site: Rig, play: Play, outage: Outage, served: Sequence[Served]
) -> None:
    """Look up what was served from the beginning of an outage until all was told."""
    whole = await _look_up(site, play, served, outage.begin_ms, outage.over_ms)
    within = await _look_up(site, play, served, outage.begin_ms, outage.end_ms)
    lasted_s = (outage.end_ms - outage.begin_ms) / 1000
    note = (
        f"{lasted_s:.0f} s, {whole['served']} answers;"
        f" forgiven within 1 s of a kill: {whole['forgiven']}"
    )
    sheet.add(f"{outage.name}: lost", len(whole["missing"]), "", at_most(0), note)
    sheet.add(f"{outage.name}: doubled", len(whole["doubled"]), "", at_most(0))
    share = 100 * within["stored"] / within["served"] if within["served"] else 0.0
    note = (
        f"of what the devices answered meanwhile, forgiven counted as missing;"
        f" all told {outage.back_s:.1f} s after the link was back"
    )
    sheet.add(f"{outage.name}: delivered", share, "%", DELIVERED, note)
    if any(outage.begin_ms <= at < outage.end_ms for at in play.kills_ms):
        asked = lasted_s * play.load.devices / play.load.period_s
        note = "of what would have been asked without kills: each start takes its time"
        sheet.add(f"{outage.name}: of all time", 100 * within["stored"] / asked, "%", note=note)
    await _judge_alarm(sheet, site, outage)


async def _judge_alarm(sheet: Sheet, site: Rig, outage: Outage) -> None:
    events = await asyncio.to_thread(told_events, site.parts.database)
    late_ms = [
        event.arrived_ms - max(outage.end_ms, event.wall_ms)
        for event in events
        if event.key == ALARM_KEY
        and event.args.get("line") == outage.bell
        and event.wall_ms >= outage.begin_ms
    ]
    if not late_ms:
        sheet.add(f"{outage.name}: alarms that never came", 1, "", at_most(0))
        return
    late_s = max(0, late_ms[0]) / 1000
    note = "from the link being usable to the ledger; raised in the middle of the outage"
    sheet.add(f"{outage.name}: alarm there after", late_s, "s", ALARM, note)


async def _look_up(
    site: Rig, play: Play, served: Sequence[Served], begin_ms: int, end_ms: int
) -> dict[str, Any]:  # Any: JSON values
    file = site.folder / "truth-part.jsonl"
    part = [
        entry
        for entry in served
        if begin_ms <= entry.wall_ms < end_ms and entry.twin not in play.bells
    ]
    durable_write(file, "".join(json.dumps(asdict(entry)) + "\n" for entry in part).encode())
    told: dict[str, Any] = (await site.parts.ledger(play.kills_ms, file))["truth"]
    return told
