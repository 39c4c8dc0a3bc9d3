"""The baseline of a radio: bumble's own host, which counts advertisements and does nothing else."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from typing import Final

from bumble import hci
from bumble.device import Device
from bumble.transport import open_transport

from simulators.bench.usage import memory

OWN_ADDRESS: Final = "F0:00:00:00:00:02"
WARM_UP_S: Final = 0.5


async def count(transport: str, for_s: float) -> dict[str, float]:
    """Scan for so many seconds and return how many advertisements came and what that took.

    Raises:
        OSError: there is no such transport.
    """
    heard = 0

    def advertised(_advertisement: object) -> None:
        nonlocal heard
        heard += 1

    async with await open_transport(transport) as opened:
        device = Device.with_hci("bench", hci.Address(OWN_ADDRESS), opened.source, opened.sink)
        await device.power_on()
        device.on("advertisement", advertised)
        await device.start_scanning(active=False, filter_duplicates=False)
        await asyncio.sleep(WARM_UP_S)
        before, cpu_s, begun_s = heard, time.process_time(), time.monotonic()
        await asyncio.sleep(for_s)
        cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - begun_s
    return {
        "heard": heard - before,
        "cpu_s": cpu_s,
        "wall_s": wall_s,
        "resident_mib": memory(os.getpid()).rss,
    }


def main() -> int:
    """Count as the command line says; the last line is one JSON object."""
    parser = argparse.ArgumentParser(description="A baseline of mayak bench.")
    parser.add_argument("transport", help="as bumble names it")
    parser.add_argument("--for", dest="for_s", type=float, default=5.0, help="seconds")
    options = parser.parse_args()
    sys.stdout.write(json.dumps(asyncio.run(count(options.transport, options.for_s))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
