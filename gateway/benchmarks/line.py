"""One line of a site under full load, and commands that come in between: how long each waits.

The line tells what it sends and when (`TappedMedium`), so nothing is asked of the far end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from gateway.acquisition.poller import Poller
from gateway.benchmarks.acquisition import WARM_UP_S, Tally, pollers_of
from gateway.config.loading import read
from gateway.model.command import Command, Outcome
from gateway.model.driver import Direction, TappedMedium
from gateway.model.errors import GatewayError
from gateway.model.ids import CommandId, DeviceId, PointId
from gateway.plugins.assembling import assemble

WRITES: Final = frozenset({5, 6, 15, 16})
"""Function codes that set something (MODBUS Application Protocol V1.1b3, 5.1)."""
ANSWERED_WITHIN_S: Final = 10.0


@dataclass(slots=True)
class Sendings:
    """What a line of Modbus RTU sends, and when."""

    at_s: list[float] = field(default_factory=list)
    """Of every request."""
    written_s: list[float] = field(default_factory=list)
    """Of those that set something."""

    def passed(self, direction: Direction, data: bytes) -> None:
        """Note a request; it is sent in one piece."""
        if direction is Direction.SENT:
            now_s = asyncio.get_running_loop().time()
            self.at_s.append(now_s)
            if data[1] in WRITES:
                self.written_s.append(now_s)


@dataclass(slots=True)
class Commands:
    """What became of commands."""

    waits_s: list[float] = field(default_factory=list)
    """From the call to the instant the request left."""
    unconfirmed: int = 0
    """Of them, those that did not end as done."""

    async def give(self, poller: Poller, sendings: Sendings, command: Command) -> None:
        """Set a point.

        Raises:
            GatewayError: it was not sent.
        """
        before, begun_s = len(sendings.written_s), asyncio.get_running_loop().time()
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            result = await poller.write(command.device, command.point, command.value)
        if len(sendings.written_s) != before + 1:
            msg = f"{command.device}.{command.point}: {result.outcome}, {result.reason}"
            raise GatewayError(msg)
        self.waits_s.append(sendings.written_s[-1] - begun_s)
        self.unconfirmed += result.outcome is not Outcome.DONE


async def measure(site: Path, target: str, commands: int, apart_s: float) -> dict[str, object]:
    """Poll the line of a device without a pause and set its point again and again.

    Raises:
        ConfigError: the site file has mistakes.
        GatewayError: a command was not sent.
    """
    device, _, point = target.rpartition(".")
    pollers = pollers_of(assemble(read(site)), tally := Tally())
    poller = next(each for each in pollers if device in each.counters)
    sendings, random = Sendings(), Random(1)  # noqa: S311 - instants, no secret
    if not isinstance(poller.line, TappedMedium):
        msg = f"line {poller.line.id} carries no bytes"
        raise GatewayError(msg)
    poller.line.tap(sendings.passed)
    given = Commands()
    async with asyncio.TaskGroup() as group:
        polling = group.create_task(poller.run(), name=f"poller:{poller.line.id}")
        await asyncio.sleep(WARM_UP_S)
        sendings.at_s.clear()
        for number in range(commands):
            await asyncio.sleep(apart_s * (0.5 + random.random()))
            name = CommandId(f"bench-{number}")
            switched = Command(name, DeviceId(device), PointId(point), number % 2 == 0)
            await given.give(poller, sendings, switched)
        polling.cancel()
    between = [later - at for at, later in zip(sendings.at_s, sendings.at_s[1:], strict=False)]
    return {**asdict(given), "exchanges_s": between, "events": tally.events}


def main(argv: Sequence[str]) -> int:
    """Run the program; the last line is one JSON object."""
    parser = argparse.ArgumentParser(description="Commands on a busy line.")
    parser.add_argument("site", type=Path)
    parser.add_argument("target", help="DEVICE.POINT, a relay")
    parser.add_argument("--commands", type=int, default=100)
    parser.add_argument("--apart", dest="apart_s", type=float, default=0.3, help="seconds")
    options = parser.parse_args(argv)
    told = asyncio.run(measure(options.site, options.target, options.commands, options.apart_s))
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
