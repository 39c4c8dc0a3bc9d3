from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from provisioning.cli import ca

MADE = [
    "broker.key",
    "broker.pem",
    "ca.key",
    "ca.pem",
    "city-hpke.key",
    "city-hpke.pub",
    "city-sign.key",
    "city-sign.pem",
    "gateways/nvr-1/device.key",
    "gateways/nvr-1/device.pem",
    "platform-city.key",
    "platform-city.pem",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    result = CliRunner().invoke(ca, ["new", str(folder), "--gateway", "nvr-1"])
    assert result.exit_code == 0, result.output
    return folder


def test_new_as_json_names_every_file(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    result = CliRunner().invoke(ca, ["new", str(folder), "--gateway", "nvr-1", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"folder": str(folder), "files": MADE}
    assert all((folder / name).is_file() for name in MADE)


def test_new_takes_consumers_hosts_and_kem(tmp_path: Path) -> None:
    options = ["--consumer", "heat", "--host", "mqtt.city", "--kem", "x25519"]
    result = CliRunner().invoke(ca, ["new", str(tmp_path / "keys"), *options])
    assert result.exit_code == 0
    assert json.loads((tmp_path / "keys/heat-hpke.pub").read_text())["kem"] == "x25519"
    assert not (tmp_path / "keys/city-hpke.pub").exists()


def test_new_where_one_stands_ends_with_1_and_says_why(folder: Path) -> None:
    result = CliRunner().invoke(ca, ["new", str(folder), "--gateway", "nvr-1"])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "nothing was written" in " ".join(result.stderr.split())


def test_new_in_a_place_that_cannot_be_written_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(ca, ["new", str(tmp_path / "file" / "keys"), "--gateway", "a"])
    assert result.exit_code == 1
    assert result.stderr


def test_add_names_only_what_is_new(folder: Path) -> None:
    result = CliRunner().invoke(ca, ["add", str(folder), "--gateway", "nvr-2", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["files"] == [
        "gateways/nvr-2/device.key",
        "gateways/nvr-2/device.pem",
    ]


def test_renew_renews_what_ends_within_the_days_asked(folder: Path) -> None:
    assert "Nothing to do" in CliRunner().invoke(ca, ["renew", str(folder)]).stdout
    result = CliRunner().invoke(ca, ["renew", str(folder), "--within-days", "800", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["files"] == [
        "broker.pem",
        "gateways/nvr-1/device.pem",
        "platform-city.pem",
    ]


def test_show_says_for_whom_and_as_what(folder: Path) -> None:
    result = CliRunner().invoke(ca, ["show", str(folder), "--json"])
    rows = json.loads(result.stdout)["certificates"]
    assert [(row["file"], row["name"], row["use"]) for row in rows] == [
        ("ca.pem", "Mayak authority", "authority"),
        ("broker.pem", "broker", "server"),
        ("gateways/nvr-1/device.pem", "nvr-1", "client"),
        ("platform-city.pem", "platform-city", "client"),
    ]


def test_show_for_people_lists_each_name(folder: Path) -> None:
    result = CliRunner().invoke(ca, ["show", str(folder)])
    assert result.exit_code == 0
    assert "nvr-1" in result.stdout
    assert "729" in result.stdout


def test_show_of_no_authority_ends_with_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(ca, ["show", str(tmp_path)])
    assert result.exit_code == 1
    assert "ca.pem" in result.stderr
