"""The receiver is killed at the worst moments: before the commit, and right after it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cbor2
import pytest

from provisioning.authority import Authority
from tests.conftest import GATEWAYS, ROOT
from tests.unit.simulators.platform.conftest import desk_at
from tests.unit.simulators.platform.platform_sender import Sender

VICTIM = """
import os, signal, sys
from pathlib import Path
import cbor2
from tests.unit.simulators.platform.conftest import desk_at

where, keys, feed, fatal, moment = sys.argv[1:]


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


with desk_at(where, Path(keys)) as desk:
    for number, group in enumerate(cbor2.loads(Path(feed).read_bytes())):
        if number == int(fatal) and moment == "before the commit":
            desk.ledger.settled = die
        acks = desk.take(*group)
        if number == int(fatal):
            die()
        for ack in acks:
            for stream, audience, contiguous, missing in ack[6]:
                print(contiguous, flush=True)
"""
POINTS = [["answers", "1", 1, 1, 0, None], ["u", "V", 2, 1, 0, None]]
GROUPS, BATCHES = 6, 4
MOMENTS = ("before the commit", "between commit and acknowledgement")


@pytest.mark.parametrize("fatal", [0, 1, GROUPS - 1])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_receiver_loses_nothing_it_acknowledged_and_counts_nothing_twice(
    moment: str, fatal: int, authority: Authority, platform_db: str | Path, tmp_path: Path
) -> None:
    sender = Sender.of(authority, GATEWAYS[0])
    epoch, record = sender.epoch(POINTS)
    groups = [
        [
            (sender.topic("data"), sender.batch(epoch, [(0, 0, [number, 1.5], {})]))
            for number in range(group * BATCHES, (group + 1) * BATCHES)
        ]
        for group in range(GROUPS)
    ]
    groups[0].insert(0, (sender.topic("epoch"), record))
    feed = tmp_path / "feed"
    feed.write_bytes(cbor2.dumps(groups))
    done = subprocess.run(
        [sys.executable, "-c", VICTIM, platform_db, authority.folder, feed, str(fatal), moment],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == -9, done.stderr
    acknowledged = max(map(int, done.stdout.split()), default=0)
    assert acknowledged == fatal * BATCHES
    committed = (fatal + (moment == MOMENTS[1])) * BATCHES
    with desk_at(platform_db, authority.folder) as desk:
        assert desk.rows("SELECT count(*), max(sequence) FROM batch") == [
            (committed, committed or None)
        ]
        for group in groups:
            desk.take(*group)
        [ack] = desk.take((sender.topic("hello"), sender.hello(oldest=GROUPS * BATCHES + 1)))
        assert ack[6] == [[3, "operations", GROUPS * BATCHES, []]]
        report = desk.report()
        assert report.clean
        assert report.account.stored == 2 * GROUPS * BATCHES
        assert report.counters.get("repeats", 0) == committed
