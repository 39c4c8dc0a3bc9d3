"""One dead device of ten on a serial line: what it costs the other nine, and another line."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from gateway.model.clock import SystemClock
from simulators.bench.figures import Sheet, at_least
from simulators.bench.form import Form
from simulators.bench.rig import rig
from simulators.bench.site_file import Placed
from simulators.truth import Served, read_truth

ON_THE_LINE: Final = 10
ELSEWHERE: Final = 3
REGISTERS: Final = 10
BAUD_RATE: Final = 38_400
TIMEOUT_S: Final = 1.0
"""As in the comparison with others: one dead device of ten at a time-out of a second."""
DEAD: Final = "bank-1"
MARGIN_S: Final = 3.0
"""The twins' journal holds back the last seconds; it is whole at the end."""


def scene(registers: int) -> tuple[str, list[Placed]]:
    """Return ten banks on a serial line and three behind a TCP port, and where they hang."""
    placed = [Placed(f"bank-{n}", "bus", n) for n in range(1, ON_THE_LINE + 1)]
    placed += [Placed(f"other-{n}", "net", n) for n in range(1, ELSEWHERE + 1)]
    lines = (
        f'[[line]]\nid = "bus"\nmedium = "serial"\nbaud_rate = {BAUD_RATE}\n\n'
        '[[line]]\nid = "net"\nmedium = "tcp"\n\n'
    )
    twins = "".join(
        f'[[twin]]\nid = "{name}"\nline = "{line}"\nkind = "bank"\nunit = {unit}\n'
        f"registers = {registers}\n\n"
        for name, line, unit in placed
    )
    return lines + twins, placed


async def neighbour(form: Form) -> Sheet:
    """Count what the twins were asked for before one of them fell silent, and after."""
    sheet = Sheet("dead-device")
    for_s = form.choose(5, 30)
    clock = SystemClock()
    async with rig(form.folder, form.broker) as site:
        text, placed = scene(REGISTERS * form.work)
        file = site.folder / "bus.toml"
        file.write_text(text, encoding="utf-8")
        await site.play(file, REGISTERS * form.work)
        options = f"response_timeout_s = {TIMEOUT_S}"
        await site.start_agent(site.write_site(placed, 1.0, options))
        await site.until(lambda seen: seen.produced > seen.kept, "a first acknowledgement")
        well = clock.now().wall_ms
        await asyncio.sleep(for_s)
        dead = clock.now().wall_ms
        site.twins.tell({"twin": DEAD, "fault": "silent"})
        await asyncio.sleep(for_s)
        end = clock.now().wall_ms
        await asyncio.sleep(MARGIN_S)
        await site.stop_agent()
        await site.twins.stop()
        served = read_truth(site.parts.truth)
    others = {device.name for device in placed if device.line == "bus" and device.name != DEAD}
    elsewhere = {device.name for device in placed if device.line == "net"}
    spans = (well, dead, end)
    note = (
        f"{BAUD_RATE} baud, {TIMEOUT_S:.0f} s time-out, from its first silence on for {for_s:.0f} s"
    )
    nine, rest = share(served, others, spans), share(served, elsewhere, spans)
    sheet.add("the other nine, of their rate", nine, "%", at_least(95), note)
    sheet.add(
        "another line, of its rate", rest, "%", at_least(99), "100 but for one poll at an edge"
    )
    return sheet


def share(served: Sequence[Served], twins: Iterable[str], spans: tuple[int, int, int]) -> float:
    """Return the answers of some twins in the second span, in percent of those in the first.

    Args:
        served: by all twins.
        twins: whose answers count.
        spans: wall times in ms: where the first begins, where the second does, where it ends.
    """
    chosen = set(twins)
    begin, middle, end = spans
    times = [entry.wall_ms for entry in served if entry.twin in chosen]
    before = sum(begin <= at < middle for at in times) / (middle - begin)
    after = sum(middle <= at < end for at in times) / (end - middle)
    return 100 * after / before if before else 0.0
