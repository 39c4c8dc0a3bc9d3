"""Vectors of the standards, opened by the independent lines and by the receiver's own code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, x25519

from simulators.platform import cose
from simulators.platform.errors import WireError
from tests.conformance import openers

VECTORS = Path(__file__).parent / "vectors"


def vectors(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text())


def source(vector: dict[str, Any]) -> str:
    return str(vector["source"])


def test_hpke_opens_the_vector_of_rfc_9180() -> None:
    vector = vectors("rfc9180_a_1_1")
    public, private, enc, ciphertext, info, aad, plaintext = (
        bytes.fromhex(vector[name])
        for name in ("public", "private", "enc", "ciphertext", "info", "aad", "plaintext")
    )
    assert (vector["kem"], vector["kdf"]) == (0x0020, 1)
    key = x25519.X25519PrivateKey.from_private_bytes(private)
    assert key.public_key().public_bytes_raw() == public
    sealed = enc + ciphertext
    assert openers.open_x25519(vector["aead"], private, sealed, info, aad) == plaintext
    assert plaintext == b"Beauty is truth, truth beauty"
    with pytest.raises(InvalidTag):
        openers.open_x25519(vector["aead"], private, sealed, b"other", aad)


@pytest.mark.parametrize("vector", vectors("cose_sign1"), ids=source)
def test_sign1_verifies(vector: dict[str, Any]) -> None:
    x, y = (int(vector["key"][part], 16) for part in "xy")
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    message, external = bytes.fromhex(vector["message"]), bytes.fromhex(vector["external"])
    assert openers.open_sign1(message, key, external) == vector["payload"].encode()
    with pytest.raises(InvalidSignature):
        openers.open_sign1(message, key, external + b"x")
    # The receiver wants the unprotected header empty; it stands outside of what is signed.
    protected, _, payload, signature = cbor2.loads(message).value
    ours = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))
    cose.verify(cose.parse_sign1(ours, external), key)
    with pytest.raises(WireError):
        cose.verify(cose.parse_sign1(ours, external + b"x"), key)
    with pytest.raises(WireError, match="unprotected header"):
        cose.parse_sign1(message, external)


@pytest.mark.parametrize("vector", vectors("cose_encrypt0"), ids=source)
def test_encrypt0_opens(vector: dict[str, Any]) -> None:
    message, key, external, context_iv = (
        bytes.fromhex(vector[name]) for name in ("message", "key", "external", "context_iv")
    )
    opened = openers.open_encrypt0(message, key, external, context_iv)
    assert opened == vector["payload"].encode()
    with pytest.raises(InvalidTag):
        openers.open_encrypt0(message, key, external + b"x", context_iv)
