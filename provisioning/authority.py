"""A small certificate authority in one folder: for tests, demonstrations and small cities.

    ca.pem ca.key                     the authority
    broker.pem broker.key             server certificate of the MQTT broker
    gateways/ID/device.pem .key       client certificate of one gateway, common name = its id
    platform-CONSUMER.pem .key        client certificate with which a consumer joins the broker
    CONSUMER-sign.pem .key            who may acknowledge: SubjectPublicKeyInfo, and its key
    CONSUMER-hpke.pub .key            to whom epoch keys are wrapped: JSON, see `provisioning.hpke`

All keys are on P-256 but the HPKE ones. Private keys are PKCS #8 in PEM, readable by their owner
only from the first byte on. Nothing that stands there is ever overwritten, except certificates by
`renew`, which keeps the keys.

Source: RFC 5280 §4.1 and §4.2 (certificate fields and extensions).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.model.clock import Clock, Trust
from gateway.model.errors import GatewayError
from gateway.model.files import PRIVATE, PUBLIC, durable_write
from gateway.model.ids import ConsumerId, GatewayId, is_name
from provisioning.hpke import DEFAULT_KEM, Kem, new_pair

AUTHORITY_LIFE: Final = timedelta(days=3650)
LEAF_LIFE: Final = timedelta(days=730)
BACKDATE: Final = timedelta(hours=1)
"""A peer whose clock is a little behind takes a new certificate all the same."""
RENEW_WITHIN: Final = timedelta(days=60)

AUTHORITY: Final = "ca"
BROKER: Final = "broker"
DEFAULT_CONSUMER: Final = ConsumerId("city")
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

_NO_GATEWAY: Final = re.compile(r"^platform-|^broker$")
"""A gateway of such a name would be taken for the platform by a broker that looks at names."""
_NO_CONSUMER: Final = re.compile(r"^platform-|-(sign|hpke)$")
"""A consumer of such a name would share a file with another."""

Contents = dict[Path, tuple[bytes, int]]
"""What to write: content and mode of each file, by its path in the folder of the authority."""


class AuthorityError(GatewayError):
    """The authority refuses; the sentence says why. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The key and the certificate that vouch for all others."""

    folder: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(
        cls,
        folder: Path,
        clock: Clock,
        *,
        gateways: Iterable[GatewayId],
        consumers: Iterable[ConsumerId] = (DEFAULT_CONSUMER,),
        hosts: Sequence[str] = LOOPBACK,
        kem: Kem = DEFAULT_KEM,
    ) -> Self:
        """Make an authority with a broker, gateways and consumers in `folder`, and return it.

        Args:
            folder: made when it is not there.
            clock: dates the certificates; must have been set.
            gateways: ids; each gets a device key and certificate.
            consumers: ids; each gets a certificate, a signing pair and an HPKE pair.
            hosts: DNS names and IP addresses under which the broker is reached.
            kem: of the HPKE pairs.

        Raises:
            AuthorityError: a name is not one, the clock was never set, or a file is already there.
        """
        if not hosts:
            msg = "the broker needs at least one host name or address"
            raise AuthorityError(msg)
        now = _now(clock)
        key = ec.generate_private_key(ec.SECP256R1())
        authority = cls(folder, _self_signed(key, now), key)
        contents = _pair(AUTHORITY, key, authority.certificate)
        broker = ec.generate_private_key(ec.SECP256R1())
        contents |= _pair(BROKER, broker, authority.server(BROKER, broker.public_key(), hosts, now))
        contents |= authority.identities(gateways, consumers, kem, now)
        _write_new(folder, contents)
        return authority

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the authority that stands in `folder`.

        Raises:
            AuthorityError: there is none, or its files are not a key and its certificate.
        """
        certificate = read_certificate(folder / f"{AUTHORITY}.pem")
        key = _read_key(folder / f"{AUTHORITY}.key")
        if certificate.public_key() != key.public_key():
            msg = f"{folder}: ca.key is not the key of ca.pem"
            raise AuthorityError(msg)
        return cls(folder, certificate, key)

    def add(
        self,
        clock: Clock,
        *,
        gateways: Iterable[GatewayId] = (),
        consumers: Iterable[ConsumerId] = (),
        kem: Kem = DEFAULT_KEM,
    ) -> None:
        """Issue for further gateways and consumers.

        Raises:
            AuthorityError: as `create`.
        """
        _write_new(self.folder, self.identities(gateways, consumers, kem, _now(clock)))

    def certify(self, clock: Clock, gateway: GatewayId, public: bytes) -> Path:
        """Issue for a key that was made elsewhere, in a token or a TPM, and return the file.

        Args:
            clock: dates the certificate; must have been set.
            gateway: whose key it is.
            public: its public part, PEM.

        Raises:
            AuthorityError: it is no public key on P-256, the name is none, the clock was never set,
                or the file is there already.
        """
        try:
            key = load_pem_public_key(public)
        except (ValueError, UnsupportedAlgorithm) as error:
            msg = "not a public key in PEM"
            raise AuthorityError(msg) from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(
            key.curve, ec.SECP256R1
        ):
            msg = "not a public key on P-256"
            raise AuthorityError(msg)
        (name,) = _names([gateway], reserved=_NO_GATEWAY, longest=63)
        certificate = self.client(name, "gateway", key, _now(clock))
        path = Path(f"gateways/{name}/token.pem")
        _write_new(self.folder, {path: (certificate.public_bytes(Encoding.PEM), PUBLIC)})
        return self.folder / path

    def rotate(self, consumer: ConsumerId, kem: Kem = DEFAULT_KEM) -> tuple[Path, ...]:
        """Make the next signing pair and HPKE pair of a consumer beside those it has.

        Raises:
            AuthorityError: there is no such consumer here, or that is no name.
        """
        (name,) = _names([consumer], reserved=_NO_CONSUMER, longest=55)
        if not (self.folder / f"{name}-sign.key").exists():
            msg = f"{self.folder} has no consumer {name!r}"
            raise AuthorityError(msg)
        number = 2
        while (self.folder / f"{name}-{number}-sign.key").exists():
            number += 1
        contents = _consumer_keys(f"{name}-{number}", kem)
        _write_new(self.folder, contents)
        return tuple(self.folder / path for path in contents)

    def renew(self, clock: Clock, *, within: timedelta = RENEW_WITHIN) -> tuple[Path, ...]:
        """Issue again, for the same keys, what expires within that time; return the changed files.

        The authority itself keeps its key and name, so that what it issued earlier stays valid.

        Raises:
            AuthorityError: a certificate cannot be read, or the clock was never set.
        """
        now = _now(clock)
        issuer = self
        renewed: list[Path] = []
        if self.certificate.not_valid_after_utc - now <= within:
            issuer = Authority(self.folder, _self_signed(self.key, now), self.key)
            path = self.folder / f"{AUTHORITY}.pem"
            durable_write(path, issuer.certificate.public_bytes(Encoding.PEM))
            renewed.append(path)
        for path in certificates(self.folder):
            old = read_certificate(path)
            if path.name == f"{AUTHORITY}.pem" or old.not_valid_after_utc - now > within:
                continue
            durable_write(path, issuer.again(old, now).public_bytes(Encoding.PEM))
            renewed.append(path)
        return tuple(renewed)

    def server(
        self, name: str, key: ec.EllipticCurvePublicKey, hosts: Sequence[str], now: datetime
    ) -> x509.Certificate:
        """Return a server certificate for the host names and addresses."""
        return self._issue(
            name,
            key,
            x509.SubjectAlternativeName([_host(host) for host in hosts]),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
            now,
        )

    def client(
        self, name: str, role: str, key: ec.EllipticCurvePublicKey, now: datetime
    ) -> x509.Certificate:
        """Return a client certificate whose common name is `name`; `role` says what it is."""
        return self._issue(
            name,
            key,
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"mayak:{role}:{name}")]),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),
            now,
        )

    def again(self, old: x509.Certificate, now: datetime) -> x509.Certificate:
        """Return a new certificate for the name, names, usage and key of an old one."""
        key = old.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            msg = f"{old.subject.rfc4514_string()}: not a P-256 key"
            raise AuthorityError(msg)
        extensions = old.extensions
        return self._issue(
            common_name(old),
            key,
            extensions.get_extension_for_class(x509.SubjectAlternativeName).value,
            extensions.get_extension_for_class(x509.ExtendedKeyUsage).value,
            now,
        )

    def identities(
        self,
        gateways: Iterable[GatewayId],
        consumers: Iterable[ConsumerId],
        kem: Kem,
        now: datetime,
    ) -> Contents:
        """Return the files of new gateways and consumers; writes nothing.

        Raises:
            AuthorityError: a name is not one, or stands twice.
        """
        contents: Contents = {}
        for gateway in _names(gateways, reserved=_NO_GATEWAY, longest=63):
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = self.client(gateway, "gateway", key.public_key(), now)
            contents |= _pair(f"gateways/{gateway}/device", key, certificate)
        for consumer in _names(consumers, reserved=_NO_CONSUMER, longest=55):
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = self.client(f"platform-{consumer}", "platform", key.public_key(), now)
            contents |= _pair(f"platform-{consumer}", key, certificate)
            contents |= _consumer_keys(consumer, kem)
        return contents

    def _issue(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        names: x509.SubjectAlternativeName,
        usage: x509.ExtendedKeyUsage,
        now: datetime,
    ) -> x509.Certificate:
        issuer_id = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return (
            _builder(_name(name), self.certificate.subject, key, now)
            # never beyond the authority's own end: such a chain would fail without a word
            .not_valid_after(min(now + LEAF_LIFE, self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(certificates=False), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(names, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id.value),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )


def certificates(folder: Path) -> tuple[Path, ...]:
    """Return the certificate files of an authority, its own first."""
    found = (*folder.glob("*.pem"), *folder.glob("gateways/*/*.pem"))
    mine = [path for path in found if not path.name.endswith("-sign.pem")]
    return tuple(sorted(mine, key=lambda path: (path.name != f"{AUTHORITY}.pem", path)))


def read_certificate(path: Path) -> x509.Certificate:
    """Load one certificate.

    Raises:
        AuthorityError: it cannot be read or is none.
    """
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise AuthorityError(msg) from error
    except ValueError as error:
        msg = f"{path}: not a PEM certificate"
        raise AuthorityError(msg) from error


def common_name(certificate: x509.Certificate) -> str:
    """Return the common name of the subject, or an empty text."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _now(clock: Clock) -> datetime:
    now = clock.now()
    if now.trust is Trust.UNSET:
        msg = f"the clock says {now.utc:%Y-%m-%d %H:%M} UTC and was never set: set it first"
        raise AuthorityError(msg)
    return now.utc.replace(microsecond=0)


def _names(names: Iterable[str], *, reserved: re.Pattern[str], longest: int) -> tuple[str, ...]:
    asked = tuple(names)
    for name in asked:
        if reserved.search(name) or len(name) > longest:
            msg = f"{name!r} cannot be used here: it is too long or clashes with a file or a role"
            raise AuthorityError(msg)
        if not is_name(name):
            msg = f"{name!r} is not a name: small letters, digits, '_', '.', '-', at most 63"
            raise AuthorityError(msg)
        if asked.count(name) > 1:
            msg = f"{name!r} is named twice"
            raise AuthorityError(msg)
    return asked


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError as error:
        msg = f"{host!r} is neither a host name in ASCII nor an IP address"
        raise AuthorityError(msg) from error


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _self_signed(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    name = _name("Mayak authority")
    return (
        _builder(name, name, key.public_key(), now)
        .not_valid_after(now + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _key_usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _pair(stem: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Contents:
    return {
        Path(f"{stem}.key"): (_key_pem(key), PRIVATE),
        Path(f"{stem}.pem"): (certificate.public_bytes(Encoding.PEM), PUBLIC),
    }


def _consumer_keys(stem: str, kem: Kem) -> Contents:
    signing = ec.generate_private_key(ec.SECP256R1())
    signer = signing.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    private, public = new_pair(kem)
    return {
        Path(f"{stem}-sign.key"): (_key_pem(signing), PRIVATE),
        Path(f"{stem}-sign.pem"): (signer, PUBLIC),
        Path(f"{stem}-hpke.key"): (private, PRIVATE),
        Path(f"{stem}-hpke.pub"): (public, PUBLIC),
    }


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise AuthorityError(msg) from error
    except (ValueError, TypeError) as error:
        msg = f"{path}: not a PEM private key without a password"
        raise AuthorityError(msg) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        msg = f"{path}: not a P-256 key"
        raise AuthorityError(msg)
    return key


def _write_new(folder: Path, contents: Mapping[Path, tuple[bytes, int]]) -> None:
    taken = [str(path) for path in contents if (folder / path).exists()]
    if taken:
        msg = f"{folder} has {', '.join(taken)} already; nothing was written"
        raise AuthorityError(msg)
    for path, (content, mode) in contents.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        durable_write(target, content, mode=mode)
