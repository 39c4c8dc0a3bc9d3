"""Opens the device key where the site file says it is, and proves that it is the certificate's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config.site import KeyOptions, Site
from gateway.keys.cose import COORDINATE_LEN
from gateway.keys.device import KeyStore, load_certificate, load_device_key
from gateway.keys.pkcs11_token import TokenKeyStore, TokenPlace
from gateway.keys.tpm2 import TpmKeyStore, TpmPlace
from gateway.model.errors import ConfigError, KeyRefusedError, Mistake

PROOF: Final = b"mayak/1/key-proof"
"""What is signed at the start: no message of ours, so the signature is of no use to anybody."""

Locate = Callable[[str, str], Mistake]
"""Takes an option of `[keys]` and a sentence, returns the mistake with its place in the file."""


def open_device_key(site: Site) -> KeyStore:
    """Open the device key of a site, as `open_key_store` does.

    Raises:
        ConfigError: an option, a file, the PIN or the key is wrong: a person must mend it.
        KeyUnavailableError: the token or the TPM is not there or busy: a later start may succeed.
    """
    return open_key_store(site.keys, partial(site.mistake, "keys"))


def open_key_store(options: KeyOptions, locate: Locate) -> KeyStore:
    """Open the device key and check one signature of it against the certificate.

    Args:
        options: the section `[keys]`.
        locate: places what is wrong.

    Raises:
        ConfigError: an option, a file, the PIN or the key is wrong: a person must mend it.
        KeyUnavailableError: the token or the TPM is not there or busy: a later start may succeed.
    """
    certificate = load_certificate(options.device_certificate)
    store = _opened(options, certificate.public_bytes(Encoding.DER), locate)
    try:
        prove(store, certificate)
    except KeyRefusedError as error:
        if isinstance(store, TokenKeyStore):
            store.close()
        raise ConfigError([locate(error.option, str(error))]) from error
    return store


def prove(store: KeyStore, certificate: x509.Certificate) -> None:
    """Check that the key in the store is the one of the certificate.

    Raises:
        KeyRefusedError: it is another key.
        KeyUnavailableError: it does not sign now.
    """
    if not _holds(store.sign(PROOF), certificate):
        name = certificate.subject.rfc4514_string()
        msg = (
            f"the certificate ({name}) is not of this key: have one issued for it, or name its key"
        )
        raise KeyRefusedError(msg, option="device_certificate")


def _holds(signature: bytes, certificate: x509.Certificate) -> bool:
    key = certificate.public_key()
    numbers = (signature[:COORDINATE_LEN], signature[COORDINATE_LEN:])
    r, s = (int.from_bytes(number, "big") for number in numbers)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(encode_dss_signature(r, s), PROOF, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _opened(options: KeyOptions, certificate: bytes, locate: Locate) -> KeyStore:
    pin = options.pin_file
    match options:
        case KeyOptions(store="file", device_key=file) if file:
            return load_device_key(file, options.device_certificate)
        case KeyOptions(
            store="pkcs11", pkcs11_module=module, pkcs11_token=token, pkcs11_key=key
        ) if module and token and key and pin:
            return TokenKeyStore(TokenPlace(module, token, key, pin), certificate)
        case KeyOptions(store="tpm2", tpm2_handle=handle, tpm2_tcti=tcti) if handle:
            return TpmKeyStore(TpmPlace(handle, tcti, pin), certificate)
    # a site that was made in code; one from a file was cross-checked
    message = f'store = "{options.store}" wants more options than there are'
    raise ConfigError([locate("store", message)])
