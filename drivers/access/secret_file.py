"""Keys of the site in files: who may read them, how long they are. Nothing here tells a key."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from drivers.access.credential import CredentialKey

SHORTEST_KEY: Final = 32
LONGEST_KEY: Final = 4096
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def read_secret(path: Path) -> bytes:
    """Return the content of a file that nobody but its owner can read.

    Raises:
        ValueError: it cannot be read, or others can.
    """
    try:
        with path.open("rb") as file:
            mode = path.stat().st_mode
            content = file.read(LONGEST_KEY + 1)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}"
        raise ValueError(msg) from error
    if not stat.S_ISREG(mode):
        msg = f"{path} is no file"
        raise ValueError(msg)
    if mode & _OTHERS:
        msg = f"{path} can be read by others than its owner: chmod 600"
        raise ValueError(msg)
    return content


def read_credential_key(path: Path) -> CredentialKey:
    """Return the key that digests of credentials are made with.

    Raises:
        ValueError: it cannot be read, others can read it, or it is too short.
    """
    secret = read_secret(path)
    if not SHORTEST_KEY <= len(secret) <= LONGEST_KEY:
        msg = f"{path}: a key has {SHORTEST_KEY} to {LONGEST_KEY} bytes: head -c 32 /dev/urandom"
        raise ValueError(msg)
    return CredentialKey(secret)


def is_credential_key(path: Any, _before: Mapping[str, Any], _site_dir: Path | None) -> None:
    """Check the option `credential_key` where a site is checked.

    Raises:
        ValueError: as `read_credential_key`.
    """
    read_credential_key(path)
