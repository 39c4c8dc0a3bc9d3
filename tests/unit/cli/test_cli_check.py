"""`mayak check` and `mayak config`: output for people and for scripts, exit codes."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from gateway.cli.check import check, config

SITE = """\
[gateway]
id = "nvr-lenina-12"
[keys]
device_key = "device.key"
device_certificate = "device.pem"
[[consumer]]
id = "city"
audiences = ["operations"]
hpke_keys = ["city-hpke.pub"]
sign_keys = ["city-sign.pem"]
[uplink]
consumer = "city"
host = "127.0.0.1"
tls = false
[[line]]
id = "meter-net"
medium = "tcp"
host = "127.0.0.1"
port = PORT
[[device]]
id = "meter-1"
line = "meter-net"
driver = "modbus"
profile = "two-points"
unit = 1
"""
PROFILE = """\
name = "two-points"
title = { ru = "Две точки", en = "Two points" }

[source]
document = "this test"
edition = "1"
where = "here"

[groups]
fast = 1.0

[[point]]
name = "voltage"
table = "input"
address = 0
type = "u16"
unit = "V"

[[point]]
name = "door_open"
table = "discrete"
address = 1

[[vector]]
request = "02 00 01 00 01"
answer = "02 01 01"
values = { door_open = true }
"""
FIVE = {
    'id = "nvr-lenina-12"': 'id = "nvr lenina"',
    "tls = false": "tls = 0",
    'medium = "tcp"': 'medium = "tpc"',
    'driver = "modbus"': 'driver = "modbus"\nbeat_s = 1',
    "unit = 1": "unit = 300",
}

Write = Callable[..., Path]


@pytest.fixture
def listening() -> Iterator[int]:
    """Return a port of this machine that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def write(tmp_path: Path, listening: int) -> Write:
    """Return what writes a site file, with its profile and keys beside it."""
    for name in ("device.key", "device.pem", "city-hpke.pub", "city-sign.pem"):
        (tmp_path / name).touch()
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles/two-points.toml").write_text(PROFILE, encoding="utf-8")

    def site(name: str = "site.toml", **changes: str) -> Path:
        text = SITE.replace("PORT", str(listening))
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return site


def _run(app: Typer, *arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.stdout, result.stderr


def _json(app: Typer, *arguments: object) -> tuple[int, Any]:
    code, out, _ = _run(app, *arguments, "--json")
    return code, json.loads(out)


def test_a_sound_site_is_said_to_be_so_with_counts(write: Write) -> None:
    path = write()
    assert _run(check, path, "--lang", "en") == (
        0,
        f"{path} is sound: 1 line, 1 device, 2 points.\n",
        "",
    )
    said = _run(check, path, "--lang", "ru", "--probe")[1]
    assert said == f"Файл {path} в порядке: 1 линия, 1 прибор, 2 точки.\n"
    assert _json(check, path) == (0, [])
    assert _json(check, path, "--probe") == (0, [])


def test_five_mistakes_give_five_objects_with_lines_and_exit_code_78(write: Write) -> None:
    path = write(**FIVE)
    code, mistakes = _json(check, path, "--lang", "en")
    assert code == 78
    assert [(each["line"], each["option"]) for each in mistakes] == [
        (2, "gateway.id"),
        (14, "uplink.tls"),
        (17, "line.medium"),
        (24, "device.beat_s"),
        (26, "device.unit"),
    ]
    assert {each["file"] for each in mistakes} == {str(path)}
    assert mistakes[4]["message"].startswith("Found 300, allowed: a whole number from")


def test_five_mistakes_are_shown_to_people_with_a_mark_each(write: Write) -> None:
    path = write(**FIVE)
    code, out, _ = _run(check, path, "--lang", "en")
    assert code == 78
    assert f"{path}:26: device.unit\n   26 | unit = 300\n      | ^^^^\n  Found 300," in out
    assert out.count("| ^") == 5
    assert out.endswith(f"5 mistakes in {path}.\n")


def test_a_file_that_is_not_there_is_one_mistake_with_line_0(tmp_path: Path) -> None:
    code, (mistake,) = _json(check, tmp_path / "no.toml")
    assert (code, mistake["line"], mistake["option"]) == (78, 0, "")
    assert _run(check, tmp_path / "no.toml")[0] == 78


def test_a_port_that_is_not_there_is_a_note_and_with_probe_a_mistake(write: Write) -> None:
    path = write(
        **{
            'medium = "tcp"\nhost = "127.0.0.1"': 'medium = "serial"',
            "port = ": "port = '/dev/no' #",
        }
    )
    code, out, _ = _run(check, path, "--lang", "en")
    assert code == 0
    assert out.startswith(f"Note: {path}:18: there is no port /dev/no")
    assert _json(check, path) == (0, [])
    code, (mistake,) = _json(check, path, "--probe")
    assert (code, mistake["line"], mistake["option"]) == (78, 18, "line.port")
    assert _run(check, path, "--probe")[0] == 78


def test_a_key_that_is_not_there_is_a_note_and_with_probe_a_mistake(write: Write) -> None:
    path = write()
    (path.parent / "device.key").unlink()
    assert _run(check, path, "--lang", "en")[1].startswith(f"Note: {path}:4: There is no file")
    code, (mistake,) = _json(check, path, "--probe")
    assert (code, mistake["line"], mistake["option"]) == (78, 4, "keys.device_key")


def test_the_language_is_that_of_the_terminal_unless_it_is_chosen(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    monkeypatch.setenv("LANG", "ru_RU.UTF-8")
    assert "в порядке" in _run(check, write())[1]
    assert "is sound" in _run(check, write(), "--lang", "en")[1]


def test_explain_tells_each_value_with_its_source(write: Write) -> None:
    path = write()
    code, rows = _json(config, "explain", path)
    assert code == 0
    by_option = {row["option"]: row for row in rows}
    assert by_option["device.meter-1.unit"] == {
        "option": "device.meter-1.unit",
        "value": 1,
        "source": "file",
        "file": str(path),
        "line": 25,
    }
    default = by_option["device.meter-1.response_timeout_s"]
    assert (default["source"], default["file"], default["line"]) == ("default", None, None)
    assert by_option["keys.device_key"]["value"] == str(path.parent / "device.key")
    _, out, _ = _run(config, "explain", path, "--lang", "en")
    (row,) = (line for line in out.splitlines() if line.startswith("device.meter-1.unit"))
    assert row.split() == ["device.meter-1.unit", "1", "site.toml:25"]


def test_explain_of_a_site_with_mistakes_tells_them_where_errors_go(write: Write) -> None:
    path = write(**FIVE)
    code, out, errors = _run(config, "explain", path, "--lang", "en")
    assert (code, out) == (78, "")
    assert "5 mistakes in" in errors
    code, out, errors = _run(config, "explain", path, "--json")
    assert (code, out, len(json.loads(errors))) == (78, "", 5)


def test_diff_tells_changes_and_restarts(write: Write) -> None:
    old = write("old.toml")
    new = write("new.toml", **{"unit = 1": "unit = 1\nperiod_s = 5"})
    code, out, _ = _run(config, "diff", old, new, "--lang", "en")
    assert code == 0
    assert out == (
        "device meter-1: period_s nothing -> 5.0.\nUnchanged: 7.\nRestarted: device meter-1.\n"
    )
    code, told = _json(config, "diff", old, new)
    assert code == 0
    assert [change["option"] for change in told["changes"]] == ["period_s"]
    assert told["restarted"] == [{"section": "device", "name": "meter-1"}]
    assert told["unchanged"] == 7


def test_diff_of_a_site_with_itself_says_that_nothing_changes(write: Write) -> None:
    path = write()
    assert _run(config, "diff", path, path, "--lang", "ru")[1] == (
        "Ничего не меняется.\nБез изменений: 8.\n"
    )


def test_the_schema_holds_the_options_of_what_is_installed() -> None:
    code, out, _ = _run(config, "schema")
    assert code == 0
    kinds = json.loads(out)["properties"]["line"]["items"]["oneOf"]
    media = {kind["properties"]["medium"]["const"] for kind in kinds}
    assert {"serial", "tcp"} <= media


def test_the_schema_of_profiles_is_printed_or_said_not_to_be_there() -> None:
    code, out, errors = _run(config, "schema", "--profile")
    assert (code == 0 and "$schema" in json.loads(out)) or (code == 69 and errors)
