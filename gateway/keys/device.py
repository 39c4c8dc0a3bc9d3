"""The device key: what proves that a message comes from this gateway."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from gateway.keys.cose import COORDINATE_LEN
from gateway.model.errors import ConfigError, Mistake

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeyStore(Protocol):
    """Where the device key lives: a file, a PKCS#11 token, a TPM."""

    @property
    def certificate(self) -> bytes:
        """Return the device certificate, DER."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the ES256 signature over `data`: r and s, 64 bytes."""
        ...


@dataclass(frozen=True, slots=True)
class FileKeyStore:
    """A P-256 key in a PEM file of mode 0600."""

    key: ec.EllipticCurvePrivateKey
    certificate: bytes

    def sign(self, data: bytes) -> bytes:
        """Return the ES256 signature over `data`: r and s, 64 bytes."""
        r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(SHA256())))
        return r.to_bytes(COORDINATE_LEN, "big") + s.to_bytes(COORDINATE_LEN, "big")


def load_device_key(key_file: Path, certificate_file: Path) -> FileKeyStore:
    """Load the device key and its certificate.

    Raises:
        ConfigError: a file is missing, is not what it should be, others may read the key, or the
            two do not belong together.
    """
    key_pem = _read(key_file, "keys.device_key")
    if key_file.stat().st_mode & _OTHERS:
        _refuse(key_file, "keys.device_key", "others may read it; allow only the owner: chmod 600")
    try:
        key = load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        _refuse(key_file, "keys.device_key", f"not a PEM private key: {error}")
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        _refuse(key_file, "keys.device_key", "not a P-256 key")
    try:
        certificate = x509.load_pem_x509_certificate(
            _read(certificate_file, "keys.device_certificate")
        )
        certified = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        _refuse(certificate_file, "keys.device_certificate", f"not a PEM certificate: {error}")
    if certified != key.public_key():
        _refuse(certificate_file, "keys.device_certificate", f"is not of the key in {key_file}")
    return FileKeyStore(key, certificate.public_bytes(Encoding.DER))


def _read(file: Path, option: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        _refuse(file, option, f"cannot be read: {error.strerror}")


def _refuse(file: Path, option: str, message: str) -> NoReturn:
    raise ConfigError([Mistake(file, 0, option, message)])
