"""What the service manager is told, received on a real socket."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.health.watchdog import Notifier, feed, watchdog_interval_s
from tests import virtual_time
from tests.virtual_time import VirtualClock


class Manager:
    """The end of systemd."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def heard(self) -> list[str]:
        messages = []
        while True:
            try:
                messages.append(self._sock.recv(4096).decode())
            except BlockingIOError:
                return messages

    def close(self) -> None:
        self._sock.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    abstract = request.param == "abstract"
    made = Manager(f"@mayak-{secrets.token_hex(8)}" if abstract else str(tmp_path / "notify"))
    yield made
    made.close()


def test_the_manager_hears_start_life_and_stop(manager: Manager) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.address})
    notifier.ready("3 lines")
    notifier.alive()
    notifier.status("two lines\nof text")
    notifier.stopping()
    assert manager.heard() == [
        "READY=1\nSTATUS=3 lines",
        "WATCHDOG=1",
        "STATUS=two lines of text",
        "STOPPING=1",
    ]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_manager_nothing_happens(
    environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    Notifier.from_environment(environ).ready()
    assert caplog.records == []


def test_a_manager_that_is_gone_is_one_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier(str(tmp_path / "nobody"))
    notifier.alive()
    notifier.alive()
    assert [record.message for record in caplog.records] == ["service-manager-unreachable"]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"WATCHDOG_USEC": "30000000"}, 15.0, id="half"),
        pytest.param({"WATCHDOG_USEC": "0"}, None, id="zero"),
        pytest.param({"WATCHDOG_USEC": "soon"}, None, id="no-number"),
        pytest.param({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, None, id="of-another"),
        pytest.param(
            {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}, 1.0, id="ours"
        ),
    ],
)
def test_the_interval_is_half_of_what_the_manager_allows(
    environ: dict[str, str], expected: float | None
) -> None:
    assert watchdog_interval_s(environ) == expected


@given(st.dictionaries(st.sampled_from(["WATCHDOG_USEC", "WATCHDOG_PID"]), st.text(max_size=8)))
def test_any_environment_gives_an_interval_or_none(environ: dict[str, str]) -> None:
    interval_s = watchdog_interval_s(environ)
    assert interval_s is None or interval_s > 0


def test_the_watchdog_is_fed_only_while_everybody_shows_life(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = Manager(str(tmp_path / "notify"))
    silent: list[str] = []

    async def main(_: VirtualClock) -> list[list[str]]:
        heard = []
        async with asyncio.TaskGroup() as group:
            notifier = Notifier(manager.address)
            task = group.create_task(feed(notifier, lambda: tuple(silent), 5.0), name="watchdog")
            await asyncio.sleep(12)
            heard.append(manager.heard())
            silent.append("poller:a")
            await asyncio.sleep(30)
            heard.append(manager.heard())
            silent.clear()
            await asyncio.sleep(5)
            heard.append(manager.heard())
            task.cancel()
        return heard

    with caplog.at_level(logging.INFO):
        well, ill, well_again = virtual_time.run(main)
    manager.close()
    assert well == ["WATCHDOG=1"] * 3
    assert ill == ["STATUS=no sign of life: poller:a"]
    assert well_again == ["WATCHDOG=1", "STATUS=running"]
    assert [r.message for r in caplog.records] == ["no-sign-of-life", "signs-of-life"]


def test_without_a_watchdog_feeding_ends_at_once() -> None:
    async def main(_: VirtualClock) -> None:
        await feed(Notifier(None), tuple, None)

    virtual_time.run(main)
