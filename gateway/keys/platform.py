"""The platform's public keys: to whom epoch keys are wrapped, and whose acknowledgements count."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PublicKey, Suite
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from gateway.keys.cose import KID, Headers
from gateway.model.errors import ConfigError, Mistake
from gateway.model.ids import ConsumerId

KID_LEN: Final = 8
KEY_LEN: Final = 32
"""Bytes of what is wrapped."""
MLKEM768_LEN: Final = 1184
X25519_LEN: Final = 32

KDF_HKDF_SHA256: Final = 1
AEAD_CHACHA20_POLY1305: Final = 3
KEM_IDS: Final = {"mlkem768-x25519": 0x647A, "x25519": 0x0020}
"""HPKE KEM identifiers: 0x0020 RFC 9180 §7.1, 0x647a draft-ietf-hpke-pq (hybrid, the default)."""

_KEMS: Final = {"mlkem768-x25519": KEM.MLKEM768_X25519, "x25519": KEM.X25519}


@dataclass(frozen=True, slots=True)
class Recipient:
    """One HPKE public key of one consumer."""

    consumer: ConsumerId
    kid: bytes
    kem: str
    key: x25519.X25519PublicKey | MLKEM768X25519PublicKey

    @property
    def suite(self) -> list[int]:
        """Return the HPKE identifiers `[kem, kdf, aead]` as the wire carries them."""
        return [KEM_IDS[self.kem], KDF_HKDF_SHA256, AEAD_CHACHA20_POLY1305]

    def wrap(self, epoch_key: bytes, info: bytes) -> bytes:
        """Return enc and ciphertext: the key sealed to this recipient (RFC 9180 §6.1, base)."""
        suite = Suite(_KEMS[self.kem], KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
        return suite.encrypt(epoch_key, self.key, info)


def load_recipient(consumer: ConsumerId, file: Path) -> Recipient:
    """Load an HPKE public key file: JSON with `kem` and `public` (base64).

    Raises:
        ConfigError: the file is missing or is not such a key.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        kem, raw = content["kem"], base64.b64decode(content["public"], validate=True)
    except OSError as error:
        _refuse(file, f"cannot be read: {error.strerror}")
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        _refuse(file, 'not an HPKE public key; expected JSON {"kem": ..., "public": base64}')
    try:
        match kem:
            case "x25519":
                key: x25519.X25519PublicKey | MLKEM768X25519PublicKey = (
                    x25519.X25519PublicKey.from_public_bytes(raw)
                )
            case "mlkem768-x25519" if len(raw) == MLKEM768_LEN + X25519_LEN:
                key = MLKEM768X25519PublicKey(
                    mlkem.MLKEM768PublicKey.from_public_bytes(raw[:MLKEM768_LEN]),
                    x25519.X25519PublicKey.from_public_bytes(raw[MLKEM768_LEN:]),
                )
            case _:
                _refuse(file, f"kem {kem!r} with {len(raw)} bytes; allowed: {', '.join(KEM_IDS)}")
        recipient = Recipient(consumer, hashlib.sha256(raw).digest()[:KID_LEN], kem, key)
        recipient.wrap(bytes(KEY_LEN), b"")  # some keys load and cannot be sealed to: RFC 7748 §6.1
    except ValueError as error:
        _refuse(file, f"not a public key of {kem}: {error}")
    return recipient


class Signers:
    """The signing keys of one consumer, found by the kid in a message."""

    def __init__(self, keys: Iterable[ec.EllipticCurvePublicKey]) -> None:
        """Take the keys; old and new overlap."""
        self._keys = {signer_kid(key): key for key in keys}

    def __call__(self, headers: Headers) -> ec.EllipticCurvePublicKey | None:
        """Return the key a message's protected headers name, or None."""
        kid = headers.get(KID)
        return self._keys.get(kid) if isinstance(kid, bytes) else None


def load_signers(files: Iterable[Path]) -> Signers:
    """Load PEM SubjectPublicKeyInfo files of P-256 keys.

    Raises:
        ConfigError: a file is missing or is not such a key.
    """
    keys = []
    for file in files:
        try:
            key = load_pem_public_key(file.read_bytes())
        except OSError as error:
            _refuse(file, f"cannot be read: {error.strerror}")
        except (ValueError, UnsupportedAlgorithm):
            _refuse(file, "not a PEM public key")
        p256 = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
        if not isinstance(key, ec.EllipticCurvePublicKey) or not p256:
            _refuse(file, "not a P-256 public key")
        keys.append(key)
    return Signers(keys)


def signer_kid(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the kid of a signing key: the first 8 bytes of SHA-256 of its SubjectPublicKeyInfo."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).digest()[:KID_LEN]


def _refuse(file: Path, message: str) -> NoReturn:
    raise ConfigError([Mistake(file, 0, "consumer", message)])
