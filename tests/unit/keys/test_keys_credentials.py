"""Who may read a key: its owner; and what systemd hands to this service alone is let pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.keys.device import load_device_key, read_pin
from gateway.model.errors import ConfigError, KeyRefusedError
from provisioning.authority import Authority
from tests.conftest import GATEWAYS


@pytest.fixture
def folder(tmp_path: Path, authority: Authority) -> Path:
    """A key, a certificate and a PIN, the way an ACL makes them look: readable by the group."""
    for name in ("device.key", "device.pem"):
        content = (authority.folder / "gateways" / GATEWAYS[0] / name).read_bytes()
        (tmp_path / name).write_bytes(content)
    (tmp_path / "pin").write_text("1357", encoding="ascii")
    for name in ("device.key", "pin"):
        (tmp_path / name).chmod(0o440)
    return tmp_path


def test_a_credential_of_this_service_is_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert len(load_device_key(folder / "device.key", folder / "device.pem").sign(b"x")) == 64
    assert read_pin(folder / "pin") == "1357"


@pytest.mark.parametrize("elsewhere", [None, "", "/run/credentials/mayak.service"])
def test_a_file_of_the_same_mode_elsewhere_is_not(
    folder: Path, elsewhere: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    if elsewhere is not None:
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", elsewhere)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_device_key(folder / "device.key", folder / "device.pem")
    with pytest.raises(KeyRefusedError, match="chmod 600"):
        read_pin(folder / "pin")
