"""What the ledger says: reads a receiver's database, also while it runs, and sums it up."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from simulators.platform.accounts import Account, Range, Statement, settle, total
from simulators.platform.catalogue import BOOL, COUNTER, NUMBER, STATE
from simulators.platform.database import Database
from simulators.platform.databases import open_database
from simulators.platform.walk import walk
from simulators.platform.wire import STREAMS


@dataclass(frozen=True, slots=True)
class Report:
    """One gateway, or all."""

    account: Account
    readings: int = 0
    events: int = 0
    duplicated: int = 0
    reordered: int = 0
    late: int = 0
    retired: int = 0
    """Readings that were stored and went with their day (`mayak platform retention`)."""
    counters: Mapping[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Say whether nothing was lost or doubled and the numbers agree."""
        return self.account.balances and self.account.lost == 0 and self.duplicated == 0

    def as_json(self) -> dict[str, object]:
        """Return the report as plain JSON values."""
        account = self.account
        return {
            "produced": account.produced,
            "stored": account.stored,
            "pending": account.pending,
            "lost": account.lost,
            "lost_by_reason": dict(account.lost_by_reason),
            "missing_batches": account.missing_batches,
            "balances": account.balances,
            "objections": list(account.objections),
            "readings": self.readings,
            "events": self.events,
            "duplicated": self.duplicated,
            "reordered": self.reordered,
            "late": self.late,
            "retired": self.retired,
            "repeats": self.counters.get("repeats", 0),
            "counters": dict(self.counters),
        }


@dataclass(frozen=True, slots=True)
class Audit:
    """Every gateway and the sum."""

    gateways: Mapping[str, Report]
    total: Report


def audit(where: str | Path, *, late_after_ms: int, gateway: str | None = None) -> Audit:
    """Read the whole ledger.

    Args:
        where: the receiver's database, a path or a connection string.
        late_after_ms: committed so much later than observed, a reading counts as late.
        gateway: look at this one only.

    Raises:
        LedgerError: it is no ledger, or cannot be read.
    """
    db = open_database(where, read_only=True)
    try:
        with db.snapshot():
            reports = _reports(db, late_after_ms, gateway)
            counters = _counters(db)
    finally:
        db.close()
    everything = list(reports.values())
    if gateway is None:
        everything.append(Report(Account(), counters=counters.get("", {})))
    return Audit(reports, _sum(everything))


def _reports(db: Database, late_after_ms: int, gateway: str | None) -> dict[str, Report]:
    counters = _counters(db)
    marks = walk(db, late_after_ms)
    readings, events, retired = (_rows(db, query) for query in (_READINGS, _EVENTS, _RETIRED))
    reports = {}
    for (name,) in db.rows("SELECT name FROM gateway ORDER BY name"):
        if gateway in {None, name}:
            rows = readings[name] + events[name] + retired[name]
            reports[name] = Report(
                _checked(_account(db, name), rows),
                readings[name],
                events[name],
                marks.duplicated[name],
                marks.reordered[name],
                marks.late[name],
                retired[name],
                counters.get(name, {}),
            )
    return reports


def _sum(reports: Sequence[Report]) -> Report:
    counters: dict[str, int] = defaultdict(int)
    for report in reports:
        for name, count in report.counters.items():
            counters[name] += count
    return Report(
        total(r.account for r in reports),
        sum(r.readings for r in reports),
        sum(r.events for r in reports),
        sum(r.duplicated for r in reports),
        sum(r.reordered for r in reports),
        sum(r.late for r in reports),
        sum(r.retired for r in reports),
        dict(counters),
    )


def _checked(account: Account, rows: int) -> Account:
    """Object when the batches promise another number of values than there are rows."""
    if rows == account.stored:
        return account
    objection = f"the batches stand for {account.stored} values, {rows} rows are there"
    return Account(
        account.produced,
        account.stored,
        account.pending,
        account.lost,
        account.lost_by_reason,
        account.missing_batches,
        (*account.objections, objection),
    )


def _account(db: Database, gateway: str) -> Account:
    channels = db.rows(
        "SELECT channel.id, channel.incarnation, stream, audience, oldest, newest, produced, kept"
        " FROM channel JOIN gateway ON gateway.id = channel.gateway WHERE gateway.name = ?"
        " ORDER BY channel.id",
        gateway,
    )
    accounts = []
    for channel, incarnation, stream, audience, oldest, newest, produced, kept in channels:
        batches = [
            Range(*row)
            for row in db.rows(
                "SELECT sequence - span + 1, sequence, count FROM batch WHERE channel = ?"
                " ORDER BY sequence",
                channel,
            )
        ]
        gaps = [
            Range(*row)
            for row in db.rows(
                "SELECT first, last, count, reason FROM gap WHERE channel = ? ORDER BY first, last",
                channel,
            )
        ]
        name = f"{gateway} {STREAMS[stream]} {audience} of {incarnation.hex()}"
        said = None if newest is None else Statement(oldest, newest, produced, kept)
        accounts.append(settle(name, batches, gaps, said))
    return total(accounts)


def _counters(db: Database) -> dict[str, dict[str, int]]:
    counters: dict[str, dict[str, int]] = defaultdict(dict)
    for gateway, name, count in db.rows("SELECT gateway, name, count FROM counter"):
        counters[gateway][name] = count
    return counters


_READINGS: Final = (
    "SELECT gateway.name, CAST(sum(n) AS BIGINT) FROM"
    " (SELECT series, count(*) AS n FROM reading GROUP BY series) AS counted"
    " JOIN series ON series.id = counted.series JOIN gateway ON gateway.id = series.gateway"
    " GROUP BY gateway.name"
)
_EVENTS: Final = (
    "SELECT gateway.name, count(*) FROM event"
    " JOIN gateway ON gateway.id = event.gateway GROUP BY gateway.name"
)
_RETIRED: Final = (
    "SELECT gateway.name, readings FROM retired JOIN gateway ON gateway.id = retired.gateway"
)


def _rows(db: Database, query: str) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    counts.update((name, count) for name, count in db.rows(query))
    return counts


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest value of one point."""

    gateway: str
    device: str
    point: str
    unit: str
    value: float | str | None
    state: str | None
    """Name of the value, where it has one."""
    quality: int
    cause: int
    wall_ms: int
    trust: int


_LATEST: Final = (
    "SELECT gateway.name, device, point, unit, kind, states, value, text, quality, cause,"
    " reading.wall_ms,"
    " CASE WHEN batch.trust = 0 AND boot.pair_mono_ms IS NOT NULL THEN 1 ELSE batch.trust END"
    " FROM series JOIN gateway ON gateway.id = series.gateway (newest)"
    " JOIN batch ON batch.id = reading.batch JOIN boot ON boot.id = batch.boot"
    " WHERE CAST(? AS TEXT) IS NULL OR device = ?"
    " ORDER BY gateway.name, device, point, reading.wall_ms DESC"
)


def latest(where: str | Path, *, device: str | None = None) -> list[Latest]:
    """Return the newest value of every point, of one device or of all.

    Raises:
        LedgerError: it is no ledger, or cannot be read.
    """
    db = open_database(where, read_only=True)
    try:
        with db.snapshot():
            rows = db.rows(_LATEST.replace("(newest)", db.newest), device, device)
    finally:
        db.close()
    newest: dict[tuple[str, str, str], Latest] = {}
    for gateway, of, point, unit, kind, states, value, text, *rest in rows:
        exact = _whole(kind, value) if text is None else text
        named = json.loads(states).get(str(exact)) if states is not None else None
        entry = Latest(gateway, of, point, unit, exact, named, *rest)
        newest.setdefault((gateway, of, point), entry)
    return list(newest.values())


def _whole(kind: int, value: float | None) -> float | None:
    """Return an integer where a database that knows floats only was given one."""
    if kind in {NUMBER, COUNTER, BOOL, STATE} and isinstance(value, float) and value.is_integer():
        return int(value)
    return value
