"""Pollers and drivers of a site without store and uplink: every reading is counted and dropped."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gateway.acquisition.devices import PolledDevice
from gateway.acquisition.poller import Poller
from gateway.config.loading import read
from gateway.model.clock import SystemClock
from gateway.model.event import Event
from gateway.model.reading import Reading
from gateway.plugins.assembling import assemble
from gateway.plugins.assembly import Assembly

WARM_UP_S = 0.5
"""Connections stand and plans are compiled by then."""


class Tally:
    """What came."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.values = 0
        self.events = 0

    def deliver(self, reading: Reading) -> None:
        """Count the values of a reading."""
        self.values += reading.count

    def happened(self, _: Event) -> None:
        """Count an event: there should be none."""
        self.events += 1


def pollers_of(assembly: Assembly, tally: Tally) -> list[Poller]:
    """Return a poller for each line of the site."""
    clock = SystemClock()
    pollers = []
    for line in assembly.lines:
        medium = line.manifest.build(line.id, line.config)
        devices = [
            PolledDevice(
                device.id,
                device.manifest.build(device.prepared, medium),
                retries=device.retries,
                heartbeat_s=device.heartbeat_s,
            )
            for device in assembly.devices
            if device.line == line.id
        ]
        pollers.append(
            Poller(medium, devices, clock=clock, deliver=tally.deliver, happened=tally.happened)
        )
    return pollers


async def measure(site: Path, for_s: float) -> dict[str, float]:
    """Poll for so many seconds and return what came and what it took.

    Raises:
        ConfigError: the site file has mistakes.
    """
    tally = Tally()
    pollers = pollers_of(assemble(read(site)), tally)
    came: dict[str, float] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(WARM_UP_S + for_s), asyncio.TaskGroup() as group:
            for poller in pollers:
                group.create_task(poller.run(), name=f"poller:{poller.line.id}")
            await asyncio.sleep(WARM_UP_S)
            values, cpu_s, begun_s = tally.values, time.process_time(), time.monotonic()
            try:
                await asyncio.sleep(for_s + WARM_UP_S)
            finally:
                came = {
                    "values": tally.values - values,
                    "cpu_s": time.process_time() - cpu_s,
                    "wall_s": time.monotonic() - begun_s,
                    "events": tally.events,
                }
    return came


def main(argv: Sequence[str]) -> int:
    """Run the program; the last line is one JSON object."""
    parser = argparse.ArgumentParser(description="Acquisition alone.")
    parser.add_argument("site", type=Path)
    parser.add_argument("--for", dest="for_s", type=float, default=5.0, help="seconds")
    options = parser.parse_args(argv)
    sys.stdout.write(json.dumps(asyncio.run(measure(options.site, options.for_s))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
