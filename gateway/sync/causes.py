"""Why a link is not there, told apart by what a person does next. Pure."""

from __future__ import annotations

import socket
import ssl
from enum import StrEnum
from typing import Final

from gateway.model.errors import IdentityRejectedError, LinkDownError


class Step(StrEnum):
    """At which step a connection failed; the texts for people are `link-lost-<step>`."""

    DNS = "dns"
    REFUSED = "refused"
    """Nobody listens on the port."""
    SILENT = "silent"
    """No answer in time."""
    TLS = "tls"
    SERVER_CERTIFICATE = "server-certificate"
    CLIENT_CERTIFICATE = "client-certificate"
    CLOCK = "clock"
    """The server's certificate is not valid for a clock that nothing sets: not yet, or no more."""
    AUTHORISATION = "authorisation"
    QUOTA = "quota"
    TAKEN_OVER = "taken-over"
    """Somebody else connected under our name."""
    LINK = "link"
    """Any other: the connection ended, the broker is not ready."""


class OutOfDateError(ssl.SSLError):
    """A certificate of the broker is not valid at the time that the platform told us."""


FOR_A_PERSON: Final = frozenset(
    {Step.DNS, Step.TLS, Step.SERVER_CERTIFICATE, Step.CLOCK, Step.QUOTA}
)
"""Steps that hardly mend themselves; that we are refused is an alarm besides."""


class LinkLostError(LinkDownError):
    """The link is not there; `step` says at which step it failed."""

    def __init__(self, message: str, step: Step = Step.LINK) -> None:
        """Take the sentence and the step."""
        self.step = step
        super().__init__(message)


class RefusedError(IdentityRejectedError):
    """The platform does not accept who we are; `step` says whether certificate or rights."""

    def __init__(self, message: str, step: Step) -> None:
        """Take the sentence and the step."""
        self.step = step
        super().__init__(message)


NOT_AUTHORISED: Final = frozenset({0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C})
"""Reason codes (MQTT 5.0 §2.4) that more tries will not change."""
QUOTA_EXCEEDED: Final = 0x97
SESSION_TAKEN_OVER: Final = 0x8E

CERTIFICATE_ALERTS: Final = ("certificate", "unknown ca", "unknown_ca", "access denied")
"""What an alert says that is about who we are (RFC 8446 §6.2)."""

X509_NOT_NOW: Final = frozenset({9, 10})
"""X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED (OpenSSL, x509_vfy.h)."""


def not_connected(
    error: OSError | ValueError, host: str, port: int, *, clock_is_set: bool
) -> LinkLostError:
    """Return why no connection came about.

    Args:
        error: of the library.
        host: of the broker.
        port: of the broker.
        clock_is_set: whether our wall clock may judge a certificate.
    """
    where = f"{host}:{port}"
    match error:
        case socket.gaierror():
            text, step = f"the name {host} is not found: look at the DNS server", Step.DNS
        case ssl.SSLCertVerificationError():
            text = f"the certificate of {where} is not accepted: {error.verify_message}"
            step = Step.SERVER_CERTIFICATE
            if error.verify_code in X509_NOT_NOW and not clock_is_set:
                text, step = f"{text}; but nothing sets our own clock", Step.CLOCK
        case OutOfDateError():
            text = f"the certificate of {where} is not accepted: {error.args[0]}"
            step = Step.SERVER_CERTIFICATE
        case ssl.SSLError():
            text, step = f"no TLS with {where}: {error.reason}", Step.TLS
        case ConnectionRefusedError():
            text = f"{where} refuses the connection: nothing listens there"
            step = Step.REFUSED
        case TimeoutError():
            text = f"{where} does not answer: look at the uplink and the firewall"
            step = Step.SILENT
        case _:
            text, step = f"{where} cannot be reached: {error}", Step.LINK
    return LinkLostError(text, step)


def refused(code: int, name: str) -> LinkLostError | RefusedError:
    """Return what a failure code in CONNACK or PUBACK means (MQTT 5.0 §3.2.2.2, §3.4.2.1)."""
    if code in NOT_AUTHORISED:
        return RefusedError(f"the broker refuses us: {name}", Step.AUTHORISATION)
    if code == QUOTA_EXCEEDED:
        return LinkLostError(f"the broker takes no more: {name}", Step.QUOTA)
    return LinkLostError(f"the broker is not ready: {name}")


def ended(code: int, name: str, broke_with: str) -> LinkLostError | RefusedError:
    """Return why a connection ended; under TLS 1.3 a refused client certificate shows only here.

    Args:
        code: reason code of DISCONNECT (MQTT 5.0 §3.14.2.1), or the library's own.
        name: of the code.
        broke_with: what the library said a read or write broke with.
    """
    if any(alert in broke_with.lower() for alert in CERTIFICATE_ALERTS):
        text = f"the broker refuses our certificate: {broke_with}"
        return RefusedError(text, Step.CLIENT_CERTIFICATE)
    if code == SESSION_TAKEN_OVER:
        text = "somebody else connected under our name: a second gateway with our certificate?"
        return LinkLostError(text, Step.TAKEN_OVER)
    if code == QUOTA_EXCEEDED or code in NOT_AUTHORISED:
        return refused(code, name)
    return LinkLostError(f"the connection ended: {broke_with or name}")
