"""`mayak` itself: finding the command, exit codes, help."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path

import pytest
import typer

from gateway import cli
from gateway.model.errors import ConfigError, GatewayError, LinkDownError, Mistake

app = typer.Typer()


@app.command()
def typed(code: int = 0) -> None:
    """A command on typer."""
    if code < 0:
        msg = "no link"
        raise LinkDownError(msg)
    raise typer.Exit(code)


def plain(argv: Sequence[str]) -> int:
    """A command that starts light."""
    return len(argv)


def misconfigured(_argv: Sequence[str]) -> int:
    """Has two mistakes."""
    raise ConfigError([Mistake(Path("site.toml"), n, "x", "is wrong") for n in (3, 7)])


def broken(_argv: Sequence[str]) -> int:
    """Breaks on purpose."""
    msg = "there is no store"
    raise GatewayError(msg)


def interrupted(_argv: Sequence[str]) -> int:
    """Is interrupted."""
    raise KeyboardInterrupt


NAMES = ("app", "plain", "misconfigured", "broken", "interrupted")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the commands of this page in the place of ours."""
    monkeypatch.setitem(sys.modules, "commands_of_the_test", sys.modules[__name__])
    ours = EntryPoints(
        EntryPoint(name, f"commands_of_the_test:{name}", cli.GROUP) for name in NAMES
    )
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: ours.select(group=group))


Capture = pytest.CaptureFixture[str]


@pytest.mark.usefixtures("commands")
def test_a_light_command_gets_its_arguments_and_gives_its_exit_code() -> None:
    assert cli.main(["plain", "a", "--b"]) == 2


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_typer_command_gives_its_exit_code(code: int) -> None:
    assert cli.main(["app", "--code", str(code)]) == code


@pytest.mark.usefixtures("commands")
def test_an_option_that_is_none_is_a_failure(capsys: Capture) -> None:
    assert cli.main(["app", "--speed", "9"]) == 2
    assert "--speed" in capsys.readouterr().err


@pytest.mark.usefixtures("commands")
def test_mistakes_of_a_configuration_are_all_told_and_systemd_does_not_restart_us(
    capsys: Capture,
) -> None:
    assert cli.main(["misconfigured"]) == 78
    assert capsys.readouterr().err.splitlines() == [
        "site.toml:3: x: is wrong",
        "site.toml:7: x: is wrong",
    ]


CANNOT = {
    "light": (["broken"], "mayak broken: there is no store\n"),
    "typer": (["app", "--code", "-1"], "mayak app: no link\n"),
}


@pytest.mark.usefixtures("commands")
@pytest.mark.parametrize("case", CANNOT.values(), ids=CANNOT.keys())
def test_what_cannot_be_done_now_is_one_sentence(
    capsys: Capture, case: tuple[list[str], str]
) -> None:
    arguments, sentence = case

    assert cli.main(arguments) == 69
    assert capsys.readouterr().err == sentence


@pytest.mark.usefixtures("commands")
def test_an_interrupt_is_told_by_the_exit_code_alone(capsys: Capture) -> None:
    assert cli.main(["interrupted"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("commands")
def test_a_command_that_is_almost_one_is_suggested(capsys: Capture) -> None:
    assert cli.main(["plane"]) == 64
    assert capsys.readouterr().err == (
        "mayak: there is no command 'plane'. Did you mean 'plain'? See: mayak --help\n"
    )


@pytest.mark.usefixtures("commands")
def test_a_command_that_is_like_none_is_not_guessed_at(capsys: Capture) -> None:
    assert cli.main(["zzz"]) == 64
    assert "Did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"], ["help"]])
def test_help_lists_every_command_with_a_sentence(capsys: Capture, arguments: list[str]) -> None:
    assert cli.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = dict(line.strip().split(None, 1) for line in lines if line.startswith("  "))
    others = {entry.name for entry in entry_points(group=cli.GROUP)}
    ours = ["run", "check", "config", "read", "write", "doctor", "scan", "store", "tap"]
    assert set(ours) == set(cli.OURS)
    assert set(listed) == others | set(cli.OURS)
    assert all(sentence.strip().endswith(".") for sentence in listed.values())


def test_the_version_is_told(capsys: Capture) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("mayak 0.")


def test_the_agent_starts_without_the_terminal_libraries() -> None:
    script = (
        "import sys, gateway.cli.run, drivers.modbus.driver, drivers.media.serial_line;"
        "print(sorted({m.split('.')[0] for m in sys.modules}))"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=plain
    ).stdout
    for heavy in ("typer", "rich", "simulators", "provisioning", "sqlite_utils", "multiprocessing"):
        assert f"'{heavy}'" not in loaded


@pytest.mark.parametrize("buffered", [(), ("-u",)], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("arguments", [("--help",), ("config", "schema")], ids=["light", "typer"])
def test_a_reader_that_goes_away_is_no_trace_of_calls(
    buffered: tuple[str, ...], arguments: tuple[str, ...]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        run = subprocess.run(
            [sys.executable, *buffered, "-m", "gateway", *arguments],
            stdout=writing,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writing)
    assert run.stderr == b""
    assert run.returncode != 0
