"""How fast the receiver opens, decodes and commits: twenty devices of fifty points.

Live: a batch a second in groups of sixteen. Backlog: batches of a minute in groups of eight.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from provisioning.authority import Authority
from tests.conftest import GATEWAYS
from tests.unit.simulators.platform.conftest import desk_at
from tests.unit.simulators.platform.platform_sender import Row, Sender

DEVICES = 20
POINTS = [[f"p{place}", "V", 0, 0.1, 0, None] for place in range(50)]
READINGS_PER_SECOND = {"file": 50_000, "server": 30_000}
"""A server of PostgreSQL works on the same two cores."""

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]

LOADS = {"live": (1, 16, 12), "backlog": (60, 8, 2)}
"""Seconds in a batch, batches in a group, groups."""


@pytest.mark.parametrize(("seconds", "batches", "groups"), LOADS.values(), ids=LOADS.keys())
def test_the_receiver_commits_what_a_city_sends(
    seconds: int,
    batches: int,
    groups: int,
    authority: Authority,
    platform_db: str | Path,
    rng: random.Random,
) -> None:
    sender = Sender.of(authority, GATEWAYS[0])
    state = [[2300] * len(POINTS) for _ in range(DEVICES)]
    epoch, record = sender.epoch(
        POINTS, devices=[f"meter-{n}" for n in range(DEVICES)], references=state
    )

    def rows() -> list[Row]:
        made: list[Row] = []
        for second in range(seconds):
            for source in range(DEVICES):
                state[source] = [v + rng.randrange(-2, 3) for v in state[source]]
                made.append((source, 1000 * second + source, state[source], {}))
        return made

    load = [
        [(sender.topic("data"), sender.batch(epoch, rows())) for _ in range(batches)]
        for _ in range(groups)
    ]
    with desk_at(platform_db, authority.folder) as desk:
        desk.take((sender.topic("epoch"), record))
        began, busy = time.perf_counter(), time.process_time()
        for group in load:
            desk.take(*group)
        took, busy = time.perf_counter() - began, time.process_time() - busy
        [(stored,)] = desk.rows("SELECT count(*) FROM reading")
    assert stored == seconds * batches * groups * DEVICES * len(POINTS)
    print(  # noqa: T201 - the figure
        f"{stored} readings, {stored / took:,.0f} a second,"
        f" {100_000 * busy / stored:.2f} CPU s of the receiver per 100,000"
    )
    where = "file" if isinstance(platform_db, Path) else "server"
    assert stored / took >= READINGS_PER_SECOND[where]
