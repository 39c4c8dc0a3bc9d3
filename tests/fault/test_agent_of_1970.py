"""The whole agent on a board that wakes in 1970, up to the city's database."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Agent
from gateway.model.clock import Clock, SystemClock, Trust
from gateway.plugins.assembling import assemble_file
from provisioning.authority import Authority
from simulators.platform.audit import audit
from simulators.platform.databases import open_database, open_ledger
from simulators.platform.intake import Intake
from simulators.platform.keys import Opener, load_authority, load_opening_key, load_signing_key
from simulators.platform.receiver import Broker, Receiver, Tls
from tests.broker import Mosquitto
from tests.linked_site import until
from tests.running_agent import cabinet
from tests.timeless_site import DAY_MS, BoardClock, later, platform_tls, true_ms

PLACED = "SELECT 1 FROM boot WHERE pair_uncertainty_ms IS NOT NULL"
SLOW_MS = 5000
"""A busy machine may take so long between a reading and its commit at the city."""


class CityTls(Tls):
    """For the city it is the true time, for this machine it is not."""

    def context(self) -> ssl.SSLContext:
        return platform_tls(self.ca.parent)


@contextmanager
def receiving(
    keys: Path, port: int, database: Path, wall_ms: Callable[[], int], *, tls: bool
) -> Iterator[None]:
    """Receive as the city does, at the true time."""
    stop = threading.Event()

    def run() -> None:
        ledger = open_ledger(database)
        intake = Intake(
            ledger,
            Opener("city", [load_opening_key(keys / "city-hpke.key")]),
            load_authority(keys / "ca.pem"),
            load_signing_key(keys / "city-sign.key"),
            wall_ms=wall_ms,
            notice=lambda *_: None,
        )
        way = Broker("127.0.0.1", port, CityTls(keys / "ca.pem") if tls else None)
        Receiver(way, intake, lambda *_, **__: None, stop=stop).run()
        ledger.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    db = open_database(str(database), read_only=True)
    try:
        with db.snapshot():
            return db.rows(query)
    finally:
        db.close()


def is_made(store: Path) -> bool:
    """Say whether the store has its tables: the file is there a moment before."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
        (tables,) = db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'epoch'").fetchone()
    return bool(tables)


async def lived(
    place: Path,
    keys: Authority,
    broker: Mosquitto,
    board: Clock,
    wall_ms: Callable[[], int],
    *,
    tls: bool,
) -> Path:
    """Let an agent read, then connect, learn the time and deliver; return the city's database.

    Checks that all of it stands at the city, once, in order and at its true time.
    """
    database = place / "city.db"
    open_ledger(database).close()
    began_ms = wall_ms()
    async with cabinet(place, keys, broker_port=broker.port) as site:
        if tls:
            text = site.site.read_text(encoding="utf-8")
            ca = f'tls = true\nca = "{keys.folder}/ca.pem"'
            site.site.write_text(text.replace("tls = false", ca), encoding="utf-8")
        agent = Agent(assemble_file(site.site), board)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(agent.run())
            try:
                await until(lambda: site.store.exists() and is_made(site.store))
                await until(lambda: len(site.numbers()) > 5)  # before anybody told the time
                broker.start()
                with receiving(keys.folder, broker.port, database, wall_ms, tls=tls):
                    await until(lambda: rows(database, PLACED) != [])
                    agent.stop()
                    await running
            finally:
                running.cancel()

    gc.collect()
    ended_ms = wall_ms()
    ((first, last, worst),) = rows(
        database,
        "SELECT min(reading.wall_ms), max(reading.wall_ms), max(arrived_ms - reading.wall_ms)"
        " FROM reading JOIN batch ON batch.id = batch",
    )
    assert began_ms - 1000 < first < last < ended_ms + 1000
    assert worst < ended_ms - began_ms + SLOW_MS
    report = audit(database, late_after_ms=10**9).total
    refused = [name for name in report.counters if name.startswith("refused")]
    assert (report.duplicated, report.reordered, refused) == (0, 0, [])
    assert report.account.balances
    assert len(rows(database, "SELECT 1 FROM event WHERE key = 'time-learned'")) == 1
    return database


async def test_an_agent_that_woke_in_1970_delivers_everything_at_its_true_time(
    tmp_path: Path, authority: Authority, mosquitto: Callable[..., Mosquitto]
) -> None:
    moved = later(authority, tmp_path / "keys")
    broker = mosquitto(moved)
    broker.stop()
    database = await lived(tmp_path, moved, broker, BoardClock(), true_ms, tls=True)

    assert rows(database, "SELECT count(*) FROM batch WHERE trust = 0") > [(0,)]


@pytest.mark.parametrize("behind_ms", [None, 183 * DAY_MS])
async def test_a_clock_that_no_certificate_finds_wrong_is_put_right_on_the_way(
    tmp_path: Path,
    authority: Authority,
    mosquitto: Callable[..., Mosquitto],
    behind_ms: int | None,
) -> None:
    """A board that kept the time of its last hour, and a plain connection from 1970."""

    def now_ms() -> int:
        return SystemClock().now().wall_ms

    broker = mosquitto()
    broker.stop()
    kept = BoardClock() if behind_ms is None else BoardClock(now_ms() - behind_ms, Trust.HOLDOVER)
    await lived(tmp_path, authority, broker, kept, now_ms, tls=False)
