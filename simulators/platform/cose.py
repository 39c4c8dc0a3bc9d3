"""The two COSE structures of the contract: Sign1 with ES256, Encrypt0 with ChaCha20/Poly1305.

Source: RFC 9052 §4.2, §4.4 (Sign1, Sig_structure), §5.2, §5.3 (Encrypt0, Enc_structure); RFC 9053
§2.1 (ES256: r and s of 32 bytes each), §4.3 (ChaCha20/Poly1305: 256-bit key, 96-bit nonce).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256

from simulators.platform import strict
from simulators.platform.errors import Reason, WireError

ES256: Final = -7
CHACHA20_POLY1305: Final = 24
ALG, KID, PARTIAL_IV, X5CHAIN = 1, 4, 6, 33
"""Labels of header parameters: RFC 9052 table 3, RFC 9360 table 1."""

_TAG_ENCRYPT0: Final = b"\xd0"
_TAG_SIGN1: Final = b"\xd2"
_HALF: Final = 32
_HEADER_ITEMS: Final = 1024
_ECDSA: Final = ec.ECDSA(SHA256())


@dataclass(frozen=True, slots=True)
class Sign1:
    """A COSE_Sign1 taken apart; nothing in it is verified yet."""

    header: Mapping[object, object]
    payload: bytes
    signature: bytes
    signed: bytes
    """The bytes the signature stands for (Sig_structure)."""


@dataclass(frozen=True, slots=True)
class Encrypt0:
    """A COSE_Encrypt0 taken apart; nothing in it is authentic yet."""

    header: Mapping[object, object]
    ciphertext: bytes
    aad: bytes
    """The additional data of the cipher (Enc_structure)."""


def _open(
    data: bytes, tag: bytes, length: int
) -> tuple[bytes, Mapping[object, object], list[object]]:
    if data[:1] != tag:
        raise WireError(Reason.FORM, f"does not begin with the tag {tag[0] & 31}")
    parts = strict.array(strict.decode(data[1:], max_items=_HEADER_ITEMS), length, "COSE structure")
    protected = strict.octets(parts[0], None, "protected header")
    header = strict.mapping(strict.decode(protected, max_items=_HEADER_ITEMS), "protected header")
    if strict.mapping(parts[1], "unprotected header"):
        raise WireError(Reason.FORM, "the unprotected header is not empty")
    return protected, header, parts[2:]


def parse_sign1(data: bytes, context: bytes) -> Sign1:
    """Take a COSE_Sign1 apart.

    Args:
        data: what came.
        context: the external data both sides know.

    Raises:
        WireError: CBOR or FORM.
    """
    protected, header, rest = _open(data, _TAG_SIGN1, 4)
    payload = strict.octets(rest[0], None, "payload")
    signature = strict.octets(rest[1], 2 * _HALF, "signature")
    if header.get(ALG) != ES256:
        strict.refuse("algorithm", header.get(ALG))
    signed = strict.encode(["Signature1", protected, context, payload])
    return Sign1(header, payload, signature, signed)


def parse_encrypt0(data: bytes, context: bytes) -> Encrypt0:
    """Take a COSE_Encrypt0 apart; arguments and errors as for `parse_sign1`."""
    protected, header, rest = _open(data, _TAG_ENCRYPT0, 3)
    ciphertext = strict.octets(rest[0], None, "ciphertext")
    if header.get(ALG) != CHACHA20_POLY1305:
        strict.refuse("algorithm", header.get(ALG))
    return Encrypt0(header, ciphertext, strict.encode(["Encrypt0", protected, context]))


def verify(message: Sign1, key: ec.EllipticCurvePublicKey) -> None:
    """Check the signature.

    Raises:
        WireError: SIGNATURE, when `key` did not make it.
    """
    r, s = (
        int.from_bytes(half, "big")
        for half in (message.signature[:_HALF], message.signature[_HALF:])
    )
    try:
        key.verify(encode_dss_signature(r, s), message.signed, _ECDSA)
    except InvalidSignature as error:
        raise WireError(Reason.SIGNATURE, "does not verify") from error


def sign(
    header: Mapping[int, object], payload: bytes, context: bytes, key: ec.EllipticCurvePrivateKey
) -> bytes:
    """Return a COSE_Sign1 over `payload` by `key` (P-256); `header` is the protected header."""
    protected = strict.encode(dict(header))
    der = key.sign(strict.encode(["Signature1", protected, context, payload]), _ECDSA)
    signature = b"".join(part.to_bytes(_HALF, "big") for part in decode_dss_signature(der))
    return _TAG_SIGN1 + strict.encode([protected, {}, payload, signature])
