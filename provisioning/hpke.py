"""Key pairs of a consumer to which epoch keys are wrapped, as files.

A file is JSON: `{"kem": "mlkem768-x25519" | "x25519", "public": base64}`; the private one says
`private` in the place of `public`.

| kem | private, bytes | public, bytes |
|---|---|---|
| mlkem768-x25519 | ML-KEM-768 seed (64), X25519 (32) | encapsulation key (1184), X25519 (32) |
| x25519 | X25519 (32) | X25519 (32) |

Source: RFC 9180 §7.1 (X25519); FIPS 203 §7.1 and §8 (ML-KEM-768: seed d || z, sizes).
"""

from __future__ import annotations

import base64
import json
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey


class Kem(StrEnum):
    """How an epoch key is wrapped."""

    HYBRID = "mlkem768-x25519"
    """Holds as long as one of the two does: the default."""
    X25519 = "x25519"


DEFAULT_KEM: Final = Kem.HYBRID


def new_pair(kem: Kem = DEFAULT_KEM) -> tuple[bytes, bytes]:
    """Make a key pair; return the contents of its private and of its public file."""
    curve = X25519PrivateKey.generate()
    private = curve.private_bytes_raw()
    public = curve.public_key().public_bytes_raw()
    if kem is Kem.HYBRID:
        lattice = MLKEM768PrivateKey.generate()
        private = lattice.private_bytes_raw() + private
        public = lattice.public_key().public_bytes_raw() + public
    return _file(kem, "private", private), _file(kem, "public", public)


def _file(kem: Kem, part: str, raw: bytes) -> bytes:
    text = json.dumps({"kem": kem.value, part: base64.b64encode(raw).decode("ascii")}, indent=2)
    return text.encode("ascii") + b"\n"
