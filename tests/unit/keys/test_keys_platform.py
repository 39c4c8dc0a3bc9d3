"""The platform's public keys: to whom is wrapped, whose word counts, what is refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.keys.cose import KID
from gateway.keys.platform import KEM_IDS, load_recipient, load_signers, signer_kid
from gateway.model.errors import ConfigError
from gateway.model.ids import ConsumerId
from provisioning.hpke import Kem, new_pair
from simulators.platform.keys import load_opening_key

CITY = ConsumerId("city")


def refusal(file: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_recipient(CITY, file)
    (mistake,) = caught.value.mistakes
    assert mistake.file == file
    return mistake.message


@pytest.mark.parametrize("kem", list(Kem))
def test_what_is_wrapped_opens_with_the_private_key(tmp_path: Path, kem: Kem) -> None:
    private, public = tmp_path / "private", tmp_path / "public"
    for file, content in zip((private, public), new_pair(kem), strict=True):
        file.write_bytes(content)

    recipient = load_recipient(CITY, public)
    wrapped = recipient.wrap(bytes(range(32)), b"info")

    opening = load_opening_key(private)
    assert opening.open(wrapped, b"info") == bytes(range(32))
    assert (opening.kid, recipient.suite[0]) == (recipient.kid, KEM_IDS[kem.value])


@given(
    content=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["kem", "public"]), inner),
        max_leaves=6,
    ).map(lambda value: json.dumps(value).encode())
)
@example(content=b"[" * 200_000)
@example(content=b'{"kem": "x25519", "public": "\xff"}')
@example(content='{"kem": "x25519", "public": "ё"}'.encode())
def test_any_bytes_are_refused_with_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.mktemp("keys") / "city-hpke.pub"
    file.write_bytes(content)

    assert len(refusal(file)) > 10


def key_file(folder: Path, kem: object, raw: bytes) -> Path:
    file = folder / "city-hpke.pub"
    file.write_text(json.dumps({"kem": kem, "public": base64.b64encode(raw).decode()}))
    return file


SPOILED: dict[str, tuple[Any, bytes, str]] = {
    "no such kem": ("rot13", bytes(32), "kem 'rot13' with 32 bytes; allowed: mlkem768-x25519"),
    "a list for a kem": (["x25519"], bytes(32), "allowed: mlkem768-x25519, x25519"),
    "too short": ("x25519", bytes(31), "not a public key of x25519"),
    "half a hybrid": ("mlkem768-x25519", bytes(1184), "with 1184 bytes"),
    "a point that no secret comes of": ("x25519", bytes(32), "not a public key of x25519"),
    "coefficients beyond the modulus": (
        "mlkem768-x25519",
        b"\xff" * 1216,
        "not a public key of mlkem768-x25519",
    ),
}


@pytest.mark.parametrize("case", SPOILED.values(), ids=SPOILED.keys())
def test_a_key_that_nothing_can_be_sealed_to_is_refused(
    tmp_path: Path, case: tuple[Any, bytes, str]
) -> None:
    kem, raw, expected = case

    assert expected in refusal(key_file(tmp_path, kem, raw))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "gone.pub") == "cannot be read: No such file or directory"


def public_pem(key: Any) -> bytes:  # Any: a public key of any kind
    written: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return written


def test_signers_are_found_by_the_kid_and_by_nothing_else(tmp_path: Path) -> None:
    old, new = (ec.generate_private_key(ec.SECP256R1()).public_key() for _ in range(2))
    files = [tmp_path / "old.pem", tmp_path / "new.pem"]
    for file, key in zip(files, (old, new), strict=True):
        file.write_bytes(public_pem(key))

    signers = load_signers(files)

    assert signers({KID: signer_kid(old)}) == old
    assert signers({KID: signer_kid(new)}) == new
    assert signers({KID: bytes(8)}) is None
    assert signers({KID: [1]}) is None
    assert signers({}) is None


NO_SIGNERS = {
    "another curve": lambda: public_pem(ec.generate_private_key(ec.SECP384R1()).public_key()),
    "Ed25519": lambda: public_pem(ed25519.Ed25519PrivateKey.generate().public_key()),
    "no PEM": lambda: b"\x00\xff",
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("make", NO_SIGNERS.values(), ids=NO_SIGNERS.keys())
def test_what_is_no_p256_key_may_not_acknowledge(tmp_path: Path, make: object) -> None:
    assert callable(make)
    file = tmp_path / "city-sign.pem"
    file.write_bytes(make())

    with pytest.raises(ConfigError, match=r"not a P(EM|-256) public key"):
        load_signers([file])


def test_a_signer_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.pem:0: consumer: cannot be read"):
        load_signers([tmp_path / "gone.pem"])
