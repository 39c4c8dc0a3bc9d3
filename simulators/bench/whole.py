"""The whole agent: TLS, sealing, store, acknowledgements. CPU, memory, bytes on the wire, start."""

from __future__ import annotations

import asyncio
from typing import Final

from simulators.bench import usage
from simulators.bench.figures import Budget, Sheet, at_most
from simulators.bench.form import Form, Measure
from simulators.bench.rig import Rig, Seen, Window, per_100k, rig
from simulators.bench.site_file import Load

BARE: Final = "bare pymodbus"
WARM_UP_S: Final = 3.0
SETTLED_EPOCH_S: Final = 70.0
"""The first epoch of a boot knows no values to start differences from; it is followed after 60 s
by one that does. What a reading takes on the wire is measured then."""
ACKNOWLEDGED_WITHIN_S: Final = 30.0
LIVE_SECONDS: Final = 1.5
"""So many seconds of readings are under way when nothing waits."""
BACK_WITHIN_S: Final = 300.0
"""After a cut the agent's patience may have grown to two minutes."""


def _delivers(seen: Seen) -> bool:
    return seen.produced > seen.kept


def whole(row: str, load: Load, budget: Budget | None) -> Measure:
    """Return the measurement of the agent under a load, with its raw baseline."""

    async def measure(form: Form) -> Sheet:
        sheet = Sheet(row)
        here = load.times(form.work)
        for_s = form.choose(3, 30)
        async with rig(form.folder, form.broker) as site:
            await site.load(here)
            await site.start_agent(site.write_site(here.placed, here.period_s))
            await site.until(_delivers, "a first reading acknowledged", ACKNOWLEDGED_WITHIN_S)
            await asyncio.sleep(form.choose(0.5, WARM_UP_S))
            window = await site.window(for_s)
            memory = usage.memory(site.agent.process.pid)
            await site.stop_agent()
            raw = await site.baseline("raw_pymodbus", here, for_s / 2, paced=True)
        cost = per_100k(window.cpu_s, window.delivered)
        rate = window.delivered / window.wall_s
        note = f"{here}, {site.broker_kind}; the bare loop {raw.cost:.3g} s"
        sheet.add("CPU per 100,000 readings", cost, "s", budget, note, (BARE, raw.cost))
        sheet.add(
            "readings delivered",
            rate,
            "1/s",
            note="beside what is read each second",
            beside=("read", here.values / here.period_s),
        )
        sheet.add(
            "resident under load",
            memory.rss,
            "MiB",
            at_most(50),
            f"PSS {memory.pss:.1f}; the bare loop {raw.resident_mib:.3g}",
            (BARE, raw.resident_mib),
        )
        return sheet

    return measure


async def start(form: Form) -> Sheet:
    """Measure from the start of the process to the first reading the platform acknowledged."""
    sheet = Sheet("start")
    load = Load(20, 50).times(form.work)
    async with rig(form.folder, form.broker) as site:
        await site.load(load)
        begun_s = await site.start_agent(site.write_site(load.placed, load.period_s))
        first = await site.until(_delivers, "a first reading acknowledged", ACKNOWLEDGED_WITHIN_S)
        took_s = first.at_s - begun_s
        await site.stop_agent()
        raw = await site.baseline("raw_pymodbus", load, 1, paced=True)
        note = f"{load}; the bare loop reads after {raw.ready_s:.3g} s"
        sheet.add(
            "start to first acknowledged reading",
            took_s,
            "s",
            at_most(1.5),
            note,
            (BARE, raw.ready_s),
        )
        sheet.add("CPU of the start", first.cpu_s, "s", note="until then")
    return sheet


async def idle(form: Form) -> Sheet:
    """Measure an agent whose devices are read once a minute."""
    sheet = Sheet("idle")
    load = Load(20, 50, period_s=60.0).times(form.work)
    async with rig(form.folder, form.broker) as site:
        await site.load(load)
        await site.start_agent(site.write_site(load.placed, load.period_s))
        await site.until(_delivers, "a first reading acknowledged", ACKNOWLEDGED_WITHIN_S)
        await asyncio.sleep(form.choose(0.5, WARM_UP_S))
        window = await site.window(form.choose(4, 60))
        memory = usage.memory(site.agent.process.pid)
        share = 100 * window.cpu_s / window.wall_s
        sheet.add("CPU when idle", share, "%", at_most(0.3), f"{load}, each read once a minute")
        sheet.add("resident when idle", memory.rss, "MiB", at_most(50), f"PSS {memory.pss:.1f}")
    return sheet


async def wire(form: Form) -> Sheet:
    """Count all TCP payload between agent and broker, both ways: live, then after a cut."""
    sheet = Sheet("wire")
    load = Load(20, 50).times(form.work)
    async with rig(form.folder, form.broker) as site:
        await site.load(load)
        begun_s = await site.start_agent(site.write_site(load.placed, load.period_s))
        first = await site.until(_delivers, "a first reading acknowledged", ACKNOWLEDGED_WITHIN_S)
        if not form.quick:
            await asyncio.sleep(SETTLED_EPOCH_S - (first.at_s - begun_s))
        live = await _bytes_per_reading(site, form.choose(3, 30))
        sheet.add("bytes a reading, 1 s batches", live, "B", at_most(2.0), "all TCP payload")
        cut_s = form.choose(4, 60)
        backlog = await _backlog(site, load, cut_s)
        note = f"what {cut_s:.0f} s of a cut left, TLS handshake included"
        sheet.add("bytes a reading, backlog", backlog, "B", at_most(1.0), note)
    return sheet


async def _bytes_per_reading(site: Rig, for_s: float) -> float:
    bytes_before, begin = await site.link_bytes(), await site.now()
    await asyncio.sleep(for_s)
    bytes_after, end = await site.link_bytes(), await site.now()
    return (bytes_after - bytes_before) / Window(begin, end).delivered


async def _backlog(site: Rig, load: Load, cut_s: float) -> float:
    """Return the bytes that a reading of what waited takes once the link is back."""
    site.link.tell({"mode": "cut"})
    await asyncio.sleep(cut_s)
    begin, bytes_before = await site.now(), await site.link_bytes()
    site.link.tell({"mode": "pass"})
    await site.until(
        lambda seen: seen.kept <= LIVE_SECONDS * load.values, "the backlog drained", BACK_WITHIN_S
    )
    bytes_after, end = await site.link_bytes(), await site.now()
    return (bytes_after - bytes_before) / Window(begin, end).delivered
