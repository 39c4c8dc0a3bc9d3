"""The receiver's own keys, and whom it believes: HPKE keys, signing key, the city's authority."""

from __future__ import annotations

import base64
import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from simulators.platform import cose, strict
from simulators.platform.errors import KeyFileError, Reason, WireError
from simulators.platform.wire import EpochRecord, Moment, wrap_info

KEM_HYBRID: Final = 0x647A
KEM_X25519: Final = 0x0020
KDF_HKDF_SHA256: Final = 1
AEAD_CHACHA20_POLY1305: Final = 3
EPOCH_KEY_LENGTH: Final = 32

DAY_MS: Final = 86_400_000
LATE_CERTIFICATE_MS: Final = 366 * DAY_MS
"""How long after its end a certificate counts for what was not surely made before."""
AHEAD_MS: Final = DAY_MS
"""How far a gateway's clock may be ahead of ours without a word."""

_KID: Final = 8
_SEED: Final = 64
_RAW: Final = 32
_CERTIFICATES_KEPT: Final = 20_000
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""All that cryptography raises for a certificate that is none."""

_X25519: Final = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
_HYBRID: Final = hpke.Suite(
    hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305
)


def key_id(public: bytes) -> bytes:
    """Return the kid of a public key: the first 8 bytes of its SHA-256."""
    return sha256(public).digest()[:_KID]


@dataclass(frozen=True, slots=True)
class OpeningKey:
    """One HPKE private key."""

    kem: int
    kid: bytes
    private: x25519.X25519PrivateKey | hpke.MLKEM768X25519PrivateKey

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """Return what was sealed to this key.

        Raises:
            WireError: WRAP, when it does not open.
        """
        suite = _HYBRID if self.kem == KEM_HYBRID else _X25519
        try:
            return suite.decrypt(sealed, self.private, info=info)
        except (InvalidTag, ValueError) as error:
            raise WireError(Reason.WRAP, "the wrap does not open") from error


def load_opening_key(file: Path) -> OpeningKey:
    """Read one HPKE private key.

    Args:
        file: JSON `{"kem": "mlkem768-x25519" | "x25519", "private": base64}`; for `x25519` 32 raw
            bytes, for the hybrid the ML-KEM-768 seed of 64 bytes and 32 raw bytes of X25519.

    Raises:
        KeyFileError: it cannot be read or is not of that form.
    """
    try:
        fields = json.loads(file.read_text())
        kem, raw = fields["kem"], base64.b64decode(fields["private"], validate=True)
        if kem == "x25519" and len(raw) == _RAW:
            plain = x25519.X25519PrivateKey.from_private_bytes(raw)
            return OpeningKey(KEM_X25519, key_id(plain.public_key().public_bytes_raw()), plain)
        if kem == "mlkem768-x25519" and len(raw) == _SEED + _RAW:
            lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(raw[:_SEED])
            curve = x25519.X25519PrivateKey.from_private_bytes(raw[_SEED:])
            public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
            return OpeningKey(
                KEM_HYBRID, key_id(public), hpke.MLKEM768X25519PrivateKey(lattice, curve)
            )
    except (OSError, ValueError, KeyError, TypeError, UnsupportedAlgorithm) as error:
        msg = f"{file}: not an HPKE private key: {error}"
        raise KeyFileError(msg) from error
    msg = f"{file}: not an HPKE private key of a known kem and length"
    raise KeyFileError(msg)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """Signs acknowledgements."""

    private: ec.EllipticCurvePrivateKey
    kid: bytes


def load_signing_key(file: Path) -> SigningKey:
    """Read the platform's signing key: PEM, P-256, not encrypted.

    Raises:
        KeyFileError: it cannot be read or is another key.
    """
    try:
        private = load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        msg = f"{file}: not a private key in PEM: {error}"
        raise KeyFileError(msg) from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(
        private.curve, ec.SECP256R1
    ):
        msg = f"{file}: the signing key is not on the curve P-256"
        raise KeyFileError(msg)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SigningKey(private, key_id(public))


class Opener:
    """Finds and opens our wrap in an epoch record."""

    def __init__(self, consumer: str, keys: Iterable[OpeningKey]) -> None:
        """Take who we are and every key we hold, old ones too."""
        self.consumer = consumer
        self._keys: Mapping[bytes, OpeningKey] = {key.kid: key for key in keys}

    def open(self, record: EpochRecord) -> bytes | None:
        """Return the epoch key; None when nothing was wrapped for a key we hold.

        Raises:
            WireError: WRAP, when a wrap for us is there and does not open.
        """
        for wrap in record.wraps:
            key = self._keys.get(wrap.kid)
            if wrap.consumer != self.consumer or key is None:
                continue
            if wrap.suite != (key.kem, KDF_HKDF_SHA256, AEAD_CHACHA20_POLY1305):
                raise WireError(Reason.WRAP, f"suite {wrap.suite} for a key of another kem")
            info = wrap_info(record.gateway, record.epoch, record.audience, wrap.consumer)
            opened = key.open(wrap.sealed, info)
            if len(opened) != EPOCH_KEY_LENGTH:
                raise WireError(Reason.WRAP, f"an epoch key of {len(opened)} bytes")
            return opened
        return None


@dataclass(frozen=True, slots=True)
class Device:
    """What a device certificate of the city says."""

    gateway: str
    key: ec.EllipticCurvePublicKey
    kid: bytes
    begins: datetime
    ends: datetime


class Doubt(StrEnum):
    """What is odd about a record that counts all the same; the text is the name of its counter."""

    CERTIFICATE_ENDED = "certificate_ended"
    """Made after the certificate in it had ended, and no newer one of its key has been seen."""
    CLOCK_AHEAD = "clock_ahead"
    """Made at a time that has not come yet."""
    CLOCK_BEHIND = "clock_behind"
    """Made before its certificate began."""


def judge(device: Device, made: Moment, now_ms: int, until_ms: int) -> Doubt | None:
    """Return what is odd about a record that counts.

    A record may come long after it was made, so it is enough that the certificate was valid then.
    Where the gateway's clock cannot say when that was, or the certificate had ended by then, it
    must have ended less than a year ago: it, or the newest one that was issued for the same key.

    Args:
        device: whose certificate is in the record.
        made: when the gateway says that it was made.
        now_ms: our wall clock.
        until_ms: the end of the newest certificate of this key.

    Raises:
        WireError: CERTIFICATE, when it does not count.
    """
    begins_ms, ends_ms = (round(at.timestamp() * 1000) for at in (device.begins, device.ends))
    until_ms = max(until_ms, ends_ms)
    ahead = made.wall > now_ms + AHEAD_MS
    if made.trust and begins_ms <= made.wall <= ends_ms and not ahead:
        return None
    if begins_ms > now_ms + AHEAD_MS:
        raise WireError(Reason.CERTIFICATE, "not valid yet")
    if now_ms > until_ms + LATE_CERTIFICATE_MS:
        raise WireError(Reason.CERTIFICATE, "ended more than a year ago, and so did its renewals")
    if not made.trust:
        return None
    if ahead:
        return Doubt.CLOCK_AHEAD
    if made.wall < begins_ms:
        return Doubt.CLOCK_BEHIND
    return Doubt.CERTIFICATE_ENDED if made.wall > until_ms else None


class Authority:
    """The city's certificate authority: says which gateway a signature is of."""

    def __init__(self, certificates: Sequence[x509.Certificate]) -> None:
        """Take the authority's certificates: several while one replaces another."""
        self._issuers = tuple(certificates)
        self._known: OrderedDict[bytes, Device] = OrderedDict()

    def signer(self, message: cose.Sign1, gateway: str) -> Device:
        """Return the device whose key signed `message`; `judge` says whether that counts.

        Args:
            message: a Sign1 with the certificate in its protected header.
            gateway: whose it says it is.

        Raises:
            WireError: CERTIFICATE or SIGNATURE.
        """
        device = self._device(strict.octets(message.header.get(cose.X5CHAIN), None, "x5chain"))
        if device.gateway != gateway:
            raise WireError(Reason.CERTIFICATE, f"of {device.gateway[:80]!r}, not of {gateway}")
        cose.verify(message, device.key)
        return device

    def _device(self, der: bytes) -> Device:
        digest = sha256(der).digest()
        if (known := self._known.get(digest)) is not None:
            self._known.move_to_end(digest)
            return known
        device = self._verified(der)
        self._known[digest] = device
        if len(self._known) > _CERTIFICATES_KEPT:
            self._known.popitem(last=False)
        return device

    def _verified(self, der: bytes) -> Device:
        """Check chain, names and use of a device certificate. Source: RFC 5280 §4.1, §4.2.1."""
        try:
            certificate = x509.load_der_x509_certificate(der)
            names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            key = certificate.public_key()
            extensions = certificate.extensions
            begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
            issued = any(_issued(certificate, issuer) for issuer in self._issuers)
        except _UNREADABLE as error:
            raise WireError(Reason.CERTIFICATE, f"does not read: {error}") from error
        if not issued:
            raise WireError(Reason.CERTIFICATE, "not issued by the city's authority")
        if not der.endswith(b"\x00" + certificate.signature):
            # X.690 §8.6.2.2: an ECDSA signature leaves no bit unused, though a parser lets it pass
            raise WireError(Reason.CERTIFICATE, "signature with unused bits")
        if len(names) != 1 or not isinstance(names[0].value, str):
            raise WireError(Reason.CERTIFICATE, "not exactly one common name")
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(
            key.curve, ec.SECP256R1
        ):
            raise WireError(Reason.CERTIFICATE, "not a key on P-256")
        _for_devices(extensions)
        kid = key_id(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        return Device(names[0].value, key, kid, begins, ends)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _for_devices(extensions: x509.Extensions) -> None:
    """Refuse a certificate that may issue others, or that is not for signing as a client."""
    for extension in extensions:
        match extension.value:
            case x509.BasicConstraints(ca=True):
                raise WireError(Reason.CERTIFICATE, "of an authority, not of a device")
            case x509.KeyUsage(digital_signature=False):
                raise WireError(Reason.CERTIFICATE, "not for signatures")
            case x509.ExtendedKeyUsage() as usage:
                if ExtendedKeyUsageOID.CLIENT_AUTH not in list(usage):
                    raise WireError(Reason.CERTIFICATE, "not for clients")
            case _ if extension.critical and isinstance(
                extension.value, x509.UnrecognizedExtension
            ):
                raise WireError(Reason.CERTIFICATE, f"critical extension {extension.oid}")


def load_authority(file: Path) -> Authority:
    """Read the authority's certificates, PEM, one or several.

    Raises:
        KeyFileError: it cannot be read, or one in it may not issue.
    """
    try:
        certificates = x509.load_pem_x509_certificates(file.read_bytes())
        for certificate in certificates:
            constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
            if not constraints.value.ca:
                msg = f"{file}: {certificate.subject.rfc4514_string()} is not an authority"
                raise KeyFileError(msg)
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        msg = f"{file}: not certificates of an authority in PEM: {error}"
        raise KeyFileError(msg) from error
    return Authority(certificates)
