"""COSE structures (RFC 9052): signed and encrypted envelopes around bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256

TAG_ENCRYPT0: Final = 16
TAG_SIGN1: Final = 18

ALG: Final = 1
KID: Final = 4
PARTIAL_IV: Final = 6
X5CHAIN: Final = 33
"""RFC 9360 §2."""

ES256: Final = -7
CHACHA20_POLY1305: Final = 24

COORDINATE_LEN: Final = 32
"""Bytes of r and of s in an ES256 signature (RFC 9053 §2.1)."""

Headers = Mapping[int, Any]  # Any: COSE header values are of any CBOR type


class CoseError(ValueError):
    """The bytes are no such structure, or the signature does not hold."""


def sign1(
    payload: bytes, headers: Headers, external: bytes, sign: Callable[[bytes], bytes]
) -> bytes:
    """Return a tagged COSE_Sign1.

    Args:
        payload: what is signed.
        headers: protected headers beside the algorithm.
        external: external data, tells one kind of message from another.
        sign: takes the bytes of Sig_structure, returns r and s, 64 bytes.

    Source:
        RFC 9052 §4.2 and §4.4.
    """
    protected = cbor2.dumps({ALG: ES256, **headers})
    signature = sign(_to_be_signed(protected, external, payload))
    return cbor2.dumps(cbor2.CBORTag(TAG_SIGN1, [protected, {}, payload, signature]))


def open1(
    message: bytes, external: bytes, key_for: Callable[[Headers], ec.EllipticCurvePublicKey | None]
) -> bytes:
    """Return the payload of a tagged COSE_Sign1 whose signature holds.

    Args:
        message: any bytes.
        external: the external data the signer used.
        key_for: takes the protected headers, returns the key to check with, or None when there is
            none.

    Raises:
        CoseError: not a COSE_Sign1 with ES256, no key for it, or the signature is wrong.

    Source:
        RFC 9052 §4.4.
    """
    protected, _, payload, signature = _parts(message, TAG_SIGN1, 4)
    headers = _headers(protected)
    if headers.get(ALG) != ES256 or not isinstance(payload, bytes):
        msg = "not signed with ES256 over an attached payload"
        raise CoseError(msg)
    if not isinstance(signature, bytes) or len(signature) != 2 * COORDINATE_LEN:
        msg = "signature is not 64 bytes"
        raise CoseError(msg)
    key = key_for(headers)
    if key is None:
        msg = "signed by a key that is not known here"
        raise CoseError(msg)
    r, s = (int.from_bytes(signature[i : i + COORDINATE_LEN], "big") for i in (0, COORDINATE_LEN))
    try:
        key.verify(
            encode_dss_signature(r, s),
            _to_be_signed(protected, external, payload),
            ec.ECDSA(SHA256()),
        )
    except InvalidSignature as error:
        msg = "signature does not hold"
        raise CoseError(msg) from error
    return payload


def encrypt0(
    plaintext: bytes, headers: Headers, external: bytes, cipher: ChaCha20Poly1305, nonce: bytes
) -> bytes:
    """Return a tagged COSE_Encrypt0 under ChaCha20/Poly1305.

    Args:
        plaintext: what is sealed.
        headers: protected headers beside the algorithm.
        external: external data.
        cipher: the key at work.
        nonce: 12 bytes, never used before with this key.

    Source:
        RFC 9052 §5.2 and §5.3; RFC 9053 §4.3.
    """
    protected = cbor2.dumps({ALG: CHACHA20_POLY1305, **headers})
    aad = cbor2.dumps(["Encrypt0", protected, external])
    sealed = cipher.encrypt(nonce, plaintext, aad)
    return cbor2.dumps(cbor2.CBORTag(TAG_ENCRYPT0, [protected, {}, sealed]))


def _to_be_signed(protected: bytes, external: bytes, payload: bytes) -> bytes:
    return cbor2.dumps(["Signature1", protected, external, payload])


def _parts(message: bytes, tag: int, length: int) -> Sequence[Any]:  # Any: checked by the caller
    try:
        decoded = cbor2.loads(message)
    except (cbor2.CBORDecodeError, ValueError, RecursionError, OverflowError, MemoryError) as error:
        msg = "not CBOR"
        raise CoseError(msg) from error
    if not isinstance(decoded, cbor2.CBORTag) or decoded.tag != tag:
        msg = f"not tagged {tag}"
        raise CoseError(msg)
    parts = decoded.value  # cbor2 hands an array inside a tag over as a tuple
    if not isinstance(parts, list | tuple) or len(parts) != length:
        msg = "not an array of the right parts"
        raise CoseError(msg)
    if not isinstance(parts[0], bytes) or not isinstance(parts[1], Mapping):
        msg = "its headers are not a byte string and a map"
        raise CoseError(msg)
    return parts


def _headers(protected: bytes) -> Headers:
    try:
        headers = cbor2.loads(protected)
    except (cbor2.CBORDecodeError, ValueError, RecursionError, OverflowError, MemoryError) as error:
        msg = "protected header is not CBOR"
        raise CoseError(msg) from error
    if not isinstance(headers, dict):
        msg = "protected header is not a map"
        raise CoseError(msg)
    return headers
