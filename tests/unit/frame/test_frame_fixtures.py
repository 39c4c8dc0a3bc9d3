"""The fixtures themselves: a clock that lies or a skip that hides would make every test lie."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from gateway.model.clock import Clock, Trust
from tests.clock import HandClock
from tests.conftest import ROOT, SEED


def test_the_clock_stands_until_it_is_turned(clock: HandClock) -> None:
    as_clock: Clock = clock
    first = as_clock.now()
    assert as_clock.now() == first
    later = clock.advance(1.5)
    assert (later.mono_ms - first.mono_ms, later.wall_ms - first.wall_ms) == (1500, 1500)
    assert as_clock.monotonic_s() == later.mono_ms / 1000


def test_the_wall_jumps_and_the_monotonic_clock_does_not_notice(clock: HandClock) -> None:
    before = clock.now()
    after = clock.set_wall(0, Trust.UNSET)
    assert after == (before.mono_ms, 0, Trust.UNSET)
    with pytest.raises(ValueError, match="back"):
        clock.advance(-1)


def test_a_reboot_changes_the_boot_id(clock: HandClock) -> None:
    before = clock.boot
    assert clock.reboot() == (0, 0, Trust.UNSET)
    assert clock.boot != before


def test_chance_comes_again_under_the_same_seed(
    rng: random.Random, request: pytest.FixtureRequest
) -> None:
    seed = f"{os.environ[SEED]}:{request.node.nodeid}"
    assert random.Random(seed).random() == rng.random()


SKIPS = """
import pytest

def test_wants_a_program():
    pytest.skip("mosquitto is not installed")

@pytest.mark.xfail(strict=True)
def test_is_known_to_fail():
    assert False

def test_wants_a_recording():
    pytest.skip("../shared is absent")
"""


@pytest.mark.parametrize(
    ("ci", "outcomes"),
    [
        ("true", {"failed": 1, "xfailed": 1, "skipped": 1}),
        ("false", {"xfailed": 1, "skipped": 2}),
    ],
    ids=["in CI", "at a desk"],
)
def test_a_skip_fails_in_ci_unless_shared_is_absent(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    ci: str,
    outcomes: dict[str, int],
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest((ROOT / "tests/conftest.py").read_text())
    pytester.makepyfile(SKIPS)
    assert pytester.runpytest_subprocess("-p", "no:cacheprovider").parseoutcomes() == outcomes


def test_a_file_that_skips_itself_fails_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeconftest((ROOT / "tests/conftest.py").read_text())
    pytester.makepyfile("import pytest\npytest.importorskip('no_such_module')\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert result.parseoutcomes() == {"errors": 1}
    result.stdout.fnmatch_lines(["*nothing is skipped in CI*no_such_module*"])


def test_the_locks_name_no_registry_and_no_machine() -> None:
    for lock in (ROOT / ".ci/locks").glob("*.txt"):
        lines = lock.read_text().splitlines()
        assert not [line for line in lines if "://" in line or line.startswith(("-", "/"))]


def test_every_package_of_a_lock_has_a_hash() -> None:
    for lock in (ROOT / ".ci/locks").glob("*.txt"):
        joined = lock.read_text().replace("\\\n", " ").splitlines()
        pins = [line for line in joined if "==" in line]
        assert len(pins) > 10
        assert [pin for pin in pins if "--hash=sha256:" not in pin] == []


def test_the_run_lock_agrees_with_the_dev_lock() -> None:
    def pins(lock: Path) -> set[str]:
        return {line.split()[0] for line in lock.read_text().splitlines() if "==" in line}

    assert pins(ROOT / ".ci/locks/run.txt") <= pins(ROOT / ".ci/locks/dev.txt")
