"""Any bytes as a profile: a register map, or mistakes with their lines."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from drivers.modbus.profile import ProfileError, parse_profile


def one(data: bytes) -> None:
    """Read the bytes as a text."""
    with suppress(ProfileError):
        parse_profile(data.decode("utf-8", "replace"), Path("thing.toml"))
