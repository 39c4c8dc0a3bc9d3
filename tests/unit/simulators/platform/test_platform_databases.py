"""What SQLite and PostgreSQL must both bear, and what is PostgreSQL's own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from provisioning.authority import Authority
from simulators.platform import cli, postgres_database
from simulators.platform.audit import audit, latest
from simulators.platform.cli import app
from simulators.platform.databases import open_database, open_ledger, shown
from simulators.platform.ledger import LedgerError, WrongLedgerError
from simulators.platform.retention import retire
from simulators.platform.strict import NAME_LIMIT
from tests.broker import free_port
from tests.conftest import GATEWAYS
from tests.postgres import Postgres
from tests.unit.simulators.platform.conftest import Desk, desk_at
from tests.unit.simulators.platform.platform_sender import WALL, Row, Sender

POINTS = [["answers", "1", 1, 1, 0, None], ["note", "1", 6, 1, 0, None]]
DATA = 3
DAY_MS = 86_400_000
CUT = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE application_name = 'mayak-platform'"
)
WIDE = "\N{MUSICAL SYMBOL G CLEF}"


@pytest.fixture
def sender(authority: Authority) -> Sender:
    return Sender.of(authority, GATEWAYS[0])


@pytest.fixture
def postgres_db(postgres_server: Postgres) -> str:
    return postgres_server.database()


@pytest.fixture
def desks(platform_db: str | Path, authority: Authority) -> Iterator[Callable[[], Desk]]:
    """Make receivers that share one database."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(desk_at(platform_db, authority.folder))


def row(number: int, note: str | None = None) -> Row:
    return (0, 0, [number, note], {})


def test_a_batch_and_its_epoch_record_may_go_to_different_receivers(
    desks: Callable[[], Desk], sender: Sender
) -> None:
    first, second = desks(), desks()
    epoch, record = sender.epoch(POINTS)
    batches = [(sender.topic("data"), sender.batch(epoch, [row(n)])) for n in range(5)]
    first.take((sender.topic("epoch"), record))
    [ack] = second.take(batches[1])
    assert ack[6] == [[DATA, "operations", 0, [[1, 1]]]]
    [ack] = first.take(batches[0], batches[3])
    assert ack[6] == [[DATA, "operations", 2, [[3, 3]]]]
    [ack] = second.take(batches[2], batches[1])
    assert ack[6] == [[DATA, "operations", 4, []]]
    first.take((sender.topic("hello"), sender.hello(oldest=5, kept=1)))
    second.take(batches[4])
    report = first.report()
    assert (report.account.stored, report.counters["repeats"], report.duplicated) == (5, 1, 0)


def test_a_receiver_waits_for_another_that_works_on_the_same_gateway(
    postgres_db: str, authority: Authority, sender: Sender
) -> None:
    epoch, record = sender.epoch(POINTS)
    batches = [(sender.topic("data"), sender.batch(epoch, [row(n)])) for n in range(2)]
    other = Sender.of(authority, GATEWAYS[1])
    said: list[Any] = []
    with (
        desk_at(postgres_db, authority.folder) as first,
        desk_at(postgres_db, authority.folder) as second,
    ):
        first.take((sender.topic("hello"), sender.hello()))
        waiting = threading.Thread(target=lambda: said.extend(second.take(batches[1])))
        with first.ledger.transaction([GATEWAYS[0]]):
            # Another gateway is not kept waiting, even one that nobody has heard of.
            with desk_at(postgres_db, authority.folder) as third:
                assert len(third.take((other.topic("hello"), other.hello()))) == 1
            waiting.start()
            waiting.join(0.3)
            assert waiting.is_alive()
            assert not said
        waiting.join(10)
        assert [ack[8] for ack in said] == [[epoch.id]]  # it asks for the record
        first.take((sender.topic("epoch"), record), batches[0])
        [ack] = second.take(batches[1])
        assert ack[6] == [[DATA, "operations", 2, []]]


def test_two_that_meet_a_new_gateway_at_once_do_not_stumble(
    postgres_db: str, authority: Authority
) -> None:
    senders = [Sender.of(authority, gateway) for gateway in GATEWAYS]
    hellos = [(s.topic("hello"), s.hello()) for s in senders]
    start = threading.Barrier(2)
    answers: list[int] = []
    with (
        desk_at(postgres_db, authority.folder) as first,
        desk_at(postgres_db, authority.folder) as second,
    ):

        def meet(desk: Desk, order: int) -> None:
            start.wait(10)
            answers.extend(
                len(desk.take(*hellos[:: order if turn % 2 else -order])) for turn in range(10)
            )

        threads = [threading.Thread(target=meet, args=pair) for pair in ((first, 1), (second, -1))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert answers == [2] * 20
        assert first.rows("SELECT count(*), min(count), max(count) FROM hello, gateway") == [
            (4, 20, 20)
        ]


def test_names_and_texts_that_a_database_could_choke_on(desk: Desk, sender: Sender) -> None:
    odd = "nul\0and" + WIDE * (NAME_LIMIT - 7)
    points = [[odd, odd, 1, 1, 0, None], ["note", "", 6, 1, 0, {1: "o\0n"}]]
    epoch, record = sender.epoch(points, devices=[odd], audience=odd)
    batch = sender.batch(epoch, [row(5, "a\0b" + WIDE)])
    args = {odd: "\0", "n": 1.5, "b": True}
    event = {2: [[0, odd, 2, odd, args]]}
    acks = desk.take(
        (sender.topic("epoch"), record),
        (sender.topic("data"), batch),
        (sender.topic("event"), sender.contents(epoch, event, 1, stream="event")),
        (sender.topic("hello"), sender.hello(oldest=2)),
    )
    assert [len(ack[6]) for ack in acks] == [2]
    assert desk.report().clean
    assert {entry.value for entry in latest(desk.where)} in [
        {5, "a\0b" + WIDE},
        {5, "a\N{SYMBOL FOR NULL}b" + WIDE},
    ]


@pytest.mark.parametrize("what", ["audience", "device", "point", "unit"])
def test_a_name_that_is_too_long_is_refused_and_keeps_nobody_waiting(
    what: str, desk: Desk, sender: Sender, authority: Authority
) -> None:
    long = {what: "x" * (NAME_LIMIT + 1)}
    points = [[long.get("point", "p"), long.get("unit", "1"), 1, 1, 0, None]]
    epoch, record = sender.epoch(
        points, devices=[long.get("device", "d")], audience=long.get("audience", "operations")
    )
    desk.take((sender.topic("epoch"), record))
    other = Sender.of(authority, GATEWAYS[1])
    assert len(desk.take((sender.topic("data"), b""), (other.topic("hello"), other.hello()))) == 1
    assert desk.rows("SELECT count(*) FROM epoch") == [(0,)]
    assert epoch.audience == long.get("audience", "operations")


def test_the_last_sequence_there_can_be_is_stored(desk: Desk, sender: Sender) -> None:
    epoch, record = sender.epoch(POINTS)
    last = 2**63 - 1
    near: list[Row] = [(0, 0, [1, None], {})]
    edge = {"wall": WALL, "mono": 5000}
    messages = [
        (sender.topic("data"), sender.batch(epoch, near, sequence=n, **edge))
        for n in (last, 1, last - 1, last)
    ]
    [ack] = desk.take((sender.topic("epoch"), record), *messages)
    assert ack[6] == [[DATA, "operations", 1, [[2, last - 2]]]]
    assert desk.rows("SELECT first, last FROM settled ORDER BY first") == [(1, 1), (last - 1, last)]


def test_the_readings_of_old_days_go_and_the_ledger_still_balances(
    desk: Desk, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoch, record = sender.epoch(POINTS)
    desk.take((sender.topic("epoch"), record))
    desk.take((sender.topic("data"), sender.batch(epoch, [row(1, "old")])))
    desk.now_ms += 3 * DAY_MS
    monkeypatch.setattr(cli, "wall_ms", lambda: desk.now_ms)
    desk.take((sender.topic("data"), sender.batch(epoch, [row(2, "new")])))
    answer = CliRunner().invoke(
        app, ["retention", "--db", str(desk.where), "--keep", "1d", "--json"]
    )
    assert (answer.exit_code, '"readings": 2' in answer.output) == (0, True)
    desk.take((sender.topic("data"), sender.batch(epoch, [row(3, "newest")])))
    desk.take((sender.topic("hello"), sender.hello(oldest=4)))
    report = desk.report()
    assert report.clean, report.account.objections
    assert (report.account.stored, report.readings, report.retired) == (6, 4, 2)
    assert (report.reordered, report.duplicated) == (0, 0)
    again = CliRunner().invoke(app, ["retention", "--db", str(desk.where), "--keep", "1d"])
    assert "Readings dropped: 0" in again.output
    # a repeat of what went is known for one
    desk.take((sender.topic("data"), sender.batch(epoch, [row(1, "old")], sequence=1)))
    assert desk.report().counters["repeats"] == 1
    assert desk.report().readings == 4


def test_a_boot_placed_after_its_day_went_is_no_trouble(desk: Desk, sender: Sender) -> None:
    epoch, record = sender.epoch(POINTS, trust=0, wall=5)
    desk.take(
        (sender.topic("epoch"), record),
        (sender.topic("data"), sender.batch(epoch, [row(1, "old")], trust=0, wall=0)),
    )
    desk.now_ms += 3 * DAY_MS
    database = open_database(desk.where)
    try:
        assert retire(database, desk.now_ms // DAY_MS * DAY_MS) == 2
    finally:
        database.close()
    desk.take((sender.topic("data"), sender.batch(epoch, [row(2, "new")], trust=0, wall=0)))
    pair = {4: [[sender.boot, 6000, WALL, 2]]}
    desk.take((sender.topic("event"), sender.contents(epoch, pair, 0, stream="event")))
    assert desk.rows("SELECT DISTINCT wall_ms - mono_ms FROM reading") == [(WALL - 6000,)]


def test_a_keep_that_is_no_duration_is_refused(tmp_path: Path) -> None:
    answer = CliRunner().invoke(
        app, ["retention", "--db", str(tmp_path / "p.db"), "--keep", "a while"]
    )
    assert answer.exit_code == 78
    assert not (tmp_path / "p.db").exists()


# -- PostgreSQL alone


def partition(at_ms: int) -> str:
    return f"reading_{datetime.fromtimestamp(at_ms / 1000, tz=UTC):%Y%m%d}"


def test_each_day_has_its_partition_made_ahead_and_only_its_own_rows(
    postgres_server: Postgres, postgres_db: str, authority: Authority, sender: Sender
) -> None:
    epoch, record = sender.epoch(POINTS)
    with desk_at(postgres_db, authority.folder) as desk:
        today = desk.now_ms
        desk.take((sender.topic("epoch"), record))
        for day in (0, 1, 4):
            desk.now_ms = today + day * DAY_MS
            desk.take((sender.topic("data"), sender.batch(epoch, [row(day, "x")])))
    today_s = datetime.fromtimestamp(today / 1000, tz=UTC)
    found = postgres_server.query(
        postgres_db,
        "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'reading'::regclass"
        " ORDER BY 1",
    )
    assert found.split() == [partition(today + n * DAY_MS) for n in range(7)]
    for day, rows in {0: "2", 1: "2", 2: "0", 4: "2"}.items():
        name = partition(today + day * DAY_MS)
        assert postgres_server.query(postgres_db, f"SELECT count(*) FROM {name}") == rows  # noqa: S608 - a date
    plan = postgres_server.query(
        postgres_db,
        f"EXPLAIN SELECT * FROM reading WHERE day = '{today_s:%Y-%m-%d}'",  # noqa: S608 - a date
    )
    assert partition(today) in plan
    assert partition(today + DAY_MS) not in plan


def test_a_second_receiver_adds_to_the_partitions_that_the_first_has_made(
    desks: Callable[[], Desk], sender: Sender
) -> None:
    epoch, record = sender.epoch(POINTS)
    first, second = desks(), desks()
    first.take((sender.topic("epoch"), record))
    for day in range(3):
        for desk in (first, second):
            desk.now_ms = WALL + day * DAY_MS
            desk.take((sender.topic("data"), sender.batch(epoch, [row(day, "x")])))
    assert first.report().readings == 12


def test_a_group_that_fails_makes_no_partition(
    postgres_db: str, authority: Authority, sender: Sender
) -> None:
    epoch, record = sender.epoch(POINTS)
    with desk_at(postgres_db, authority.folder) as desk:
        desk.take((sender.topic("epoch"), record))
        desk.change("ALTER TABLE settled RENAME TO gone")
        batch = sender.topic("data"), sender.batch(epoch, [row(1, "x")])
        for _ in range(2):
            with pytest.raises(LedgerError, match="settled"):
                desk.take(batch)
        desk.change("ALTER TABLE gone RENAME TO settled")
        assert desk.rows("SELECT count(*) FROM pg_inherits") is not None
        [ack] = desk.take(batch)
        assert ack[6] == [[DATA, "operations", 1, []]]
        assert desk.report().readings == 2


def test_a_connection_that_is_cut_costs_one_group_and_comes_back(
    postgres_server: Postgres, postgres_db: str, authority: Authority, sender: Sender
) -> None:
    epoch, record = sender.epoch(POINTS)
    batches = [(sender.topic("data"), sender.batch(epoch, [row(n, "x")])) for n in range(2)]
    with desk_at(postgres_db, authority.folder) as desk:
        desk.take((sender.topic("epoch"), record), batches[0])
        postgres_server.query(postgres_db, CUT)
        with pytest.raises(LedgerError):
            desk.take(batches[1])
        [ack] = desk.take(batches[1])
        assert ack[6] == [[DATA, "operations", 2, []]]


@pytest.mark.parametrize("spoken", [False, True])
def test_a_connection_that_is_cut_within_a_group_fails_the_group_however_it_shows(
    spoken: bool, postgres_server: Postgres, postgres_db: str, authority: Authority
) -> None:
    with desk_at(postgres_db, authority.folder) as desk:
        desk.ledger.check()

        def cut() -> None:
            with desk.ledger.transaction([GATEWAYS[0]]):
                postgres_server.query(postgres_db, CUT)
                if spoken:  # the last word of the server is read before anybody asks again
                    desk.ledger._db._run(asyncio.sleep(0.01))  # type: ignore[attr-defined]  # PostgreSQL's
                desk.ledger.knows(GATEWAYS[0])

        with pytest.raises(LedgerError, match="PostgreSQL"):
            cut()
        desk.ledger.check()


@pytest.mark.parametrize("moment", ["before the commit", "between commit and answer"])
def test_a_connection_that_ends_around_the_commit_loses_and_doubles_nothing(
    moment: str, postgres_server: Postgres, postgres_db: str, authority: Authority, sender: Sender
) -> None:
    epoch, record = sender.epoch(POINTS)
    batch = sender.topic("data"), sender.batch(epoch, [row(1, "x")])
    with desk_at(postgres_db, authority.folder) as desk:
        desk.take((sender.topic("epoch"), record))
        database = desk.ledger._db
        execute = database._execute  # type: ignore[attr-defined]  # PostgreSQL's

        def fatal(script: str) -> None:
            if script != "COMMIT" or moment.startswith("between"):
                execute(script)
            if script == "COMMIT":
                postgres_server.query(postgres_db, CUT)
                execute("SELECT 1")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(database, "_execute", fatal)
            with pytest.raises(LedgerError):
                desk.take(batch)
        stored = desk.rows("SELECT count(*) FROM batch")
        assert stored == [(int(moment.startswith("between")),)]
        [ack] = desk.take(batch)
        assert ack[6] == [[DATA, "operations", 1, []]]
        assert (desk.report().readings, desk.report().duplicated) == (2, 0)


def set_fsync(server: Postgres, db: str, value: str) -> None:
    """Set it, and return once the server has seen it."""
    server.query(db, f"ALTER SYSTEM SET fsync = {value}")
    server.query(db, "SELECT pg_reload_conf()")
    until = time.monotonic() + 10
    while server.query(db, "SHOW fsync") != value:
        assert time.monotonic() < until
        time.sleep(0.01)


WRONG = {
    "a password that is refused": ("postgresql://nobody@127.0.0.1:{port}/postgres", "nobody"),
    "no such database": ("postgresql://mayak@127.0.0.1:{port}/nowhere", "nowhere"),
    "no connection string": ("postgresql://mayak@127.0.0.1:port/x", "port"),
}


@pytest.mark.parametrize(("address", "says"), WRONG.values(), ids=WRONG.keys())
def test_a_database_that_can_never_be_used_ends_the_receiver(
    address: str, says: str, postgres_server: Postgres
) -> None:
    ledger = open_ledger(address.format(port=postgres_server.port))
    try:
        with pytest.raises(WrongLedgerError, match=says):
            ledger.check()
    finally:
        ledger.close()


def test_a_server_that_does_not_sync_is_refused(
    postgres_server: Postgres, postgres_db: str
) -> None:
    ledger = open_ledger(postgres_db)
    try:
        set_fsync(postgres_server, postgres_db, "off")
        try:
            with pytest.raises(WrongLedgerError, match="fsync"):
                ledger.check()
        finally:
            set_fsync(postgres_server, postgres_db, "on")
        ledger.check()
    finally:
        ledger.close()


def test_a_receiver_that_stands_still_within_a_transaction_is_put_out(
    postgres_db: str, authority: Authority, monkeypatch: pytest.MonkeyPatch, sender: Sender
) -> None:
    with (
        desk_at(postgres_db, authority.folder) as frozen,
        desk_at(postgres_db, authority.folder) as other,
    ):
        other.take((sender.topic("hello"), sender.hello()))
        monkeypatch.setitem(
            postgres_database.SETTINGS, "idle_in_transaction_session_timeout", "300"
        )

        def freeze() -> None:
            with frozen.ledger.transaction([GATEWAYS[0]]):
                assert len(other.take((sender.topic("hello"), sender.hello()))) == 1
                frozen.ledger.knows(GATEWAYS[0])

        with pytest.raises(LedgerError):
            freeze()
        assert len(frozen.take((sender.topic("hello"), sender.hello()))) == 1


def test_a_server_that_is_away_is_tried_again() -> None:
    ledger = open_ledger(f"postgresql://mayak@127.0.0.1:{free_port()}/postgres")
    try:
        with pytest.raises(LedgerError) as raised:
            ledger.check()
        assert not isinstance(raised.value, WrongLedgerError)
    finally:
        ledger.close()


def test_tables_of_a_later_version_are_left_alone(
    postgres_server: Postgres, postgres_db: str
) -> None:
    postgres_server.query(
        postgres_db, "CREATE TABLE ledger (version INTEGER); INSERT INTO ledger VALUES (99)"
    )
    ledger = open_ledger(postgres_db)
    try:
        with pytest.raises(WrongLedgerError, match="version 99"):
            ledger.check()
    finally:
        ledger.close()
    with pytest.raises(WrongLedgerError, match="version 99"):
        audit(postgres_db, late_after_ms=1)
    assert postgres_server.query(postgres_db, "SELECT count(*) FROM ledger") == "1"


@pytest.mark.parametrize("command", ["ledger", "values"])
def test_looking_at_an_empty_database_makes_nothing(
    command: str, postgres_server: Postgres, postgres_db: str
) -> None:
    answer = CliRunner().invoke(app, [command, "--db", postgres_db])
    assert answer.exit_code == 78
    schema = postgres_db.rpartition("=")[2]
    query = f"SELECT count(*) FROM pg_class WHERE relnamespace = '{schema}'::regnamespace"  # noqa: S608 - ours
    assert postgres_server.query(postgres_db, query) == "0"


def test_a_password_is_shown_nowhere(tmp_path: Path) -> None:
    assert shown("postgres://me:secret@db:5432/city?sslmode=require") == "postgresql://db:5432/city"
    assert shown(tmp_path / "p.db") == str(tmp_path / "p.db")
