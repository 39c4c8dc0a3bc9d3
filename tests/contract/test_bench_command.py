"""`mayak bench` in its short form: it runs, tells its rows, and what it tells hangs together.

No time is compared with a budget: here only relations that hold on any machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(180)


def bench(folder: Path, *names: str) -> dict[str, dict[str, float]]:
    """Return the values of the short form, by row and figure."""
    command = [sys.executable, "-m", "gateway", "bench", "--quick", "--json", f"--dir={folder}"]
    done = subprocess.run(
        [*command, *(f"--only={name}" for name in names)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, dict[str, float]] = {}
    for figure in json.loads(done.stdout)["figures"]:
        assert len(figure["runs"]) == 1
        row = found.setdefault(figure["row"], {})
        row[figure["name"]] = figure["value"]
        if figure["baseline"] is not None:
            (raw,) = figure["baseline"]["runs"]
            assert figure["baseline"]["ratio"] == pytest.approx(figure["value"] / raw)
            row[f"{figure['name']}, beside raw"] = figure["baseline"]["ratio"]
    assert set(found) == set(names)
    return found


def test_the_agent_and_its_rooms_are_measured_beside_their_baselines(tmp_path: Path) -> None:
    found = bench(tmp_path, "agent-20x50", "store", "acquisition")
    agent, store, acquisition = (found[name] for name in ("agent-20x50", "store", "acquisition"))
    assert agent["CPU per 100,000 readings"] > 0
    assert agent["readings delivered"] > 0
    assert 10 < agent["resident under load"] < 1000
    assert store["CPU per 100,000 readings, beside raw"] > 1
    assert 0.3 < store["sealed bytes a reading"] < 8  # a random walk of +-7 carries half a byte
    by_hand, pymodbus = (
        acquisition[f"{name}, beside raw"] for name in ("the same", "CPU per 100,000 readings")
    )
    assert by_hand > pymodbus  # the fewest lines cost less than a library
    assert acquisition["acquired on one core"] >= acquisition["acquired, twins answering"] * 0.99


def test_a_fault_a_backlog_and_a_dead_device_are_measured(tmp_path: Path) -> None:
    found = bench(tmp_path, "alarm", "drain", "dead-device")
    alarm, drain = found["alarm"], found["drain"]
    median, worst = (alarm[f"fault on the wire to broker, {which}"] for which in ("median", "99 %"))
    assert 0 < median <= worst
    assert drain["backlog drained"] > 0
    assert 0.3 < drain["bytes a reading, stored 1 s batches"] < 8
    assert found["dead-device"]["the other nine, of their rate"] > 0
    assert found["dead-device"]["another line, of its rate"] > 0


def test_a_busy_line_a_radio_and_a_search_are_measured(tmp_path: Path) -> None:
    found = bench(tmp_path, "line", "ble", "scan")
    line, ble, scan = found["line"], found["ble"], found["scan"]
    assert 0 < line["bytes under way, of all time"] < line["busy, of what is allowed"]
    assert line["busy, of what is allowed"] < 101  # more than protocol and gaps allow cannot be
    assert line["busy, of what is allowed, beside raw"] > 0
    assert 0 < line["median wait of a command"] <= line["longest wait, in time"]
    assert min(ble["CPU, all are ours"], ble["CPU, a crowd of strangers"]) > 0
    assert ble["CPU, all are ours, beside raw"] > 0
    assert scan["devices found"] == 100
    assert (scan["found more than once"], scan["found though not there"]) == (0, 0)
    assert scan["search, beside raw"] > 1  # nobody finds out sooner that nobody answers


def test_a_row_that_there_is_not_is_refused_with_those_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "bench", "--only=nothing"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "200"},
    )
    assert done.returncode == 2
    assert "agent-20x50" in done.stderr
