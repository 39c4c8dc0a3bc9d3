"""`mayak store history` beside the running agent and without one."""

from __future__ import annotations

import json
from pathlib import Path

from gateway.model.clock import Instant, SystemClock, Trust
from gateway.model.ids import OPERATIONS, ConsumerId, DeviceId, PointId
from gateway.model.reading import Point, PointTable, Reading
from gateway.store.history import QUARTER_MS, pack_quarter
from gateway.store.outbox import Outbox
from gateway.store.rollups import table_of
from provisioning.authority import Authority
from tests.running_agent import cabinet

METER, POINT = DeviceId("meter-1"), PointId("voltage_l1")
QUARTERS = 8


def fill(store: Path) -> None:
    """Leave two hours of quarters in a new store."""
    outbox = Outbox(store, {OPERATIONS: frozenset({ConsumerId("city")})}, 2**24)
    outbox.history_days = 1.0
    table = table_of(PointTable(Point(POINT, "V")))
    now_ms = SystemClock().now().wall_ms
    for number in range(QUARTERS):
        at = Instant(number, now_ms - (QUARTERS - number) * QUARTER_MS, Trust.SYNCED)
        cells = (220.0 + number, 230.0, 225.0, 226.0, 900)
        quarter = pack_quarter([Reading(METER, table, at, cells)])
        assert quarter is not None
        outbox.keep_quarter(*quarter)
    outbox.close()


async def test_history_is_shown_beside_the_agent_and_without_one(
    tmp_path: Path, authority: Authority
) -> None:
    async with cabinet(tmp_path, authority) as site:
        fill(site.store)
        where = ("--site", str(site.site))
        command = ("store", "history", "meter-1.voltage_l1")
        async with site.agent() as agent:
            await agent.until_reads(10)
            beside = await site.mayak(*command, *where, "--json")
            shown = await site.mayak(*command, *where, "--since", "1h")
            unknown = await site.mayak("store", "history", "meter-9.voltage_l1", *where)
            assert await agent.stop() == 0
        alone = await site.mayak(*command, *where, "--json")
        nothing = await site.mayak("store", "history", "meter-1.no_such", *where, "--json")
        badly = await site.mayak(*command, *where, "--since", "soon")

    rows = [row for row in json.loads(beside[1]) if row["length_ms"] == QUARTER_MS]
    assert [(row["least"], row["greatest"], row["mean"]) for row in rows] == [
        (220.0 + number, 230.0, 225.0) for number in range(QUARTERS)
    ]
    assert (beside[0], alone[0], json.loads(alone[1])) == (0, 0, rows)
    assert shown[0] == 0
    assert "meter-1.voltage_l1" in shown[1]
    assert 4 <= shown[1].count("225") <= 6
    assert any("\u2800" < sign <= "\u28ff" for sign in shown[1])
    assert unknown[0] == 69
    assert "there is no device 'meter-9'" in unknown[2]
    assert (nothing[0], nothing[1].strip()) == (1, "[]")
    assert badly[0] == 69
    assert "write 90s, 30m, 6h or 2d" in badly[2]
