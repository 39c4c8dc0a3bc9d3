"""Whom we trust in the local network: an authority in a file, or one certificate by its digest."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
from pathlib import Path

from gateway.model.errors import DeviceError


class StrangerError(DeviceError):
    """Another certificate than the one that is pinned: nothing is said to who shows it."""


def trusting(ca: Path | None, fingerprint: str | None) -> ssl.SSLContext:
    """Return what checks a server: by its authority and name, or by its very certificate.

    Args:
        ca: file of the authority; None: those of the system, or none beside a fingerprint.
        fingerprint: SHA-256 of the certificate; devices sign theirs themselves.

    Raises:
        OSError: the file is missing or holds no certificate.
    """
    context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if fingerprint is not None:
        # Its own certificate is compared instead, before anything is sent: see `check_pin`.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def check_pin(transport: asyncio.BaseTransport, fingerprint: str | None) -> None:
    """Compare the certificate that was shown with the one that is pinned.

    Raises:
        StrangerError: it is another one.
    """
    if fingerprint is None:
        return
    found = transport.get_extra_info("ssl_object")
    shown = found.getpeercert(binary_form=True) if found is not None else None
    digest = hashlib.sha256(shown or b"").hexdigest()
    if not hmac.compare_digest(digest, plain(fingerprint)):
        msg = f"shows another certificate than the pinned one: {digest}"
        raise StrangerError(msg)


def plain(fingerprint: str) -> str:
    """Return a fingerprint without colons, in small letters."""
    return fingerprint.replace(":", "").lower()
