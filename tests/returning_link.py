"""A gateway whose link goes and comes back, with an alarm raised meanwhile; judged by the ledger.

Run as a program it plays real losses of a network, for which it wants a network of its own:
`unshare -rn python -m tests.returning_link FOLDER`. The broker and the receiver have one end of a
cable, the gateway the other. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from random import Random

from gateway.model.clock import SystemClock
from gateway.sync.backoff import Backoff
from gateway.sync.session import Broker
from provisioning.authority import Authority
from tests import broker
from tests.linked_site import CITY, GATEWAY, Platform, Site, site, until

CLONE_NEWNET = 0x40000000
"""linux/sched.h."""
HERE, THERE = "10.9.0.1", "10.9.0.2"
FIRST_S, MOST_S = 1.0, 120.0
"""Of the agent itself (`gateway/app.py`)."""
ALARMS = (
    "SELECT event.wall_ms, batch.arrived_ms, batch.id FROM event JOIN batch"
    " ON event.batch = batch.id WHERE key = 'door-open' ORDER BY event.id"
)


@dataclass(frozen=True, slots=True)
class Return:
    """What the ledger says of one outage."""

    alarm_s: float
    """From the instant the link was usable to the arrival of the alarm."""
    batches_before: int
    """Batches of the outage that arrived before the alarm did."""
    lost: int
    doubled: int


async def played(
    gateway: Site,
    city: Platform,
    go: Callable[[], Awaitable[object]],
    come: Callable[[], Awaitable[object]],
    outage_s: float,
) -> Return:
    """Play one outage: readings in its first half, one alarm in its middle, readings again."""
    for uplink in gateway.uplinks:
        uplink.backoff = Backoff(FIRST_S, MOST_S, Random().uniform)
        uplink.knocks.uniform = Random().uniform
    await gateway.feed(2)
    await gateway.until_settled(CITY)
    known = _newest(city, "SELECT max(id) FROM batch")
    told = len(_rows(city, ALARMS))
    await go()
    await gateway.read(5)
    await asyncio.sleep(outage_s / 2)
    await gateway.feed(5)  # ends with the alarm
    await asyncio.sleep(outage_s / 2)
    await come()
    back_ms = SystemClock().now().wall_ms
    await until(lambda: len(_rows(city, ALARMS)) > told)
    _, arrived_ms, place = _rows(city, ALARMS)[told]
    await gateway.until_settled(CITY)
    before = _newest(city, f"SELECT count(*) FROM batch WHERE id > {known} AND id < {place}")  # noqa: S608 - ours
    report = city.report()
    doubled = report.duplicated + report.reordered
    return Return((arrived_ms - back_ms) / 1000, before, report.account.lost, doubled)


def _rows(city: Platform, query: str) -> list[tuple[int, int, int]]:
    with closing(sqlite3.connect(f"{city.database.as_uri()}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()


def _newest(city: Platform, query: str) -> int:
    with closing(sqlite3.connect(f"{city.database.as_uri()}?mode=ro", uri=True)) as db:
        return int(db.execute(query).fetchone()[0] or 0)


class Cable:
    """Two networks of our own and a cable between them; the broker's side is the one we are in."""

    def __init__(self, ending: ExitStack) -> None:
        """Lay it."""
        self._other = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        ending.callback(self._other.wait)
        ending.callback(self._other.kill)
        self._own = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = Path(f"/proc/{self._other.pid}/ns/net")
        while there.readlink() == Path("/proc/self/ns/net").readlink():
            os.sched_yield()
        _ip("link set lo up")
        _ip(f"link add va type veth peer name vb netns {self._other.pid}")
        _ip(f"addr add {HERE}/24 dev va")
        _ip("link set va up")
        self._there("link set lo up", f"addr add {THERE}/24 dev vb", "link set vb up")

    def cross(self) -> None:
        """Let this thread, and those it starts from here on, live at the other end."""
        self._enter(os.open(f"/proc/{self._other.pid}/ns/net", os.O_RDONLY))

    def hole(self) -> None:
        """Lose everything at the far end, without a word: the cable itself is well."""
        self._at_home("qdisc add dev va root tbf rate 8bit burst 1 latency 1ms")

    def mend(self) -> None:
        """Lose nothing any more."""
        self._at_home("qdisc del dev va root")

    def stop(self) -> None:
        """Switch our interface off."""
        self._there("link set vb down")

    def go_on(self) -> None:
        """Switch it on."""
        self._there("link set vb up")

    def _there(self, *orders: str) -> None:
        for order in orders:
            subprocess.run(
                ["nsenter", "-t", str(self._other.pid), "-n", "ip", *order.split()], check=True
            )

    def _at_home(self, order: str) -> None:
        home = f"--net=/proc/{os.getpid()}/fd/{self._own}"
        subprocess.run(["nsenter", home, "tc", *order.split()], check=True)

    @staticmethod
    def _enter(network: int) -> None:
        if ctypes.CDLL(None, use_errno=True).setns(network, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(network)


def _ip(order: str) -> None:
    subprocess.run(["ip", *order.split()], check=True)


async def _play(folder: Path, authority: Authority, city: Platform, cable: Cable) -> object:
    way = Broker(HERE, city.port + 1, 60, 10.0, None, GATEWAY)
    ways: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "link stop": (cable.stop, cable.go_on),
        "black hole": (cable.hole, cable.mend),
    }
    told = {}
    async with site(folder, authority, {CITY: way}) as gateway:
        for name, (go, come) in ways.items():
            for outage_s in map(float, sys.argv[2:] or ["10"]):
                came = await played(
                    gateway,
                    city,
                    partial(asyncio.to_thread, go),
                    partial(asyncio.to_thread, come),
                    outage_s,
                )
                told[f"{name}, {outage_s:g} s"] = asdict(came)
    return told


def main() -> None:
    """Play each loss for as many seconds as the arguments say."""
    folder = Path(sys.argv[1])
    program = broker.find()
    if program is None:
        sys.exit("mosquitto is not installed")
    keys = folder / "keys"
    authority = Authority.create(keys, SystemClock(), gateways=[GATEWAY], consumers=[CITY])
    with ExitStack() as ending:
        cable = Cable(ending)
        port = broker.free_port()
        listener = f"listener {port + 1} {HERE}\nallow_anonymous true"
        one = broker.Mosquitto(program, folder, config=listener, port=port)
        one.start()
        ending.callback(one.stop)
        city = Platform(authority, CITY, port, folder / "city.db")
        ending.enter_context(city.receiving())
        cable.cross()
        told = asyncio.run(_play(folder, authority, city, cable))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
