"""Two receivers share a subscription and a database; each dies, and so does the database."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from provisioning.authority import Authority
from simulators.platform.audit import Audit, audit
from tests.broker import Mosquitto
from tests.conftest import GATEWAYS
from tests.platform_link import WITHIN_S, Gateway, Receiver, WarmReceiver
from tests.postgres import Postgres
from tests.unit.simulators.platform.platform_sender import Sender

CAMPAIGN_S = float(os.environ.get("MAYAK_CAMPAIGN_S", "4"))
"""For how long receivers are killed; longer when somebody asks for it."""
MOST_OPEN = 20
"""Batches of a gateway that may be unsettled before it seals more."""
RENEW = 4
"""A new epoch once in so many turns: records and batches go to different receivers."""

pytestmark = pytest.mark.timeout(60 + 3 * CAMPAIGN_S)


class Traffic:
    """Gateways that send without pause, each on a thread of its own."""

    def __init__(self, broker: Mosquitto, authority: Authority) -> None:
        self.gateways = [Gateway(broker, authority, Sender.of(authority, g)) for g in GATEWAYS]
        self.sent = dict.fromkeys(GATEWAYS, 0)
        self._stop = threading.Event()
        self._failed: list[BaseException] = []
        self._threads = [threading.Thread(target=self._run, args=(g,)) for g in self.gateways]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def _run(self, gateway: Gateway) -> None:
        turn = 0
        try:
            while not self._stop.is_set():
                turn += 1
                if turn % RENEW == 0:
                    gateway.renew()
                if gateway.unsettled < MOST_OPEN:
                    gateway.add(10)
                gateway.send()
                gateway.settle(0.5)
            gateway.deliver()
            gateway.send()  # the last hello: all is settled
        except BaseException as error:  # noqa: BLE001 - told by `finish`, on the thread of the test
            self._failed.append(error)

    def finish(self) -> int:
        """Seal no more, deliver all, and return how many values were sealed."""
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * WITHIN_S)
        assert not self._failed, self._failed
        return sum(2 * g.sender.sequences[3, "operations"] for g in self.gateways)

    def close(self) -> None:
        """End it, whatever happened."""
        self._stop.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(2 * WITHIN_S)
        for gateway in self.gateways:
            gateway.close()


@contextmanager
def shared(
    broker: Mosquitto, authority: Authority, db: str, folder: Path
) -> Iterator[tuple[list[Receiver], Traffic]]:
    """Two receivers in one group, ready, and gateways that have not begun."""
    receivers: list[Receiver] = [
        WarmReceiver(broker, authority, db, folder, "--share", "city", name=name)
        for name in ("first", "second")
    ]
    with ExitStack() as stack:
        for receiver in receivers:
            stack.callback(receiver.kill)
            receiver.launch()
        for receiver in receivers:
            receiver.await_ready()
        traffic = Traffic(broker, authority)
        stack.callback(traffic.close)
        traffic.start()
        yield receivers, traffic


def until(so: Callable[[], bool], what: object) -> None:
    """Return once it is so."""
    end_s = time.monotonic() + WITHIN_S
    while not so():
        assert time.monotonic() < end_s, what() if callable(what) else what
        time.sleep(0.05)


def until_stored(server: Postgres, db: str, batches: int) -> None:
    """Return once the receivers have stored so many batches."""

    def stored() -> int:
        if server.query(db, "SELECT to_regclass('batch')") == "":
            return 0  # the receivers are making the tables
        return int(server.query(db, "SELECT count(*) FROM batch"))

    until(lambda: stored() >= batches, f"{batches} batches")


def judged(db: str, sealed: int) -> Audit:
    """Return the ledger once it is clean: what was sealed is there, and once."""
    until = time.monotonic() + WITHIN_S
    while not (found := audit(db, late_after_ms=1000)).total.clean:
        assert time.monotonic() < until, found.total
        time.sleep(0.05)
    assert found.total.account.stored == found.total.readings == sealed
    assert (found.total.duplicated, found.total.reordered) == (0, 0)
    return found


def test_two_receivers_killed_at_random_lose_and_double_nothing(
    mosquitto: Callable[..., Mosquitto],
    authority: Authority,
    postgres_server: Postgres,
    tmp_path: Path,
    rng: random.Random,
) -> None:
    broker, db = mosquitto(), postgres_server.database()
    kills = 0
    with shared(broker, authority, db, tmp_path) as (receivers, traffic):
        until = time.monotonic() + CAMPAIGN_S
        while time.monotonic() < until:
            victim = rng.choice(receivers)
            time.sleep(rng.uniform(0.0, 0.3))
            victim.end(signal.SIGKILL)
            kills += 1
            victim.launch()
            if rng.random() < 0.7:  # else the other one may die meanwhile
                victim.await_ready()
        for receiver in receivers:
            receiver.await_ready()
        found = judged(db, traffic.finish())
        told = [receiver.end(signal.SIGTERM) for receiver in receivers]
    assert told == [0, 0]
    batches = int(postgres_server.query(db, "SELECT count(*) FROM batch"))
    print(f"{kills} kills, {batches} batches, {found.total.counters}")  # noqa: T201 - the figure
    assert kills >= CAMPAIGN_S / 3
    assert all(receiver.events()[-1]["batches"] >= 0 for receiver in receivers)


def test_both_receivers_take_their_share_and_say_so(
    mosquitto: Callable[..., Mosquitto],
    authority: Authority,
    postgres_server: Postgres,
    tmp_path: Path,
) -> None:
    broker, db = mosquitto(), postgres_server.database()
    with shared(broker, authority, db, tmp_path) as (receivers, traffic):
        until_stored(postgres_server, db, 100)
        judged(db, traffic.finish())
        assert [receiver.end(signal.SIGTERM) for receiver in receivers] == [0, 0]
    batches = [receiver.events()[-1]["batches"] for receiver in receivers]
    assert min(batches) > 0
    assert sum(batches) == int(postgres_server.query(db, "SELECT count(*) FROM batch"))


def awaited(receivers: Sequence[Receiver], so: Callable[[list[str]], bool]) -> None:
    """Return once the links of all receivers are `so`: the names of what was logged of them."""
    links = {"start", "link_up", "link_down"}

    def told() -> list[list[str]]:
        return [[e["event"] for e in r.events() if e["event"] in links] for r in receivers]

    until(lambda: all(map(so, told())), told)


ENDS = {"restarted": signal.SIGINT, "crashed": signal.SIGQUIT}


@pytest.mark.parametrize("number", ENDS.values(), ids=ENDS.keys())
def test_a_database_that_goes_away_under_two_receivers_costs_nothing(
    number: int,
    mosquitto: Callable[..., Mosquitto],
    authority: Authority,
    postgres_server: Postgres,
    tmp_path: Path,
) -> None:
    broker, db = mosquitto(), postgres_server.database()
    with shared(broker, authority, db, tmp_path) as (receivers, traffic):
        until_stored(postgres_server, db, 20)
        postgres_server.stop(number)
        until(lambda: all(g.unsettled >= MOST_OPEN for g in traffic.gateways), "all wait")
        postgres_server.start()
        awaited(receivers, lambda names: "link_down" in names)
        judged(db, traffic.finish())
        awaited(receivers, lambda names: names[-1] == "link_up")
        assert [receiver.end(signal.SIGTERM) for receiver in receivers] == [0, 0]
