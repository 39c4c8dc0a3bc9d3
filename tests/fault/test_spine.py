"""The whole way as a user runs it: `mayak demo` with an outage and a kill, judged by the twins.

The verdict counts what the twins say they served against what the platform committed: a loss
shows wherever it happens.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import broker

WITHIN_S = 55
DEMO = [sys.executable, "-m", "gateway", "demo"]


def demo(folder: Path, *options: str) -> tuple[int, dict[str, Any], str]:
    """Run `mayak demo lighting` and return exit code, verdict, and what it said to people."""
    command = [*DEMO, "lighting", "--json", "--dir", str(folder), *options]
    run = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    last = run.stdout.strip().splitlines()[-1:] or ["{}"]
    return run.returncode, json.loads(last[0]), run.stderr


def assert_clean(code: int, verdict: dict[str, Any], said: str) -> None:
    assert (code, verdict.get("clean")) == (0, True), said
    assert (verdict["lost"], verdict["duplicated"], verdict["reordered"]) == (0, 0, 0)
    assert verdict["readings"] > 200
    assert verdict["served"] > 20
    assert verdict["bytes_per_reading"] > 0


@pytest.mark.parametrize("kind", ["mosquitto", "iotcore"])
def test_a_site_through_an_outage_and_a_kill_loses_nothing(tmp_path: Path, kind: str) -> None:
    if kind == "mosquitto" and broker.find() is None:
        pytest.skip("mosquitto is not installed")

    code, verdict, said = demo(
        tmp_path, "--for", "9s", "--outage", "3s", "--kill", "--broker", kind
    )

    assert_clean(code, verdict, said)
    assert verdict["kills"] == 1


def test_what_lies_on_the_card_is_sealed(tmp_path: Path) -> None:
    code, verdict, said = demo(tmp_path, "--for", "8s", "--broker", "iotcore")

    assert_clean(code, verdict, said)
    on_the_card = b"".join(file.read_bytes() for file in (tmp_path / "var").iterdir())
    for name in (b"voltage_l1", b"illuminance", b"Cel", b"MY3P-00000000101"):
        assert name not in on_the_card


def test_a_demo_that_does_not_exist_is_refused_with_what_there_is() -> None:
    run = subprocess.run(
        [*DEMO, "submarine"],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )

    assert run.returncode == 2
    assert "lighting" in run.stderr
