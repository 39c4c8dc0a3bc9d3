"""`mayak sim` as a program: ready file, orders, a clean end on SIGTERM, and what it refuses."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from simulators.cli import app
from simulators.faults import FAULTS
from simulators.modbus import mbap
from simulators.scene import parse_scene
from simulators.truth import read_truth

PROGRAM = [sys.executable, "-c", "from simulators.cli import app; app(prog_name='mayak sim')"]
BOUND_S = 15.0
COUNTER = mbap.wrap(1, 1, bytes.fromhex("04 001E 0002"))


@contextmanager
def program(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run it with pipes on all three ends; it is ended after the test."""
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as running:
        try:
            yield running
        finally:
            if running.poll() is None:
                running.kill()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def address(ready: Path) -> dict[str, Any]:  # Any: plain JSON
    until(ready.exists)
    found: dict[str, Any] = json.loads(ready.read_text())
    return found


def order(running: subprocess.Popen[str], line: str) -> None:
    assert running.stdin is not None
    running.stdin.write(line + "\n")
    running.stdin.flush()


def test_command_line_plays_a_scene_until_sigterm_and_writes_the_truth(tmp_path: Path) -> None:
    ready, truth = tmp_path / "ready.json", tmp_path / "truth.jsonl"
    with program("run", "lighting", "--json", f"--ready={ready}", f"--truth={truth}") as running:
        told = address(ready)
        assert told["pid"] == running.pid
        assert told["lines"]["cabinet-485"]["baud_rate"] == 9600
        net = told["lines"]["meter-net"]
        with socket.create_connection((net["host"], net["port"]), timeout=BOUND_S) as client:
            for number in (1, 2, 3):
                client.sendall(COUNTER)
                assert client.recv(100)[-1] == number
            order(running, '{"twin": "meter-1", "fault": "exception", "code": 6}')
            order(running, '{"twin": "meter-9", "fault": "exception"}')
            order(running, "what?")
            code = 4
            deadline = time.monotonic() + BOUND_S
            while code != 0x84 and time.monotonic() < deadline:
                client.sendall(COUNTER)
                code = client.recv(100)[7]
            assert code == 0x84
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=BOUND_S)
    assert running.returncode == 0
    assert "no twin 'meter-9'" in err
    assert "not JSON: 'what?'" in err
    last = json.loads(out.splitlines()[-1])["twins"]["meter-1"]
    assert [fault["fault"] for fault in last["faults"]] == ["exception"]
    assert last["struck"] >= 1
    served = [entry.number for entry in read_truth(truth)]
    assert served == list(range(1, last["answers"] + 1))


def test_command_line_ends_by_itself_and_shows_tables() -> None:
    with program("run", "lighting", "--for", "300ms") as running:
        out, err = running.communicate(timeout=BOUND_S)
    assert (running.returncode, err) == (0, "")
    assert "meter-1" in out
    assert "listening" in out


def test_command_line_proxy_obeys_modes(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    with socket.create_server(("127.0.0.1", 0)) as target:
        port = target.getsockname()[1]
        with program("proxy", f"--to=127.0.0.1:{port}", f"--ready={ready}") as running:
            link = address(ready)
            client = socket.create_connection((link["host"], link["port"]), timeout=BOUND_S)
            far, _peer = target.accept()
            client.sendall(b"through")
            assert far.recv(100) == b"through"
            order(running, '{"mode": "gone"}')
            order(running, '{"mode": "cut"}')
            client.settimeout(BOUND_S)
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""
            client.close()
            far.close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((link["host"], link["port"]), timeout=BOUND_S)
            running.send_signal(signal.SIGINT)
            out, err = running.communicate(timeout=BOUND_S)
    assert running.returncode == 0
    assert out.splitlines()[1:] == ["cut"]
    assert "no mode 'gone'; there are: pass, cut" in err


def test_command_line_lists_every_fault() -> None:
    plain = CliRunner().invoke(app, ["faults"])
    assert plain.exit_code == 0
    assert all(name in plain.output for name in FAULTS)
    listed = CliRunner().invoke(app, ["faults", "--json"])
    assert [item["fault"] for item in json.loads(listed.output)] == list(FAULTS)


def test_command_line_prints_a_load_scene() -> None:
    made = CliRunner().invoke(app, ["load", "--devices", "3", "--registers", "9"])
    assert made.exit_code == 0
    assert len(parse_scene(made.output, "load").twin) == 3


REFUSED = {
    "no such scene": (["run", "nowhere"], "no such scene or file"),
    "no duration": (["run", "lighting", "--for", "soon"], "is no duration"),
    "no endpoint": (["proxy", "--to", "here"], "is not HOST:PORT"),
    "too many devices": (["load", "--devices", "300"], "247 units"),
}


@pytest.mark.parametrize(("arguments", "says"), REFUSED.values(), ids=REFUSED)
def test_command_line_refuses(arguments: list[str], says: str) -> None:
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code not in {0, None}
    assert says in refused.output


def test_command_line_says_every_mistake_of_a_scene_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "scene.toml"
    file.write_text('[[line]]\nid = "a"\nmedium = "tcp"\nspeed = 3\n\n[[twin]]\nid = "b"\n')
    refused = CliRunner().invoke(app, ["run", str(file)])
    assert refused.exit_code == 78
    assert f"{file}:4: line[0].speed: no such option" in refused.output
    assert f"{file}:6: " in refused.output


def test_command_line_says_when_a_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        scene = tmp_path / "scene.toml"
        scene.write_text(
            f'[[line]]\nid = "a"\nmedium = "tcp"\nport = {port}\n\n'
            '[[twin]]\nid = "b"\nline = "a"\nkind = "door"\n'
        )
        with program("run", str(scene)) as running:
            _out, err = running.communicate(timeout=BOUND_S)
    assert running.returncode == 1
    assert "address already in use" in err
    assert "Traceback" not in err
