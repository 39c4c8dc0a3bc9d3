from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from provisioning.authority import Authority
from simulators.platform.audit import audit, latest
from simulators.platform.cli import app
from simulators.platform.databases import open_ledger
from simulators.platform.ledger import LedgerError
from simulators.platform.truth import check_truth
from tests.conftest import GATEWAYS
from tests.unit.simulators.platform.conftest import Desk
from tests.unit.simulators.platform.platform_sender import WALL, Epoch, Row, Sender

POINTS = [
    ["answers", "1", 1, 1, 0, None],
    ["relay", "1", 5, 1, 0, {0: "off", 1: "on"}],
    ["note", "1", 6, 1, 0, None],
]


@pytest.fixture
def sender(authority: Authority) -> Sender:
    return Sender.of(authority, GATEWAYS[0])


@pytest.fixture
def epoch(desk: Desk, sender: Sender) -> Epoch:
    made, record = sender.epoch(POINTS)
    desk.take((sender.topic("epoch"), record))
    return made


def row(number: int, time: int = 0) -> Row:
    return (0, time, [number, number % 2, f"n{number}"], {})


def send(desk: Desk, sender: Sender, epoch: Epoch, *rows: Row, **more: object) -> None:
    desk.take((sender.topic("data"), sender.batch(epoch, rows, **more)))


def test_a_clean_ledger_is_clean(desk: Desk, sender: Sender, epoch: Epoch) -> None:
    for number in range(3):
        send(desk, sender, epoch, row(number))
    desk.take((sender.topic("hello"), sender.hello(oldest=4)))
    report = desk.report()
    assert report.clean
    assert (report.readings, report.duplicated, report.reordered, report.late) == (9, 0, 0, 9)
    assert desk.report(late_after_ms=60_000).late == 0


def test_one_reading_in_two_batches_is_doubled(desk: Desk, sender: Sender, epoch: Epoch) -> None:
    send(desk, sender, epoch, row(1), mono=5000)
    send(desk, sender, epoch, row(1), mono=5000)
    report = desk.report()
    assert (report.duplicated, report.reordered, report.clean) == (3, 0, False)


def test_the_same_moment_of_another_boot_or_stream_is_no_double(
    desk: Desk, sender: Sender, epoch: Epoch
) -> None:
    send(desk, sender, epoch, row(1), mono=5000)
    state = sender.batch(epoch, [row(1)], mono=5000, stream="state")
    sender.boot = b"another-boot-id!"
    second, record = sender.epoch(POINTS)
    desk.take((sender.topic("state"), state), (sender.topic("epoch"), record))
    send(desk, sender, second, row(1), mono=5000)
    report = desk.report()
    assert (report.readings, report.duplicated, report.reordered) == (9, 0, 0)


def test_a_state_that_has_not_moved_may_be_told_after_each_of_two_outages(
    desk: Desk, sender: Sender, epoch: Epoch
) -> None:
    for _ in range(2):
        state = sender.batch(epoch, [row(1)], mono=5000, stream="state")
        desk.take((sender.topic("state"), state))
    report = desk.report()
    assert (report.readings, report.duplicated, report.reordered) == (6, 0, 0)


def test_a_reading_of_two_incarnations_of_one_boot_is_doubled(
    desk: Desk, sender: Sender, epoch: Epoch
) -> None:
    send(desk, sender, epoch, row(1), mono=5000)
    sender.incarnation = b"incarn-2"
    sender.sequences.clear()
    second, record = sender.epoch(POINTS)
    desk.take((sender.topic("epoch"), record))
    send(desk, sender, second, row(1), mono=5000)
    assert desk.report().duplicated == 3


def test_a_later_sequence_with_an_earlier_time_is_reordered(
    desk: Desk, sender: Sender, epoch: Epoch
) -> None:
    send(desk, sender, epoch, row(1), mono=9000)
    send(desk, sender, epoch, row(2), row(3, 600), mono=8500)
    report = desk.report()
    assert (report.reordered, report.duplicated) == (3, 0)


def test_a_late_arrival_of_an_early_sequence_is_not_reordered(
    desk: Desk, sender: Sender, epoch: Epoch
) -> None:
    first, second = sender.batch(epoch, [row(1)]), sender.batch(epoch, [row(2)])
    desk.take((sender.topic("data"), second))
    desk.take((sender.topic("data"), first))
    assert desk.report().reordered == 0


def test_an_unset_clock_is_late_only_once_it_is_placed(
    desk: Desk, sender: Sender, epoch: Epoch
) -> None:
    send(desk, sender, epoch, row(1), mono=5000, wall=4000, trust=0)
    assert desk.report().late == 0
    pair = {4: [[sender.boot, 6000, WALL, 2]]}
    desk.take((sender.topic("event"), sender.contents(epoch, pair, 0, stream="event")))
    assert desk.report().late == 3
    assert desk.report(late_after_ms=62_000).late == 0


def test_rows_that_went_missing_are_noticed(desk: Desk, sender: Sender, epoch: Epoch) -> None:
    send(desk, sender, epoch, row(1))
    desk.change("DELETE FROM reading WHERE series = (SELECT min(id) FROM series)")
    assert desk.report().account.objections == ("the batches stand for 3 values, 2 rows are there",)


def test_counters_above_a_signed_column_are_exact(desk: Desk, sender: Sender, epoch: Epoch) -> None:
    send(desk, sender, epoch, row(2**63 - 1), (0, 1, [2**64 - 1, None, None], {}))
    query = "SELECT value, text FROM history WHERE point = 'answers' ORDER BY mono_ms"
    largest, beyond = desk.rows(query)
    assert beyond == (2.0**64, "18446744073709551615")
    assert largest in {(2**63 - 1, None), (2.0**63, "9223372036854775807")}
    assert [entry.value for entry in latest(desk.where) if entry.point == "answers"] == [
        "18446744073709551615"
    ]


@pytest.mark.parametrize("number", [2**53, 2**53 + 1, 2**53 - 1])
def test_integers_beyond_a_float_are_exact(
    number: int, desk: Desk, sender: Sender, epoch: Epoch
) -> None:
    send(desk, sender, epoch, row(number))
    [shown] = [entry.value for entry in latest(desk.where) if entry.point == "answers"]
    assert str(shown) == str(number)


def test_the_latest_value_of_each_point_by_time_not_by_arrival(
    desk: Desk, sender: Sender, epoch: Epoch
) -> None:
    old, new = sender.batch(epoch, [row(1)]), sender.batch(epoch, [row(3)])
    desk.take((sender.topic("data"), new))
    desk.take((sender.topic("data"), old))
    found = {entry.point: (entry.value, entry.state) for entry in latest(desk.where)}
    assert found == {"answers": (3, None), "relay": (1, "on"), "note": ("n3", None)}
    assert latest(desk.where, device="another") == []


def lines(file: Path, *items: object) -> Path:
    file.write_text("".join(f"{json.dumps(item)}\n" for item in items))
    return file


def served(number: int, wall: int = WALL, **more: object) -> dict[str, object]:
    return {"twin": "meter-1", "number": number, "wall_ms": wall, "mono_ms": 1, **more}


def test_truth_finds_what_a_twin_served_and_is_not_there(
    desk: Desk, sender: Sender, epoch: Epoch, tmp_path: Path
) -> None:
    send(desk, sender, epoch, row(1), row(2, 10), row(2, 20))
    truth = lines(
        tmp_path / "truth",
        *(served(1), served(2), served(3), served(4, WALL + 500), served(5, certain=False)),
    )
    with truth.open("a") as file:
        file.write('{"twin": "meter-1", "num')  # cut by a kill
    forgive = lines(tmp_path / "forgive", {"from_ms": WALL + 400, "to_ms": WALL + 600})
    found = check_truth(desk.where, truth, forgive)
    assert (found.served, found.stored, found.forgiven) == (5, 2, 2)
    assert (found.missing, found.doubled) == ([("meter-1", 3)], [("meter-1", 2)])
    assert not found.clean


def test_the_command_ledger_says_it_in_its_exit_code(
    desk: Desk, sender: Sender, epoch: Epoch, tmp_path: Path
) -> None:
    send(desk, sender, epoch, row(1))
    desk.take((sender.topic("hello"), sender.hello(oldest=2)))
    runner = CliRunner()
    good = lines(tmp_path / "good", served(1))
    asked = ["ledger", "--db", str(desk.where), "--json", "--truth"]
    answer = runner.invoke(app, [*asked, str(good)])
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.output)
    assert found["clean"] is True
    assert found["total"]["stored"] == found["total"]["produced"] == 3
    assert found["gateways"][GATEWAYS[0]]["balances"] is True
    answer = runner.invoke(app, [*asked, str(lines(tmp_path / "bad", served(9)))])
    assert (answer.exit_code, json.loads(answer.output)["truth"]["missing"]) == (
        1,
        [["meter-1", 9]],
    )
    answer = runner.invoke(app, ["ledger", "--db", str(desk.where)])
    assert answer.exit_code == 0
    assert "nothing lost, nothing twice" in answer.output
    send(desk, sender, epoch, row(3), sequence=4)
    answer = runner.invoke(app, ["ledger", "--db", str(desk.where)])
    assert answer.exit_code == 1
    assert "Does not agree" in answer.output


def test_the_command_values_shows_the_latest(desk: Desk, sender: Sender, epoch: Epoch) -> None:
    send(desk, sender, epoch, row(1), (0, 9, [None, None, None], {0: (2, 1)}))
    runner = CliRunner()
    answer = runner.invoke(app, ["values", "--db", str(desk.where), "--json"])
    shown = {value["point"]: value for value in json.loads(answer.output)}
    assert (shown["relay"]["value"], shown["relay"]["state"]) == (1, "on")
    assert (shown["answers"]["value"], shown["answers"]["cause"]) == (None, "no response")
    answer = runner.invoke(app, ["values", "--db", str(desk.where), "--device", "meter-1"])
    assert "1 (on)" in answer.output
    assert "bad: no" in answer.output


@pytest.mark.parametrize("command", ["ledger", "values"])
def test_a_file_that_is_no_ledger_is_refused(command: str, tmp_path: Path) -> None:
    for name, content in (("text", b"x" * 5000), ("empty", b"")):
        file = tmp_path / name
        file.write_bytes(content)
        answer = CliRunner().invoke(app, [command, "--db", str(file)])
        assert answer.exit_code == 78
        assert file.read_bytes() == content
    assert CliRunner().invoke(app, [command, "--db", str(tmp_path / "none")]).exit_code == 78
    assert not (tmp_path / "none").exists()


def test_a_database_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "later.db"
    db = sqlite3.connect(file)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(LedgerError, match="version 99"):
        open_ledger(file)
    with pytest.raises(LedgerError, match="version 99"):
        audit(file, late_after_ms=1)


def test_late_after_that_is_no_duration_is_refused(desk: Desk) -> None:
    answer = CliRunner().invoke(app, ["ledger", "--db", str(desk.where), "--late-after", "soon"])
    assert answer.exit_code == 78
