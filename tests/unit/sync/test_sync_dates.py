"""Certificates are judged at a time that the system does not know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from gateway.sync.causes import OutOfDateError
from gateway.sync.dates import check_dates

NOW = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


@dataclass
class Signer:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def made(
    name: str,
    issuer: Signer | None = None,
    *,
    key: ec.EllipticCurvePrivateKey | None = None,
    begins: datetime = NOW - YEAR,
    ends: datetime = NOW + YEAR,
) -> Signer:
    """Return a certificate that `issuer`, or nobody else, signed."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
    )
    return Signer(builder.sign(issuer.key if issuer else key, SHA256()), key)


def objection(leaf: Signer, *authorities: Signer, at: datetime = NOW) -> str:
    der = leaf.certificate.public_bytes(Encoding.DER)
    try:
        check_dates(der, [each.certificate for each in authorities], at)
    except OutOfDateError as error:
        return str(error.args[0])
    return ""


def test_a_chain_that_is_valid_then_is_well() -> None:
    root = made("root", ends=NOW + 3 * YEAR)
    between = made("between", root)
    leaf = made("broker", between)

    assert objection(leaf, root, between) == ""
    assert objection(made("broker", root), root) == ""
    assert objection(root, root) == ""


def test_an_intermediate_certificate_must_stand_in_the_file() -> None:
    root = made("root")
    leaf = made("broker", made("between", root))

    assert "put it there" in objection(leaf, root)


@pytest.mark.parametrize("late", ["leaf", "between", "root"])
@pytest.mark.parametrize("at", [NOW + timedelta(days=100), NOW - timedelta(days=100)])
def test_each_certificate_of_the_chain_counts(late: str, at: datetime) -> None:
    def lived(name: str, issuer: Signer | None = None) -> Signer:
        days = timedelta(days=50 if late == name else 365)
        return made(name, issuer, begins=NOW - days, ends=NOW + days)

    root = lived("root")
    between = lived("between", root)
    leaf = lived("leaf", between)

    assert objection(leaf, root, between) == ""
    assert ("ended on" if at > NOW else "not valid before") in objection(leaf, root, between, at=at)


def test_a_renewed_authority_stands_in_for_the_one_that_ended() -> None:
    old = made("root", ends=NOW - timedelta(days=1))
    new = made("root", key=old.key)
    leaf = made("broker", old)

    assert "ended on" in objection(leaf, old)
    assert objection(leaf, old, new) == objection(leaf, new, old) == ""


def test_authorities_that_vouch_for_each_other_are_no_end_of_a_chain() -> None:
    one, two = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    first = made("one", Signer(made("two", key=two).certificate, two), key=one)
    second = made("two", Signer(first.certificate, one), key=two)

    assert "put it there" in objection(made("broker", first), first, second)


@given(der=st.binary(max_size=300))
def test_any_bytes_are_refused(der: bytes) -> None:
    with pytest.raises(OutOfDateError):
        check_dates(der, [], NOW)
