"""The short form of `make soak`, and proof that its judges would notice."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.model.clock import SystemClock
from tests.soak import sound
from tests.soak.campaign import Campaign
from tests.soak.judging import Verdict, judge
from tests.soak.site import SoakSite

KILLS = 9  # and each part once more at the end
PACE = 0.6
BLOWS_END_S = 25.0
ANSWERS = (
    "FROM reading JOIN series ON series.id = reading.series WHERE point = 'answers'"
    " AND value IS NOT NULL"
    " ORDER BY wall_ms DESC LIMIT 1"
)
DOUBLE = (
    "INSERT INTO reading (series, wall_ms, mono_ms, batch, value, quality, cause)"
    f" SELECT series, wall_ms, mono_ms, batch, value, quality, cause {ANSWERS}"
)
REMOVE = f"DELETE FROM reading WHERE rowid IN (SELECT reading.rowid {ANSWERS})"  # noqa: S608 - ours


def judged(ledger: dict[str, Any]) -> Verdict:
    return judge(ledger, kills=Counter(), link_faults=Counter(), checks=0, findings=())


@pytest.mark.timeout(150)  # half a minute alone, more on a busy machine
async def test_a_site_through_a_dozen_kills_loses_nothing_and_its_judges_would_have_noticed(
    tmp_path: Path,
) -> None:
    clock = SystemClock()
    setup = Campaign(tmp_path, 1, 1, 1, 1, clock).setups[0]
    seed = f"{os.environ['MAYAK_SEED']}:soak"
    site = SoakSite(tmp_path, setup, seed, clock, pace=PACE)

    verdict = await site.run(KILLS, clock.monotonic_s() + BLOWS_END_S)

    assert verdict.clean, f"{seed}, {setup}: {json.dumps(verdict.as_json(), indent=1)}"
    assert verdict.killed >= KILLS
    assert set(verdict.kills) == {"agent", "broker", "receiver"}
    assert verdict.stored >= 10
    assert verdict.events >= 1
    assert verdict.checks > verdict.kills["agent"]

    kept = sound.copy_store(tmp_path / "var" / "store.db", tmp_path / "copy")
    pages = bytearray(kept.read_bytes())
    pages[4096:8192] = os.urandom(4096)
    kept.write_bytes(pages)
    assert sound.store_faults(kept)

    parts = site.parts
    with closing(sqlite3.connect(parts.database)) as db:
        db.execute(DOUBLE)
        db.commit()
        doubled = judged(await parts.ledger(site.agent_kills_ms))
        db.execute(REMOVE)
        db.execute(REMOVE)
        db.commit()
        lacking = judged(await parts.ledger(site.agent_kills_ms))
    assert doubled.duplicated == 1
    assert lacking.lost == 1
    assert not doubled.clean
    assert not lacking.clean
