"""The link comes back: an alarm that was raised meanwhile is at the platform soon after.

Two seconds are promised, `mayak bench --only outages` measures them. Here the bound has room for
a busy machine, and is still far below what the back-off of a city (up to two minutes) would give.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioning.authority import Authority
from simulators.lines.proxy import BlackHole, Cut, Mode, Pass, link_proxy
from tests.broker import SEARCH, Mosquitto
from tests.linked_site import CITY, Platform, links, site
from tests.returning_link import HERE, Return, played

Brokers = Callable[..., Mosquitto]

BUSY = 4
SOON_S = 2.0 * BUSY
OUTAGE_S = 2.0
NETWORK_S = "4"
AFTER_ALL_S = 60
ENVIRON = {**os.environ, "PATH": SEARCH}
MODES: dict[str, Mode] = {"cut": Cut(), "black hole": BlackHole()}


def assert_soon(came: Return) -> None:
    assert came.alarm_s < SOON_S
    assert (came.lost, came.doubled) == (0, 0)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
async def test_an_alarm_raised_during_an_outage_is_there_soon_after_it_and_first(
    tmp_path: Path, authority: Authority, mosquitto: Brokers, mode: Mode
) -> None:
    port = mosquitto().port
    city = Platform(authority, CITY, port, tmp_path / "city.db")
    with city.receiving():
        async with (
            link_proxy(("127.0.0.1", port)) as link,
            site(tmp_path, authority, links((CITY, link.port))) as gateway,
        ):
            came = await played(
                gateway,
                city,
                lambda: link.set_mode(mode),
                lambda: link.set_mode(Pass()),
                OUTAGE_S,
            )

    assert_soon(came)
    if mode.name == "cut":  # in a black hole what was under way already arrives before
        assert came.batches_before == 0


async def test_a_broker_that_was_stopped_gets_the_alarm_soon_after_it_is_back(
    tmp_path: Path, authority: Authority, mosquitto: Brokers
) -> None:
    broker = mosquitto()
    city = Platform(authority, CITY, broker.port, tmp_path / "city.db")
    async with site(tmp_path, authority, links((CITY, broker.port))) as gateway:
        with city.receiving():
            came = await played(
                gateway,
                city,
                lambda: asyncio.to_thread(broker.stop),
                lambda: asyncio.to_thread(broker.start),
                OUTAGE_S,
            )

    assert_soon(came)


def test_a_network_that_loses_everything_and_an_interface_that_was_off(tmp_path: Path) -> None:
    """Real losses, in a network of our own: what no program before a port can play."""
    if shutil.which("tc", path=SEARCH) is None or not _may_have_a_network():
        pytest.skip(f"no network namespaces here, so none with an address {HERE}")
    run = subprocess.run(
        ["unshare", "-rn", sys.executable, "-m", "tests.returning_link", tmp_path, NETWORK_S],
        capture_output=True,
        text=True,
        check=False,
        timeout=AFTER_ALL_S,
        env=ENVIRON,
    )

    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout.splitlines()[-1])
    assert set(told) == {"link stop, 4 s", "black hole, 4 s"}
    for came in told.values():
        assert_soon(Return(**came))


def _may_have_a_network() -> bool:
    command = ["unshare", "-rn", "ip", "link", "add", "va", "type", "veth", "peer", "name", "vb"]
    return not subprocess.run(command, capture_output=True, check=False, env=ENVIRON).returncode
