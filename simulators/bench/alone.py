"""Single rooms at full speed beside raw baselines, and a full store handed over."""

from __future__ import annotations

from typing import Final

from simulators.bench import usage
from simulators.bench.figures import Sheet, at_least, at_most
from simulators.bench.form import Form
from simulators.bench.rig import Seen, per_100k, rig, workshop
from simulators.bench.site_file import Load

DRAINED_WITHIN_S: Final = 120.0
NEVER_S: Final = 86_400.0
SQLITE: Final = "raw SQLite insert"


async def store(form: Form) -> Sheet:
    """Seal and commit the readings of a site as fast as it goes, a second of the site at a time."""
    sheet = Sheet("store")
    load = Load(20, 50).times(form.work)
    async with workshop(form.folder) as site:
        await site.load(load)
        site_file = site.write_site(load.placed, load.period_s)
        seconds = round(form.choose(50, 300) / form.work**0.5)
        told = await site.worker(
            "gateway.benchmarks.store", str(site_file), f"--seconds={seconds}",
            "--warm-up=65",
        )  # fmt: skip
    values, raw = told["values"], told["raw"]
    note = f"{load.values} values a commit; waits included {values / told['wall_s']:,.0f}"
    rate, raw_rate = values / told["cpu_s"], values / raw["cpu_s"]
    sheet.add("sealed and stored on one core", rate, "1/s", at_least(2e5), note, (SQLITE, raw_rate))
    cost, raw_cost = (per_100k(each["cpu_s"], values) for each in (told, raw))
    sheet.add("CPU per 100,000 readings", cost, "s", beside=(SQLITE, raw_cost))
    sheet.add("sealed bytes a reading", told["sealed"] / values, "B")
    sheet.add(
        "written to the card a reading",
        told["written"] / values,
        "B",
        note="write_bytes; raw: the same bytes",
        beside=(SQLITE, raw["written"] / values),
    )
    return sheet


async def acquisition(form: Form) -> Sheet:
    """Read the twins without a pause: our pollers, bare pymodbus, the fewest lines that do it."""
    sheet = Sheet("acquisition")
    load = Load(20, 50, period_s=0.001).times(form.work)
    for_s = form.choose(1, 5)
    async with workshop(form.folder) as site:
        await site.load(load)
        site_file = site.write_site(load.placed, load.period_s)
        told = await site.worker("gateway.benchmarks.acquisition", str(site_file), f"--for={for_s}")
        pymodbus = await site.baseline("raw_pymodbus", load, for_s, paced=False)
        by_hand = await site.baseline("raw_loop", load, for_s, paced=False)
    ours = per_100k(told["cpu_s"], told["values"])
    sheet.add("acquired, twins answering", told["values"] / told["wall_s"], "1/s", note=str(load))
    sheet.add("acquired on one core", told["values"] / told["cpu_s"], "1/s", note="by CPU time")
    sheet.add("CPU per 100,000 readings", ours, "s", beside=("bare pymodbus", pymodbus.cost))
    note = "what the fewest lines of asyncio take"
    sheet.add("the same", ours, "s", note=note, beside=("hand-written loop", by_hand.cost))
    return sheet


async def drain(form: Form) -> Sheet:
    """Fill the store of a site as a long cut would, then start the agent and let it hand over."""
    sheet = Sheet("drain")
    load = Load(20, 50, period_s=NEVER_S)
    seconds = round(form.choose(120, 600)) * form.work
    async with rig(form.folder, form.broker) as site:
        await site.load(load)
        site_file = site.write_site(load.placed, load.period_s)
        filled = await site.worker(
            "gateway.benchmarks.store", str(site_file), f"--seconds={seconds}", "--warm-up=0"
        )
        bytes_before = await site.link_bytes()
        receiver_s = usage.cpu_s(site.receiver.process.pid)
        await site.start_agent(site_file)
        all_of_it: int = filled["values"]
        first = await site.until(lambda seen: seen.sent > 0, "the link")
        last = await site.until(
            lambda seen: _settled(seen, all_of_it) >= all_of_it, "it all", DRAINED_WITHIN_S
        )
        receiver_s = usage.cpu_s(site.receiver.process.pid) - receiver_s
        bytes_after = await site.link_bytes()
    rate = all_of_it / (last.at_s - first.at_s)
    note = f"{all_of_it:,} readings of {seconds} s; the receiver took {receiver_s:.1f} s of CPU"
    sheet.add("backlog drained", rate, "1/s", at_least(50_000), note)
    cost = per_100k(last.cpu_s - first.cpu_s, all_of_it)
    sheet.add("CPU per 100,000 readings drained", cost, "s", note="the agent's")
    wire = (bytes_after - bytes_before) / all_of_it
    sheet.add("bytes a reading, stored 1 s batches", wire, "B", at_most(1.0), "all TCP payload")
    return sheet


def _settled(seen: Seen, before: int) -> int:
    """Return how much of what was there at the start, or came since, is settled."""
    return before + seen.produced - seen.kept
