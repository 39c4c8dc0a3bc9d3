"""Keys of a site that readers want: files beside the test."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

SECRET = bytes(range(100, 132))
READER_KEYS = {address: bytes([address] * 8 + [0xA5] * 8) for address in range(4)}


def credential_key(folder: Path) -> Path:
    """Write the key of the site; return its file."""
    return _written(folder / "credential.key", SECRET)


def reader_key(folder: Path, address: int, key: bytes | None = None) -> Path:
    """Write the key of a reader; return its file."""
    return _written(folder / f"reader-{address}.key", key or READER_KEYS[address])


def digest(canonical: bytes) -> str:
    """Return the digest as the page says that it is made."""
    made = hmac.new(SECRET, b"mayak credential 1\0" + canonical, hashlib.sha256)
    return made.hexdigest()[:32]


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o600)
    return path
