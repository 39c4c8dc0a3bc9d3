"""`mayak platform`: run the receiver, read its ledger, show the latest values."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from simulators.durations import seconds
from simulators.platform.audit import Audit, Latest, Report, audit, latest
from simulators.platform.database import DAY_MS
from simulators.platform.databases import open_database, open_ledger, shown
from simulators.platform.errors import KeyFileError
from simulators.platform.intake import Intake
from simulators.platform.keys import Opener, load_authority, load_opening_key, load_signing_key
from simulators.platform.ledger import LedgerError
from simulators.platform.log import ChangeLog, OncePerKind
from simulators.platform.receiver import Broker, Receiver, Tls
from simulators.platform.retention import retire
from simulators.platform.truth import TruthReport, check_truth

EX_CONFIG = 78
SHOWN = 20
QUALITIES = ("good", "uncertain", "bad")
CAUSES = (
    "",
    "no response",
    "frame",
    "rejected",
    "device fault",
    "line down",
    "no value",
    "out of range",
    "stale",
    "unknown state",
    "estimated",
    "implausible",
)

app = typer.Typer(help="The receiver: opens, checks, stores, acknowledges.", no_args_is_help=True)
Database = Annotated[
    str, typer.Option("--db", help="The receiver's database: a file, or postgresql://...")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout, for scripts.")]


def wall_ms() -> int:
    """Return milliseconds since 1970 as this machine's clock has it."""
    return time.time_ns() // 1_000_000


def _fail(error: Exception) -> typer.Exit:
    sys.stderr.write(f"mayak platform: {error}\n")
    return typer.Exit(EX_CONFIG)


@app.command()
def run(
    db: Database,
    broker: Annotated[str, typer.Option(help="HOST:PORT of the MQTT 5 broker.")],
    *,
    hpke_key: Annotated[list[Path], typer.Option(help="HPKE private key; several while rotating.")],
    sign_key: Annotated[Path, typer.Option(help="Key that signs acknowledgements, PEM, P-256.")],
    city_ca: Annotated[Path, typer.Option(help="Authority of the gateways' certificates, PEM.")],
    consumer: Annotated[str, typer.Option(help="Who we are in epoch records.")] = "city",
    tls_ca: Annotated[Path | None, typer.Option(help="Authority of the broker; TLS is on.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Our client certificate, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    share: Annotated[str | None, typer.Option(help="Group that shares the load.")] = None,
    ready: Annotated[
        Path | None, typer.Option(help="Written once the subscription stands.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Receive until SIGTERM. What was acknowledged is committed, whatever happens."""
    log = ChangeLog(sys.stdout, wall_ms, as_json=as_json)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        host, port = _address(broker)
        opener = Opener(consumer, [load_opening_key(file) for file in hpke_key])
        authority, signer = load_authority(city_ca), load_signing_key(sign_key)
        tls = None if tls_ca is None else Tls(tls_ca, tls_cert, tls_key)
        ledger = open_ledger(db)
    except (KeyFileError, LedgerError, ValueError) as error:
        raise _fail(error) from error
    intake = Intake(ledger, opener, authority, signer, wall_ms=wall_ms, notice=OncePerKind(log))
    receiver = Receiver(Broker(host, port, tls, share), intake, log, ready_file=ready, stop=stop)
    log("start", db=shown(db), consumer=consumer, broker=broker)
    try:
        receiver.run()
    except (OSError, LedgerError) as error:
        raise _fail(error) from error
    finally:
        ledger.close()
    seen = intake.statistics
    log(
        "stop",
        messages=seen.messages,
        batches=seen.batches,
        readings=seen.readings,
        refused=seen.refused,
        groups=seen.groups,
    )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        msg = f"--broker {text}: HOST:PORT is needed"
        raise ValueError(msg)
    return host.strip("[]"), int(port)


@app.command(name="ledger")
def ledger_command(
    db: Database,
    gateway: Annotated[str | None, typer.Option(help="This one only.")] = None,
    late_after: Annotated[str, typer.Option(help="From when a reading is late: 10s, 2m.")] = "10s",
    truth: Annotated[Path | None, typer.Option(help="What the twins served, JSON lines.")] = None,
    forgive: Annotated[Path | None, typer.Option(help="Windows that may be missing.")] = None,
    as_json: AsJson = False,
) -> None:
    """Count what was produced, stored, pending, lost. Exit code 0: balanced, none lost or twice."""
    try:
        found = audit(db, late_after_ms=round(seconds(late_after) * 1000), gateway=gateway)
        told = None if truth is None else check_truth(db, truth, forgive)
    except (LedgerError, OSError, ValueError, KeyError) as error:
        raise _fail(error) from error
    clean = found.total.clean and (told is None or told.clean)
    if as_json:
        print(json.dumps(_ledger_json(found, told, clean=clean)))
    else:
        _ledger_show(found, told, clean=clean)
    raise typer.Exit(0 if clean else 1)


def _ledger_json(found: Audit, told: TruthReport | None, *, clean: bool) -> dict[str, object]:
    answer: dict[str, object] = {
        "clean": clean,
        "total": found.total.as_json(),
        "gateways": {name: report.as_json() for name, report in found.gateways.items()},
    }
    if told is not None:
        answer["truth"] = {
            "served": told.served,
            "stored": told.stored,
            "forgiven": told.forgiven,
            "missing": [list(pair) for pair in told.missing],
            "doubled": [list(pair) for pair in told.doubled],
        }
    return answer


def _ledger_show(found: Audit, told: TruthReport | None, *, clean: bool) -> None:
    console = Console()
    table = Table("gateway", title="Values and events")
    for title in (
        "produced",
        "stored",
        "pending",
        "lost",
        "duplicated",
        "reordered",
        "late",
        "repeats",
        "balance",
    ):
        table.add_column(title, justify="right")
    for name, report in found.gateways.items():
        table.add_row(name, *_cells(report))
    table.add_section()
    table.add_row("all", *_cells(found.total))
    console.print(table)
    for reason, count in found.total.account.lost_by_reason.items():
        console.print(f"Lost, {reason.replace('_', ' ')}: {count:,}.")
    for objection in found.total.account.objections[:SHOWN]:
        console.print(f"Does not agree: {objection}.", highlight=False)
    for name, count in sorted(found.total.counters.items()):
        console.print(f"{name.replace('_', ' ')}: {count:,}", highlight=False)
    if told is not None:
        console.print(
            f"Served by twins {told.served:,}, stored {told.stored:,}, forgiven {told.forgiven:,},"
            f" missing {len(told.missing):,}, doubled {len(told.doubled):,}."
        )
        for twin, number in (*told.missing, *told.doubled)[:SHOWN]:
            console.print(f"  {twin} {number}", highlight=False)
    console.print("It balances, nothing lost, nothing twice." if clean else "It is not clean.")


def _cells(report: Report) -> list[str]:
    account = report.account
    numbers = (
        account.produced,
        account.stored,
        account.pending,
        account.lost,
        report.duplicated,
        report.reordered,
        report.late,
        report.counters.get("repeats", 0),
    )
    return [f"{n:,}" for n in numbers] + ["yes" if account.balances else "NO"]


@app.command()
def values(
    db: Database,
    device: Annotated[str | None, typer.Option(help="This device only.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the latest value of every point with its age and quality."""
    now = wall_ms()
    try:
        found = latest(db, device=device)
    except LedgerError as error:
        raise _fail(error) from error
    if as_json:
        print(json.dumps([_value_json(entry, now) for entry in found], ensure_ascii=False))
        return
    table = Table("gateway", "device", "point", "value", "unit", "age", "quality")
    for entry in found:
        table.add_row(
            entry.gateway,
            entry.device,
            entry.point,
            _shown(entry),
            entry.unit,
            _age(entry, now),
            _quality(entry),
        )
    Console().print(table)


def _value_json(entry: Latest, now: int) -> dict[str, object]:
    return {
        "gateway": entry.gateway,
        "device": entry.device,
        "point": entry.point,
        "value": entry.value,
        "state": entry.state,
        "unit": entry.unit,
        "quality": QUALITIES[entry.quality],
        "cause": _cause(entry),
        "wall_ms": entry.wall_ms,
        "age_s": (now - entry.wall_ms) / 1000 if entry.trust else None,
    }


def _cause(entry: Latest) -> str:
    return CAUSES[entry.cause] if entry.cause < len(CAUSES) else f"cause {entry.cause}"


def _shown(entry: Latest) -> str:
    if entry.value is None:
        return "—"
    shown = f"{entry.value:.6g}" if isinstance(entry.value, float) else str(entry.value)
    return f"{shown} ({entry.state})" if entry.state else shown


def _quality(entry: Latest) -> str:
    cause = _cause(entry)
    return QUALITIES[entry.quality] + (f": {cause}" if cause else "")


def _age(entry: Latest, now: int) -> str:
    if not entry.trust:
        return "clock not set"
    age = (now - entry.wall_ms) / 1000
    if age < 120:  # noqa: PLR2004 - two minutes
        return f"{age:.0f} s"
    at = datetime.fromtimestamp(entry.wall_ms / 1000, tz=UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


@app.command()
def retention(
    db: Database,
    keep: Annotated[str, typer.Option(help="What came longer ago goes, by whole days: 90d.")],
    as_json: AsJson = False,
) -> None:
    """Drop the readings of old days; batches, events and the ledger's sums stay."""
    try:
        keep_ms = round(seconds(keep) * 1000)
        before = (wall_ms() - keep_ms) // DAY_MS * DAY_MS
        database = open_database(db)
        try:
            gone = retire(database, before)
        finally:
            database.close()
    except (LedgerError, ValueError) as error:
        raise _fail(error) from error
    if as_json:
        print(json.dumps({"before_ms": before, "readings": gone}))
    else:
        Console().print(f"Readings dropped: {gone:,}, of what came before {_date(before)}.")


def _date(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, tz=UTC):%Y-%m-%d}"
