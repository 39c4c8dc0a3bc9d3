"""Every place of the device key keeps one contract: file, token (softhsm2), TPM 2 (swtpm)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.config.site import KeyOptions
from gateway.keys.device import KeyStore
from gateway.keys.opening import open_key_store
from gateway.keys.pkcs11_token import TokenKeyStore
from gateway.keys.steady import AGAIN_AFTER_S, SteadyKeyStore
from gateway.keys.tpm2 import TpmKeyStore, TpmPlace
from gateway.model.clock import SystemClock
from gateway.model.errors import ConfigError, KeyRefusedError, KeyUnavailableError, Mistake
from provisioning.authority import Authority
from tests import key_places
from tests.clock import HandClock
from tests.key_places import HANDLE, HANDLE_OPEN, HANDLE_RSA, KEY, KEY_384, KEY_DECRYPTS, PIN, TOKEN

GATEWAY = "nvr-lenina-12"


def locate(option: str, message: str) -> Mistake:
    return Mistake(Path("site.toml"), 0, f"keys.{option}", message)


def certify(authority: Authority, key: ec.EllipticCurvePublicKey, file: Path) -> None:
    certificate = authority.client(GATEWAY, "gateway", key, SystemClock().now().utc)
    file.write_bytes(certificate.public_bytes(Encoding.PEM))


@pytest.fixture(scope="session")
def token(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> dict[str, Any]:
    """Options for a key in a token."""
    module = key_places.softhsm()
    if module is None:
        pytest.skip("softhsm2 is not installed")
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    folder = tmp_path_factory.mktemp("token")
    key, config = key_places.make_token(folder)
    os.environ["SOFTHSM2_CONF"] = str(config)  # for good: the library reads it once
    certify(authority, key, folder / "device.pem")
    pin = folder / "pin"
    pin.write_text(f"{PIN}\n", encoding="ascii")
    pin.chmod(0o600)
    return {
        "store": "pkcs11",
        "device_certificate": folder / "device.pem",
        "pkcs11_module": module,
        "pkcs11_token": TOKEN,
        "pkcs11_key": KEY,
        "pin_file": pin,
    }


@pytest.fixture(scope="session")
def tpm(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[dict[str, Any]]:
    """Options for a key in a TPM."""
    if not key_places.tpm_tools():
        pytest.skip("swtpm or tpm2-tools are not installed")
    folder = tmp_path_factory.mktemp("tpm")
    with key_places.running_tpm(folder) as tcti:
        certify(authority, key_places.make_tpm_keys(folder, tcti), folder / "device.pem")
        pin = folder / "pin"
        pin.write_text(f"{PIN}\n", encoding="ascii")
        pin.chmod(0o600)
        yield {
            "store": "tpm2",
            "device_certificate": folder / "device.pem",
            "tpm2_handle": HANDLE,
            "tpm2_tcti": tcti,
            "pin_file": pin,
        }


@pytest.fixture
def file(authority: Authority) -> dict[str, Any]:
    """Options for a key in a file."""
    keys = authority.folder / "gateways" / GATEWAY
    return {"device_key": keys / "device.key", "device_certificate": keys / "device.pem"}


@pytest.fixture(params=["file", "token", "tpm"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    made: dict[str, Any] = request.getfixturevalue(request.param)
    return made


_open: list[TokenKeyStore] = []


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    """Close sessions: a login is of the whole program, and would hide a wrong PIN."""
    yield
    while _open:
        _open.pop().close()


def opened(options: dict[str, Any], **other: object) -> KeyStore:
    store = open_key_store(KeyOptions(**{**options, **other}), locate)
    if isinstance(store, TokenKeyStore):
        _open.append(store)
    return store


def refusal(options: dict[str, Any], **other: object) -> tuple[str, str]:
    """Return the option and the sentence with which an opening is refused."""
    with pytest.raises(ConfigError) as caught:
        opened(options, **other)
    (mistake,) = caught.value.mistakes
    return mistake.option, mistake.message


def bad_pin(folder: Path, content: str = "9999", mode: int = 0o600) -> Path:
    pin = folder / "bad-pin"
    pin.write_text(content, encoding="ascii")
    pin.chmod(mode)
    return pin


def test_a_signature_is_r_and_s_and_holds_under_the_certificate(options: dict[str, Any]) -> None:
    store = opened(options)
    certificate = x509.load_der_x509_certificate(store.certificate)
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    for data in (b"", b"one", bytes(100_000)):
        signature = store.sign(data)
        assert len(signature) == 64
        r, s = (int.from_bytes(signature[at : at + 32], "big") for at in (0, 32))
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(SHA256()))


def test_a_certificate_of_another_key_is_refused_at_the_start(
    options: dict[str, Any], authority: Authority
) -> None:
    other = authority.folder / "gateways" / "nvr-lenina-14" / "device.pem"
    option, message = refusal(options, device_certificate=other)
    assert option == "keys.device_certificate"
    assert "is not of" in message


def test_a_site_without_the_options_of_its_store_is_refused(options: dict[str, Any]) -> None:
    wanted = {"store", "device_certificate"}
    option, message = refusal({name: options[name] for name in options.keys() & wanted})
    assert option == "keys.store"
    assert options.get("store", "file") in message


@pytest.mark.parametrize("fixture", ["token", "tpm"])
def test_a_wrong_pin_is_shown_once_and_never_again(
    fixture: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    options = request.getfixturevalue(fixture)
    wrong = bad_pin(tmp_path)
    option, message = refusal(options, pin_file=wrong)
    assert option == "keys.pin_file"
    assert str(wrong) in message
    assert "refuses" in message

    clock = HandClock()
    said: list[KeyUnavailableError | None] = []
    store = opened(options)
    if isinstance(store, TokenKeyStore):
        store.close()
        store.place = replace(store.place, pin_file=wrong)
    elif isinstance(store, TpmKeyStore):
        store = replace(store, place=replace(store.place, pin_file=wrong))
    steady = SteadyKeyStore(store, clock.monotonic_s, said.append)
    with pytest.raises(KeyRefusedError):
        steady.sign(b"x")
    wrong.write_text(PIN, encoding="ascii")  # it would succeed now, but nobody asks
    clock.advance(100 * AGAIN_AFTER_S)
    with pytest.raises(KeyUnavailableError):
        steady.sign(b"x")
    assert len(said) == 1


@pytest.mark.parametrize("fixture", ["token", "tpm"])
@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [("", 0o600, "is empty"), (PIN, 0o640, "chmod 600"), (None, 0o600, "cannot be read")],
)
def test_a_pin_file_that_cannot_be_used_is_named(
    fixture: str,
    content: str | None,
    mode: int,
    said: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    pin = tmp_path / "absent" if content is None else bad_pin(tmp_path, content, mode)
    option, message = refusal(request.getfixturevalue(fixture), pin_file=pin)
    assert option == "keys.pin_file"
    assert said in message
    assert str(pin) in message


def test_a_library_that_does_not_load_is_named(token: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "no.so").write_bytes(b"no library")
    option, message = refusal(token, pkcs11_module=tmp_path / "no.so")
    assert option == "keys.pkcs11_module"
    assert "no.so" in message


def test_a_token_that_is_not_there_may_come_later(token: dict[str, Any]) -> None:
    with pytest.raises(KeyUnavailableError, match=r"'elsewhere' \(there: .*'mayak'.*plug it in"):
        opened(token, pkcs11_token="elsewhere")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("elsewhere", f"no EC private key 'elsewhere' (there: '{KEY}'"),
        (KEY_384, "not a P-256 key"),
        (KEY_DECRYPTS, "may not sign"),
    ],
)
def test_a_key_that_cannot_be_used_is_named(token: dict[str, Any], key: str, said: str) -> None:
    option, message = refusal(token, pkcs11_key=key)
    assert option == "keys.pkcs11_key"
    assert said in message


def test_a_session_that_was_lost_is_opened_again(token: dict[str, Any]) -> None:
    store = opened(token)
    assert isinstance(store, TokenKeyStore)
    assert store._session is not None
    store._session.close()  # as the library does when the token was pulled out
    assert len(store.sign(b"x")) == 64
    store.close()
    store.close()
    assert len(store.sign(b"x")) == 64


def test_without_its_package_a_token_is_refused_with_what_to_install(
    token: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    assert refusal(token) == (
        "keys.store",
        'the package python-pkcs11 is not installed: pip install "mayak[pkcs11]"',
    )


def test_a_key_in_a_tpm_may_be_without_a_pin(tpm: dict[str, Any]) -> None:
    place = TpmPlace(HANDLE_OPEN, tpm["tpm2_tcti"], None)
    assert len(TpmKeyStore(place, b"").sign(b"x")) == 64


@pytest.mark.parametrize(
    ("handle", "said"), [("0x81010099", "no key at 0x81010099"), (HANDLE_RSA, "signs with ECDSA")]
)
def test_a_handle_without_such_a_key_is_named(tpm: dict[str, Any], handle: str, said: str) -> None:
    store = TpmKeyStore(TpmPlace(handle, tpm["tpm2_tcti"], None), b"")
    with pytest.raises(KeyRefusedError) as caught:
        store.sign(b"x")
    assert caught.value.option == "tpm2_handle"
    assert said in str(caught.value)


def test_a_key_that_wants_a_pin_and_gets_none_is_refused(tpm: dict[str, Any]) -> None:
    option, message = refusal({**tpm, "pin_file": None})
    assert option == "keys.pin_file"
    assert "without a PIN" in message


def test_a_tpm_that_is_not_there_may_come_later(tpm: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError, match="there is no TPM at device:"):
        opened(tpm, tpm2_tcti=f"device:{tmp_path / 'tpmrm0'}")


def test_without_its_tool_a_tpm_is_refused_with_what_to_install(
    tpm: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    option, message = refusal(tpm)
    assert option == "keys.store"
    assert "tpm2-tools" in message


def test_the_agent_with_a_key_in_a_file_loads_no_library_of_tokens() -> None:
    code = "import sys, gateway.app; sys.exit('pkcs11' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
