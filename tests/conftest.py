"""What all tests share; `tests/README.md` lists the fixtures."""

from __future__ import annotations

import os
import random
import secrets
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from gateway.model.clock import SystemClock
from gateway.model.ids import GatewayId
from provisioning.authority import Authority
from tests import broker, postgres
from tests.clock import HandClock

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"
CI = os.environ.get("CI") == "true"
SEED = "MAYAK_SEED"

pytest_plugins = ["pytester"]

GATEWAYS = (GatewayId("nvr-lenina-12"), GatewayId("nvr-lenina-14"))
"""Whom the `authority` knows."""

settings.register_profile(
    "dev", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if CI else "dev"))


def pytest_configure() -> None:
    """Choose the seed once, before workers start: they inherit it."""
    os.environ.setdefault(SEED, str(secrets.randbelow(2**32)))


def pytest_report_header() -> list[str]:
    """Say with what the run can be repeated."""
    return [f"seed: {SEED}={os.environ[SEED]}"]


def _fail_a_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure in CI, where everything is installed; only ../shared may lack."""
    if not (CI and report.skipped) or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if "../shared" not in reason:
        report.outcome = "failed"
        report.longrepr = f"nothing is skipped in CI: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at each result of a test."""
    report = yield
    _fail_a_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Look at each file that was collected: a whole file may skip itself."""
    report = yield
    _fail_a_skip(report)
    return report


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands until the test turns it."""
    return HandClock()


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Chance that comes again: seeded by MAYAK_SEED and the name of the test, and printed."""
    seed = f"{os.environ[SEED]}:{request.node.nodeid}"
    sys.stdout.write(f"seed: {seed}\n")
    return random.Random(seed)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority with a broker for the loopback, the GATEWAYS and the consumer `city`."""
    folder = tmp_path_factory.mktemp("authority")
    return Authority.create(folder, SystemClock(), gateways=GATEWAYS)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Callable[..., broker.Mosquitto]]:
    """Start real brokers: `mosquitto()` plain, `mosquitto(authority)` with mutual TLS 1.3.

    `config="..."` adds lines to mosquitto.conf. All are ended after the test.
    """
    program = broker.find()
    if program is None:
        pytest.skip("mosquitto is not installed")
    running: list[broker.Mosquitto] = []

    def start(authority: Authority | None = None, *, config: str = "") -> broker.Mosquitto:
        folder = tmp_path / f"mosquitto-{len(running)}"
        folder.mkdir()
        one = broker.Mosquitto(program, folder, authority, config)
        running.append(one)
        one.start()
        return one

    yield start
    for one in running:
        one.stop()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Postgres]:
    """A PostgreSQL server of this session (of this worker): a test makes databases in it."""
    programs = postgres.find()
    if programs is None:
        pytest.skip("postgresql is not installed")
    server = postgres.Postgres(programs)
    try:
        server.make()
        yield server
    finally:
        server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def platform_db(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """An empty database for the receiver: a file, and then one on a server."""
    if request.param == "sqlite":
        return tmp_path / "platform.db"
    server: postgres.Postgres = request.getfixturevalue("postgres_server")
    return server.database()


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder of recordings and models beside the repository."""
    if not SHARED.is_dir():
        pytest.skip("../shared is absent")
    return SHARED
