"""The table of drivers is what the folders say, and nothing is missing in it."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from typer.testing import CliRunner

from drivers.table.cli import PAGE, app
from drivers.table.facts import (
    BEGIN,
    END,
    SAID,
    Facts,
    FactsError,
    collect,
    placed,
    read_facts,
    table,
)

ROW = """
[[driver]]
names = ["lamp", "torch"]
protocol = "Lamp 1"
source = "Lamp Protocol, edition 1"
twin = "simulators/lamp"
verified = "nothing that is not ours"
hardware = "never"
"""
TRIED = ROW.replace('"lamp", "torch"', '"bulb"').replace('"never"', '"Bulb 60, spring 2026"')
DRIVERS = {"lamp": "drivers.lamp.driver", "torch": "drivers.lamp.torch", "odd": "else.where.driver"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("drivers/lamp", "simulators/lamp"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "drivers/lamp/facts.toml").write_text(ROW, encoding="utf-8")
    return tmp_path


def mistakes(root: Path, drivers: dict[str, str]) -> str:
    with pytest.raises(FactsError) as told:
        collect(root, drivers)
    return str(told.value)


def test_the_page_of_drivers_is_as_the_folders_are() -> None:
    done = CliRunner().invoke(app, ["table", "--check"])
    assert done.exit_code == 0, done.output


def test_every_driver_of_ours_stands_in_the_list() -> None:
    listed = json.loads(CliRunner().invoke(app, ["list", "--json"]).stdout)
    names = [name for row in listed for name in row["names"]]
    known = list(entry_points(group="gateway.drivers"))
    assert sorted(names) == sorted(e.name for e in known if e.module.startswith("drivers."))


def test_rows_are_those_of_the_folders_and_drivers_of_others_are_left_out(root: Path) -> None:
    (row,) = collect(root, DRIVERS)
    assert (row.names, row.saw_hardware) == (("lamp", "torch"), False)


def test_a_driver_without_facts_is_named(root: Path) -> None:
    assert "facts.toml" in mistakes(root, DRIVERS | {"horn": "drivers.horn.driver"})
    assert "driver flash must stand" in mistakes(root, DRIVERS | {"flash": "drivers.lamp.flash"})


def test_facts_without_a_driver_are_named(root: Path) -> None:
    assert "there is no driver torch here" in mistakes(root, {"lamp": "drivers.lamp.driver"})


def test_a_driver_that_stands_in_two_rows_is_named(root: Path) -> None:
    file = root / "drivers/lamp/facts.toml"
    file.write_text(ROW + ROW.replace(', "torch"', ""), encoding="utf-8")
    assert "driver lamp must stand in one row" in mistakes(root, DRIVERS)


def test_a_twin_that_is_not_there_is_named(root: Path) -> None:
    (root / "simulators/lamp").rmdir()
    assert "there is no twin simulators/lamp" in mistakes(root, DRIVERS)


@pytest.mark.parametrize(
    "text",
    {
        "no TOML": "[[driver",
        "no rows": "",
        "another table": ROW + "[more]\n",
        "something missing": ROW.replace('hardware = "never"\n', ""),
        "something more": ROW + 'colour = "red"\n',
        "a number": ROW.replace('"Lamp 1"', "1"),
        "empty": ROW.replace('"Lamp 1"', '" "'),
        "a bar": ROW.replace('"Lamp 1"', '"a|b"'),
        "two lines": ROW.replace('"Lamp 1"', r'"a\nb"'),
        "no names": ROW.replace('["lamp", "torch"]', "[]"),
        "one name": ROW.replace('["lamp", "torch"]', '"lamp"'),
    }.values(),
)
def test_facts_that_are_not_as_they_should_be_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "facts.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(FactsError, match=r"facts\.toml"):
        read_facts(file)


def rows(tmp_path: Path, text: str) -> list[Facts]:
    file = tmp_path / "facts.toml"
    file.write_text(text, encoding="utf-8")
    return read_facts(file)


def test_that_hardware_was_never_seen_is_said_plainly(tmp_path: Path) -> None:
    said = table(rows(tmp_path, ROW + TRIED))
    first, _, _, _, lamp, bulb = said.splitlines()
    assert first == "2 of 3 drivers never saw real hardware."
    assert lamp.endswith(f"| {SAID} |")
    assert bulb.endswith("| Bulb 60, spring 2026 |")


def test_a_page_keeps_what_stands_around_the_table() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert placed(page, "new\n") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"


@pytest.mark.parametrize(
    "page", ["", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}", f"{BEGIN}{END}{END}"]
)
def test_a_page_without_its_markers_is_refused(page: str) -> None:
    with pytest.raises(FactsError, match="the page must have"):
        placed(page, "new\n")


def test_a_stale_page_is_told_and_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"{BEGIN}\nold\n{END}\n", encoding="utf-8")
    command = ["table", f"--page={page}"]
    run = CliRunner().invoke
    stale = run(app, [*command, "--check"])
    assert stale.exit_code == 1
    assert "mayak drivers table --write" in stale.stderr
    assert run(app, [*command, "--write"]).exit_code == 0
    assert run(app, [*command, "--check"]).exit_code == 0
    printed = run(app, ["table"]).stdout
    assert printed in page.read_text(encoding="utf-8")
    assert printed in PAGE.read_text(encoding="utf-8")


def test_the_command_is_known_and_lists_the_drivers() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "drivers", "list"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "sds011" in done.stdout
