"""The device key from a file: what is taken, what is refused and with which sentence."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys.device import load_device_key
from gateway.model.errors import ConfigError
from provisioning.authority import Authority
from tests.conftest import GATEWAYS


class Files:
    """A good key and its certificate in a folder of the test, to be spoiled."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        made = authority.folder / "gateways" / GATEWAYS[0]
        self.key, self.certificate = folder / "device.key", folder / "device.pem"
        self.put_key((made / "device.key").read_bytes())
        self.certificate.write_bytes((made / "device.pem").read_bytes())

    def put_key(self, content: bytes) -> None:
        self.key.write_bytes(content)
        self.key.chmod(0o600)

    def refusal(self) -> str:
        """Load them and return the one sentence of the refusal."""
        with pytest.raises(ConfigError) as caught:
            load_device_key(self.key, self.certificate)
        (mistake,) = caught.value.mistakes
        assert mistake.option in {"keys.device_key", "keys.device_certificate"}
        return f"{mistake.file.name}: {mistake.message}"


@pytest.fixture
def files(tmp_path: Path, authority: Authority) -> Files:
    return Files(tmp_path, authority)


def pem(key: PrivateKeyTypes, encryption: KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())


def test_what_it_signs_holds_under_its_certificate(files: Files) -> None:
    store = load_device_key(files.key, files.certificate)

    signature = store.sign(b"what is said")

    public = x509.load_der_x509_certificate(store.certificate).public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert len(signature) == 64
    r, s = (int.from_bytes(part, "big") for part in (signature[:32], signature[32:]))
    public.verify(encode_dss_signature(r, s), b"what is said", ec.ECDSA(SHA256()))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o660])
def test_a_key_that_others_may_read_is_refused(files: Files, mode: int) -> None:
    files.key.chmod(mode)

    assert files.refusal() == "device.key: others may read it; allow only the owner: chmod 600"


def test_a_key_that_its_owner_may_only_read_is_taken(files: Files) -> None:
    files.key.chmod(0o400)

    load_device_key(files.key, files.certificate)


WRONG_KEYS = {
    "another curve": lambda: pem(ec.generate_private_key(ec.SECP384R1())),
    "a curve of the same length": lambda: pem(ec.generate_private_key(ec.SECP256K1())),
    "Ed25519": lambda: pem(ed25519.Ed25519PrivateKey.generate()),
    "RSA": lambda: pem(rsa.generate_private_key(65537, 2048)),
}


@pytest.mark.parametrize("make", WRONG_KEYS.values(), ids=WRONG_KEYS.keys())
def test_a_key_of_another_kind_is_refused(files: Files, make: object) -> None:
    assert callable(make)
    files.put_key(make())

    assert files.refusal() == "device.key: not a P-256 key"


def test_a_key_behind_a_password_is_refused(files: Files) -> None:
    files.put_key(pem(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"x")))

    assert files.refusal().startswith("device.key: not a PEM private key: ")


def test_a_certificate_of_another_key_is_refused(files: Files, authority: Authority) -> None:
    other = authority.folder / "gateways" / GATEWAYS[1] / "device.pem"
    files.certificate.write_bytes(other.read_bytes())

    assert files.refusal() == f"device.pem: is not of the key in {files.key}"


@pytest.mark.parametrize("which", ["key", "certificate"])
def test_a_file_that_is_not_there_is_named(files: Files, which: str) -> None:
    gone: Path = getattr(files, which)
    gone.unlink()

    assert files.refusal() == f"{gone.name}: cannot be read: No such file or directory"


def framed(text: str) -> bytes:
    return f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n".encode()


@given(content=st.binary(max_size=300) | st.text(max_size=100).map(framed))
def test_any_bytes_are_refused_as_a_key(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, content: bytes
) -> None:
    files = Files(tmp_path_factory.mktemp("keys"), authority)
    files.put_key(content)

    assert files.refusal().startswith("device.key: not a ")


@given(content=st.binary(max_size=300))
def test_any_bytes_are_refused_as_a_certificate(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, content: bytes
) -> None:
    files = Files(tmp_path_factory.mktemp("keys"), authority)
    files.certificate.write_bytes(content)

    assert files.refusal().startswith("device.pem: not a PEM certificate: ")


def test_a_certificate_on_a_curve_that_nobody_knows_is_refused(files: Files) -> None:
    der = x509.load_pem_x509_certificate(files.certificate.read_bytes()).public_bytes(Encoding.DER)
    p256, nothing = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d03017f")
    assert der.count(p256) == 1
    text = base64.encodebytes(der.replace(p256, nothing)).decode()
    files.certificate.write_text(
        f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n", encoding="ascii"
    )

    assert files.refusal().startswith("device.pem: not a PEM certificate: ")
