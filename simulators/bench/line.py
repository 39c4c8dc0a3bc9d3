"""A slow line with eight devices under full load: how busy it is, how long a command waits.

What protocol and gaps allow is reckoned from the bytes of an exchange: each takes its ten bits on
the line, the device waits 3.5 characters before it answers, and so does the gateway before it asks
again (MODBUS over Serial Line V1.02, 2.5.1.1).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from statistics import median
from typing import Any, Final, NamedTuple

from gateway.model.clock import SystemClock
from simulators.bench.figures import Sheet, at_least, at_most
from simulators.bench.form import Form
from simulators.bench.rig import Rig, rig
from simulators.bench.site_file import GATEWAY, PROFILE, Placed
from simulators.programs.site_file import device, head, line
from simulators.truth import read_truth

DEVICES: Final = 8
REGISTERS: Final = 10
ANSWERS: Final = 2
"""Registers of the counter of answers, which is read with the rest."""
BAUD_RATE: Final = 9600
BITS: Final = 10
"""8N1."""
GAP_CHARACTERS: Final = 3.5
REQUEST: Final = 8
"""Bytes that ask for registers: unit, function, address, count, checksum."""
AROUND: Final = 5
"""Bytes of an answer around its registers: unit, function, count of bytes, checksum."""
PERIOD_S: Final = 0.05
"""Shorter than a round takes: somebody always waits."""
RELAY: Final = "relay"
POINT: Final = "relay_1"


class Exchange(NamedTuple):
    """What one exchange must take, in seconds."""

    wire_s: float
    """Its bytes."""
    gaps_s: float
    """The quiet time of either side."""

    @property
    def all_s(self) -> float:
        """Return how long the line belongs to it."""
        return self.wire_s + self.gaps_s


def exchange(registers: int, baud_rate: int = BAUD_RATE) -> Exchange:
    """Return what a read of so many registers takes."""
    character_s = BITS / baud_rate
    size = REQUEST + AROUND + 2 * registers
    return Exchange(size * character_s, 2 * GAP_CHARACTERS * character_s)


def scene(registers: int) -> tuple[str, list[Placed]]:
    """Return a line with eight banks and a relay, and where the banks hang."""
    placed = [Placed(f"bank-{unit}", "bus", unit) for unit in range(1, DEVICES + 1)]
    text = f'[[line]]\nid = "bus"\nmedium = "serial"\nbaud_rate = {BAUD_RATE}\n\n'
    text += "".join(
        f'[[twin]]\nid = "{each.name}"\nline = "bus"\nkind = "bank"\nunit = {each.unit}\n'
        f"registers = {registers}\n\n"
        for each in placed
    )
    relay = f'[[twin]]\nid = "{RELAY}"\nline = "bus"\nkind = "relay-4"\nunit = {DEVICES + 1}\n'
    return text + relay, placed


async def busy(form: Form) -> Sheet:
    """Count what the twins answer to the agent, to bare hands, and let commands in between."""
    sheet = Sheet("line")
    registers = REGISTERS * form.work
    allowed = exchange(registers + ANSWERS)
    for_s = form.choose(3, 30)
    async with rig(form.folder, form.broker) as here:
        text, placed = scene(registers)
        file = here.folder / "bus.toml"
        file.write_text(text, encoding="utf-8")
        await here.play(file, registers)
        await here.start_agent(here.write_site(placed, PERIOD_S))
        await here.until(lambda seen: seen.produced > seen.kept, "a first acknowledgement")
        span = await _span(for_s)
        await here.stop_agent()
        raw = await _by_hand(here, registers, allowed, for_s / 2)
        waits = await _commands(here, placed, round(form.choose(8, 100)))
        await here.twins.stop()
        served = sum(span[0] <= each.wall_ms < span[1] for each in read_truth(here.parts.truth))
    rate = served * 1000 / (span[1] - span[0])
    note = (
        f"an exchange: {1000 * allowed.wire_s:.1f} ms of bytes, {1000 * allowed.gaps_s:.1f} of "
        f"quiet time; {BAUD_RATE} Bd 8N1, {DEVICES} devices of {registers + ANSWERS} registers"
    )
    sheet.add("busy, of what is allowed", 100 * rate * allowed.all_s, "%", at_least(85), note, raw)
    sheet.add("bytes under way, of all time", 100 * rate * allowed.wire_s, "%")
    longest_s, all_s = max(waits["exchanges_s"]), allowed.all_s
    note = f"{len(waits['waits_s'])} commands; the longest exchange {1000 * longest_s:.1f} ms"
    wait_s = max(waits["waits_s"])
    sheet.add("longest wait of a command", wait_s / longest_s, "exchanges", at_most(1.0), note)
    beside = ("one exchange as allowed", 1000 * all_s)
    sheet.add("longest wait, in time", 1000 * wait_s, "ms", beside=beside)
    sheet.add("median wait of a command", 1000 * median(waits["waits_s"]), "ms", beside=beside)
    sheet.add("commands not confirmed", waits["unconfirmed"], "", at_most(0))
    return sheet


async def _span(for_s: float) -> tuple[int, int]:
    """Let so many seconds pass; return the wall times in ms at either end."""
    clock = SystemClock()
    begin = clock.now().wall_ms
    await asyncio.sleep(for_s)
    return begin, clock.now().wall_ms


async def _by_hand(here: Rig, registers: int, allowed: Exchange, for_s: float) -> tuple[str, float]:
    """Return what the fewest lines that do it reach on the same line."""
    told = await here.worker(
        "simulators.bench.raw_serial",
        here.lines["bus"]["path"],
        f"--units={DEVICES}",
        f"--registers={registers + ANSWERS}",
        f"--quiet={allowed.gaps_s / 2}",
        f"--for={for_s}",
    )
    return "hand-written loop", 100 * told["exchanges"] * allowed.all_s / told["wall_s"]


async def _commands(
    here: Rig, placed: Sequence[Placed], commands: int
) -> dict[str, Any]:  # Any: JSON values
    """Return how long commands waited while seven banks and a relay were read without a pause."""
    often = f"period_s = {PERIOD_S}\n"
    text = head(GATEWAY, here.link_port, max_mib=64) + line("bus", here.lines["bus"])
    banks = (device(each.name, "bus", PROFILE, each.unit, often) for each in placed[1:])
    text += "".join(banks) + device(RELAY, "bus", "demo-relay-4", DEVICES + 1, often)
    file = here.folder / "commands.toml"
    file.write_text(text, encoding="utf-8")
    return await here.worker(
        "gateway.benchmarks.line", str(file), f"{RELAY}.{POINT}", f"--commands={commands}"
    )
