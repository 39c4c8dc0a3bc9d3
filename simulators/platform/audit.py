"""What the ledger says: reads a receiver's database, also while it runs, and sums it up."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from simulators.platform.accounts import Account, Range, Statement, settle, total
from simulators.platform.schema import connect
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
            "repeats": self.counters.get("repeats", 0),
            "counters": dict(self.counters),
        }


@dataclass(frozen=True, slots=True)
class Audit:
    """Every gateway and the sum."""

    gateways: Mapping[str, Report]
    total: Report


def audit(file: Path, *, late_after_ms: int, gateway: str | None = None) -> Audit:
    """Read the whole ledger.

    Args:
        file: the receiver's database.
        late_after_ms: committed so much later than observed, a reading counts as late.
        gateway: look at this one only.

    Raises:
        LedgerError: the file is no ledger.
        sqlite3.Error: it cannot be read.
    """
    db = connect(file, read_only=True)
    try:
        db.execute("BEGIN")  # one state of the file for all queries
        names = [row[0] for row in db.execute("SELECT name FROM gateway ORDER BY name")]
        counters = _counters(db)
        marks = walk(db, late_after_ms)
        readings, events = _rows(db, "reading"), _rows(db, "event")
        reports = {}
        for name in names:
            if gateway in {None, name}:
                account = _checked(_account(db, name), readings[name] + events[name])
                reports[name] = Report(
                    account,
                    readings[name],
                    events[name],
                    marks.duplicated[name],
                    marks.reordered[name],
                    marks.late[name],
                    counters.get(name, {}),
                )
    finally:
        db.close()
    everything = list(reports.values())
    if gateway is None:
        everything.append(Report(Account(), counters=counters.get("", {})))
    return Audit(reports, _sum(everything))


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


def _account(db: sqlite3.Connection, gateway: str) -> Account:
    channels = db.execute(
        "SELECT channel.id, channel.incarnation, stream, audience, oldest, newest, produced, kept"
        " FROM channel JOIN gateway ON gateway.id = channel.gateway WHERE gateway.name = ?",
        (gateway,),
    ).fetchall()
    accounts = []
    for channel, incarnation, stream, audience, oldest, newest, produced, kept in channels:
        batches = [
            Range(*row)
            for row in db.execute(
                "SELECT sequence - span + 1, sequence, count FROM batch WHERE channel = ?",
                (channel,),
            )
        ]
        gaps = [
            Range(*row)
            for row in db.execute(
                "SELECT first, last, count, reason FROM gap WHERE channel = ?", (channel,)
            )
        ]
        name = f"{gateway} {STREAMS[stream]} {audience} of {incarnation.hex()}"
        said = None if newest is None else Statement(oldest, newest, produced, kept)
        accounts.append(settle(name, batches, gaps, said))
    return total(accounts)


def _by_gateway(db: sqlite3.Connection, query: str, *arguments: object) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    counts.update(db.execute(query, arguments).fetchall())
    return counts


def _counters(db: sqlite3.Connection) -> dict[str, dict[str, int]]:
    counters: dict[str, dict[str, int]] = defaultdict(dict)
    for gateway, name, count in db.execute("SELECT gateway, name, count FROM counter"):
        counters[gateway][name] = count
    return counters


def _rows(db: sqlite3.Connection, table: str) -> dict[str, int]:
    query = {
        "reading": "SELECT gateway.name, sum(n) FROM"
        " (SELECT series, count(*) AS n FROM reading GROUP BY series)"
        " JOIN series ON series.id = series JOIN gateway ON gateway.id = series.gateway"
        " GROUP BY gateway.id",
        "event": "SELECT gateway.name, count(*) FROM event"
        " JOIN gateway ON gateway.id = event.gateway GROUP BY gateway.id",
    }[table]
    return _by_gateway(db, query)


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


def latest(file: Path, *, device: str | None = None) -> list[Latest]:
    """Return the newest value of every point, of one device or of all.

    Raises:
        LedgerError: the file is no ledger.
    """
    db = connect(file, read_only=True)
    try:
        rows = db.execute(
            "SELECT gateway.name, device, point, unit, states, value, text, quality, cause,"
            " reading.wall_ms, max(batch.trust, boot.pair_mono_ms IS NOT NULL)"
            " FROM series JOIN gateway ON gateway.id = series.gateway"
            " JOIN reading ON reading.rowid = ("
            "  SELECT r.rowid FROM reading AS r WHERE r.series = series.id"
            "  ORDER BY r.wall_ms DESC, r.rowid DESC LIMIT 1)"
            " JOIN batch ON batch.id = reading.batch JOIN boot ON boot.id = batch.boot"
            " WHERE ? IS NULL OR device = ?"
            " ORDER BY gateway.name, device, point, reading.wall_ms DESC",
            (device, device),
        ).fetchall()
    finally:
        db.close()
    newest: dict[tuple[str, str, str], Latest] = {}
    for gateway, of, point, unit, states, value, text, quality, cause, wall, trust in rows:
        named = json.loads(states).get(str(value)) if states is not None else None
        shown = value if text is None else text
        entry = Latest(gateway, of, point, unit, shown, named, quality, cause, wall, trust)
        newest.setdefault((gateway, of, point), entry)
    return list(newest.values())
