"""The plan of a campaign and its verdict: pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from simulators.lines.proxy import MODES
from simulators.orders import read_mode_order
from tests.soak.judging import Verdict, judge, together
from tests.soak.plan import Blow, Role, Setup, blows, setups
from tests.soak.sound import database_faults, log_faults

MANY = 2000
SITES = {str(setup): setup for setup in setups(["mosquitto", "iotcore"])}
LEDGER: Mapping[str, Any] = {
    "total": {
        "readings": 900,
        "lost": 0,
        "pending": 0,
        "duplicated": 0,
        "reordered": 0,
        "repeats": 3,
        "missing_batches": 0,
        "balances": True,
        "objections": [],
    },
    "truth": {"served": 100, "stored": 90, "forgiven": 10, "missing": [], "doubled": []},
}


def plan(seed: str = "1:0", setup: Setup | None = None) -> list[Blow]:
    return list(islice(blows(seed, setup or Setup()), MANY))


def verdict(part: str = "total", **changed: object) -> Verdict:
    ledger = {**LEDGER, part: {**LEDGER[part], **changed}}
    kills = Counter({"agent": 5, "broker": 4, "receiver": 3})
    return judge(ledger, kills=kills, link_faults=Counter(), checks=8, findings=())


def test_the_same_seed_gives_the_same_plan_and_another_one_another() -> None:
    assert plan("7:1") == plan("7:1") != plan("7:2")


@pytest.mark.parametrize("setup", SITES.values(), ids=SITES)
def test_each_role_is_struck_as_often_as_the_others_and_each_part_is_struck(setup: Setup) -> None:
    struck = Counter(kill.part for blow in plan(setup=setup) for kill in blow.kills)

    assert set(struck) == set(setup.parts)
    for role in Role:
        of_role = sum(count for name, count in struck.items() if setup.parts[name] is role)
        assert 0.28 < of_role / struck.total() < 0.39


def test_some_blows_strike_several_parts_at_once_and_none_strikes_nothing() -> None:
    several = sum(len(blow.kills) > 1 for blow in plan())

    assert 0.05 < several / MANY < 0.25
    assert all(blow.kills or blow.link for blow in plan())


def test_every_fault_of_the_link_is_an_order_that_the_link_takes_and_all_come() -> None:
    orders = [read_mode_order(json.dumps(blow.link)) for blow in plan() if blow.link is not None]

    assert {mode.name for mode, _ in orders} == set(MODES) - {"pass"}
    assert all(for_s is not None and for_s <= 3 for _, for_s in orders)


def test_what_is_installed_decides_what_sites_there_are() -> None:
    assert [str(setup) for setup in setups(["iotcore"])] == ["iotcore, 1 receiver"]
    assert "mosquitto, 2 receivers" in SITES
    assert "mosquitto that saves, 1 receiver" in SITES


def test_a_clean_site_says_so_in_one_line() -> None:
    assert verdict().clean
    assert verdict().line == "soak: 12 kills, 0 lost, 0 duplicated"


WRONG = {
    "values that no sequence brings": ("total", {"lost": 2}, "soak: 12 kills, 2 lost, 0 "),
    "values left at the gateway": ("total", {"pending": 1}, "soak: 12 kills, 1 lost, 0 "),
    "a number that is not there": ("truth", {"missing": [["b", 7]]}, "soak: 12 kills, 1 lost, 0 "),
    "a number twice": ("truth", {"doubled": [["b", 7]]}, "soak: 12 kills, 0 lost, 1 "),
    "a moment twice": ("total", {"duplicated": 4}, "soak: 12 kills, 0 lost, 4 "),
    "out of order": ("total", {"reordered": 1}, "soak: 12 kills, 0 lost, 0 "),
    "a sequence that nobody told": ("total", {"missing_batches": 1}, "soak: 12 kills, 0 lost, 0 "),
    "sides that do not agree": ("total", {"objections": ["x"]}, "soak: 12 kills, 0 lost, 0 "),
    "a sum that is wrong": ("total", {"balances": False}, "soak: 12 kills, 0 lost, 0 "),
    "nothing stored, so nothing shown": ("truth", {"stored": 0}, "soak: 12 kills, 0 lost, 0 "),
}


@pytest.mark.parametrize(("part", "changed", "line"), WRONG.values(), ids=WRONG)
def test_a_site_is_not_clean_with(part: str, changed: Mapping[str, object], line: str) -> None:
    found = verdict(part, **changed)

    assert not found.clean
    assert found.line.startswith(line)
    assert not together([verdict(), found]).clean or not found.stored


def test_a_broken_file_makes_a_site_unclean() -> None:
    assert not replace(verdict(), findings=("store: damaged",)).clean


def test_a_report_is_plain_json() -> None:
    told = json.loads(json.dumps(together([verdict(), verdict()]).as_json()))

    assert told["kills"] == {"agent": 10, "broker": 8, "receiver": 6}
    assert told["killed"] == 24


def test_errors_in_the_log_are_found_and_a_line_that_a_kill_cut_is_none(tmp_path: Path) -> None:
    log = tmp_path / "agent.log"
    log.write_text('{"level":"info","event":"x"}\n{"level":"err{"level":"warning"}\n[]\n')
    assert log_faults(tmp_path) == []

    log.write_text('{"level":"error","event":"not-recordable"}\n')
    (tmp_path / "platform.log").write_text("Traceback (most recent call last):\n")

    assert [fault.partition(":")[0] for fault in log_faults(tmp_path)] == [
        "agent.log",
        "platform.log",
    ]


def test_a_database_that_is_none_is_told(tmp_path: Path) -> None:
    file = tmp_path / "platform.db"
    file.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 32)

    assert database_faults(file)
