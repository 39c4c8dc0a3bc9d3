"""The device key: what proves that a message comes from this gateway."""

from __future__ import annotations

import os
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
from gateway.model.errors import ConfigError, KeyRefusedError, Mistake

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeyStore(Protocol):
    """Where the device key lives: a file, a PKCS#11 token, a TPM.

    A token or a TPM may take a second, so `sign` is not called on the event loop; it may be called
    from any thread.
    """

    @property
    def certificate(self) -> bytes:
        """Return the device certificate, DER."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the ES256 signature over `data`: r and s, 64 bytes.

        Raises:
            KeyUnavailableError: the token or the TPM does not sign now.
        """
        ...


@dataclass(frozen=True, slots=True)
class FileKeyStore:
    """A P-256 key in a PEM file of mode 0600."""

    key: ec.EllipticCurvePrivateKey
    certificate: bytes

    def sign(self, data: bytes) -> bytes:
        """Return the ES256 signature over `data`: r and s, 64 bytes."""
        return plain_signature(self.key.sign(data, ec.ECDSA(SHA256())))


def plain_signature(der: bytes) -> bytes:
    """Return a DER signature as r and s, 64 bytes.

    Raises:
        ValueError: it is not a DER signature, or not one on P-256.

    Source:
        RFC 3279 §2.2.3 (DER); RFC 9053 §2.1 (r and s of fixed length).
    """
    numbers = decode_dss_signature(der)
    try:
        return b"".join(number.to_bytes(COORDINATE_LEN, "big") for number in numbers)
    except OverflowError as error:
        msg = "r or s of a signature is not of 32 bytes"
        raise ValueError(msg) from error


def load_device_key(key_file: Path, certificate_file: Path) -> FileKeyStore:
    """Load the device key and its certificate.

    Raises:
        ConfigError: a file is missing, is not what it should be, others may read the key, or the
            two do not belong together.
    """
    key_pem = _read(key_file, "keys.device_key")
    if _others_may_read(key_file):
        _refuse(key_file, "keys.device_key", "others may read it; allow only the owner: chmod 600")
    try:
        key = load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        _refuse(key_file, "keys.device_key", f"not a PEM private key: {error}")
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        _refuse(key_file, "keys.device_key", "not a P-256 key")
    certificate = load_certificate(certificate_file)
    if certificate.public_key() != key.public_key():
        _refuse(certificate_file, "keys.device_certificate", f"is not of the key in {key_file}")
    return FileKeyStore(key, certificate.public_bytes(Encoding.DER))


def load_certificate(file: Path) -> x509.Certificate:
    """Load the device certificate.

    Raises:
        ConfigError: the file is missing, or is not a PEM certificate of a P-256 key.
    """
    try:
        certificate = x509.load_pem_x509_certificate(_read(file, "keys.device_certificate"))
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        _refuse(file, "keys.device_certificate", f"not a PEM certificate: {error}")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        _refuse(file, "keys.device_certificate", "not a certificate of a P-256 key")
    return certificate


def read_pin(file: Path) -> str:
    """Return the PIN that stands in a file, without the end of its line.

    Raises:
        KeyRefusedError: the file is missing, empty, not text, or others may read it.
    """
    try:
        pin = file.read_text(encoding="utf-8").strip("\r\n")
        open_to_others = _others_may_read(file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not text in UTF-8"
        msg = f"the PIN in {file} cannot be read: {reason}"
        raise KeyRefusedError(msg, option="pin_file") from error
    if open_to_others:
        msg = f"others may read {file}; allow only the owner: chmod 600"
        raise KeyRefusedError(msg, option="pin_file")
    if not pin:
        msg = f"{file} is empty: write the PIN into it"
        raise KeyRefusedError(msg, option="pin_file")
    return pin


def _others_may_read(file: Path) -> bool:
    """Say whether a file is open to more than its owner.

    systemd hands credentials over in a folder for this service alone; where it names us in an ACL,
    the bits of the group show the mask of that ACL and no group (systemd.exec(5), acl(5)).
    """
    if str(file.parent) == os.environ.get("CREDENTIALS_DIRECTORY"):
        return False
    return bool(file.stat().st_mode & _OTHERS)


def _read(file: Path, option: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        _refuse(file, option, f"cannot be read: {error.strerror}")


def _refuse(file: Path, option: str, message: str) -> NoReturn:
    raise ConfigError([Mistake(file, 0, option, message)])
