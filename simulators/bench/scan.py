"""`mayak scan` of one line: what it finds, and how long it takes."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from simulators.bench.figures import Sheet, at_least, at_most
from simulators.bench.form import Form
from simulators.bench.rig import workshop
from simulators.programs.children import mayak

SPEEDS: Final = (9600, 19_200, 38_400, 57_600)
ADDRESSES: Final = 32
LAST: Final = 247
TIMEOUT_S: Final = 0.1


class There(NamedTuple):
    """A device that hangs on the line."""

    kind: str
    unit: int
    speed: int


DEVICES: Final = (
    There("meter-3p", 3, 9600),
    There("relay-4", 7, 19_200),
    There("light", 8, 19_200),
    There("light", 12, 38_400),
    There("pulse-4", 20, 9600),
    There("door", 31, 57_600),
    There("meter-3p", 32, 57_600),
)


def scene(devices: Iterable[There]) -> str:
    """Return a line whose devices have speeds of their own."""
    return f'[[line]]\nid = "bus"\nmedium = "serial"\nbaud_rate = {SPEEDS[0]}\n\n' + "".join(
        f'[[twin]]\nid = "{each.kind}-{each.unit}"\nline = "bus"\nkind = "{each.kind}"\n'
        f"unit = {each.unit}\nbaud_rate = {each.speed}\n\n"
        for each in devices
    )


def counted(
    found: Sequence[Mapping[str, Any]],  # Any: JSON values
    devices: Iterable[There],
) -> tuple[int, int, int]:
    """Return how many devices were found, found more than once, and found though not there."""
    places = Counter((each["options"]["unit"], each["options"]["baud_rate"]) for each in found)
    real = {(device.unit, device.speed) for device in devices}
    doubled = sum(places[place] - 1 for place in real & set(places))
    return len(real & set(places)), doubled, sum(places[p] for p in set(places) - real)


async def scan(form: Form) -> Sheet:
    """Search a line at four speeds."""
    sheet = Sheet("scan")
    speeds = SPEEDS[: round(form.choose(2, len(SPEEDS)))]
    addresses = min(ADDRESSES * form.work, LAST)
    devices = [device for device in DEVICES if device.speed in speeds]
    async with workshop(form.folder) as here:
        file = form.folder / "bus.toml"
        file.write_text(scene(devices), encoding="utf-8")
        await here.play(file, registers=1)
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        out = await here.parts.must(
            mayak(
                "scan", "--json", "--driver=modbus", f"--port={here.lines['bus']['path']}",
                *(f"--speed={speed}" for speed in speeds), f"--address=1-{addresses}",
                f"--timeout={TIMEOUT_S}", f"--state={form.folder / 'scan.json'}",
            )
        )  # fmt: skip
        took_s = loop.time() - begun_s
    found, doubled, wrong = counted(json.loads(out.splitlines()[-1]), devices)
    silent_s = (len(speeds) * addresses - len(devices)) * TIMEOUT_S
    note = f"{len(devices)} there; {len(speeds)} speeds, {addresses} addresses"
    sheet.add("devices found", 100 * found / len(devices), "%", at_least(100), note)
    sheet.add("found more than once", doubled, "", at_most(0))
    sheet.add("found though not there", wrong, "", at_most(0))
    note = f"beside {TIMEOUT_S} s of silence at each empty place; the command's start included"
    sheet.add("search", took_s, "s", note=note, beside=("silence alone", silent_s))
    return sheet
