"""Whether a certificate and those above it are valid at a time that the system does not know. Pure.

Source: RFC 5280 §4.1.2.5, §6.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from gateway.sync.causes import OutOfDateError


def check_dates(leaf: bytes, authorities: Sequence[x509.Certificate], at: datetime) -> None:
    """Check that a certificate and those above it are valid at a time.

    Chain, names and use were checked in the handshake. The chain that was found there is not told
    before Python 3.13, so one is looked for among the authorities: intermediate certificates must
    stand among them.

    Args:
        leaf: DER.
        authorities: of the file that was checked against.
        at: the time.

    Raises:
        OutOfDateError: there is no chain whose certificates are all valid then.
    """
    try:
        objection = _objection(x509.load_der_x509_certificate(leaf), authorities, at)
    except ValueError as error:
        raise OutOfDateError(str(error)) from error
    if objection:
        raise OutOfDateError(objection)


def _objection(
    certificate: x509.Certificate, authorities: Sequence[x509.Certificate], at: datetime
) -> str:
    """Return why there is no chain from here on, or an empty text."""
    name = certificate.subject.rfc4514_string()
    if at < certificate.not_valid_before_utc:
        return f"{name} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    if at > certificate.not_valid_after_utc:
        return f"{name} ended on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if certificate.issuer == certificate.subject and certificate in authorities:
        return ""
    objection = f"the issuer of {name} does not stand in the authority's file: put it there"
    above = [each for each in authorities if each != certificate]
    for issuer in above:
        if _issued(certificate, issuer):
            objection = _objection(issuer, above, at)
            if not objection:
                break
    return objection


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    with suppress(ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        certificate.verify_directly_issued_by(issuer)
        return True
    return False
