"""The section `[keys]`: each store has its options, and a mistake says which."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.loading import parse
from gateway.messages.formatting import LANGUAGES, Language

FILE = Path("sites/site.toml")
TOKEN = """\
store = "pkcs11"
device_certificate = "keys/device.pem"
pkcs11_module = "/usr/lib/softhsm/libsofthsm2.so"
pkcs11_token = "mayak"
pkcs11_key = "device"
pin_file = "keys/pin"
"""
TPM = """\
store = "tpm2"
device_certificate = "keys/device.pem"
tpm2_handle = "0x81010001"
"""
OWN_CLIENT_KEY = 'certificate = "keys/uplink.pem"\nkey = "keys/uplink.key"\n'


def site(keys: str, uplink: str = OWN_CLIENT_KEY) -> str:
    return f"""\
[keys]
{keys}
[gateway]
id = "nvr-lenina-12"
[[consumer]]
id = "city"
audiences = ["operations"]
hpke_keys = ["keys/city-hpke.pub"]
sign_keys = ["keys/city-sign.pem"]
[uplink]
consumer = "city"
host = "127.0.0.1"
ca = "keys/ca.pem"
{uplink}"""


def told(text: str, lang: Language = "en") -> list[tuple[str, str]]:
    return [(each.option, each.message) for each in parse(text.encode(), FILE, lang).mistakes]


@pytest.mark.parametrize("keys", [TOKEN, TPM, TPM + 'tpm2_tcti = "swtpm:port=1"\npin_file = "p"'])
def test_a_token_or_a_tpm_with_its_options_is_a_good_site(keys: str) -> None:
    draft = parse(site(keys).encode(), FILE, "en")
    assert draft.mistakes == ()
    assert draft.site is not None
    assert draft.site.keys.device_key is None


@pytest.mark.parametrize("option", ["pkcs11_module", "pkcs11_token", "pkcs11_key", "pin_file"])
def test_what_a_token_needs_is_told_one_by_one(option: str) -> None:
    lines = [line for line in TOKEN.splitlines() if not line.startswith(option)]
    ((name, message),) = told(site("\n".join(lines)))
    assert name == f"keys.{option}"
    assert message.startswith(f"Option `{option}` is missing; allowed: ")


def test_a_tpm_needs_a_handle_and_a_file_needs_a_file() -> None:
    certificate = 'device_certificate = "keys/device.pem"\n'
    assert [name for name, _ in told(site('store = "tpm2"\n' + certificate))] == [
        "keys.tpm2_handle"
    ]
    assert [name for name, _ in told(site(certificate))] == ["keys.device_key"]


def test_a_handle_that_is_not_persistent_is_refused() -> None:
    ((name, message),) = told(site(TPM.replace("0x81010001", "0x80000000")))
    assert name == "keys.tpm2_handle"
    assert message.startswith('Found "0x80000000", allowed: text of the form ^0x81')


def test_an_option_of_another_store_is_told_with_its_store() -> None:
    ((name, message),) = told(site(TPM + 'device_key = "keys/device.key"'))
    assert name == "keys.device_key"
    assert message.startswith(
        'Option `device_key` belongs to `store` = "file", and `store` is "tpm2".'
    )
    ((_, message),) = told(
        site('device_key = "k"\ndevice_certificate = "c"\npin_file = "p"', uplink="")
    )
    assert '"pkcs11", "tpm2"' in message


@pytest.mark.parametrize("keys", [TOKEN, TPM])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_tls_needs_a_key_file_of_its_own_beside_a_token(keys: str, lang: Language) -> None:
    mistakes = told(site(keys, uplink=""), lang)
    assert [name for name, _ in mistakes] == ["uplink.certificate", "uplink.key"]
    assert all("TLS" in message for _, message in mistakes)


@pytest.mark.parametrize("keys", [TOKEN, TPM])
def test_without_tls_it_needs_none(keys: str) -> None:
    assert told(site(keys, uplink="tls = false\n")) == []


def test_a_store_that_is_none_is_one_mistake() -> None:
    ((name, message),) = told(site(TOKEN.replace("pkcs11", "pkcs12", 1)))
    assert name == "keys.store"
    assert message == 'Found "pkcs12", allowed: "file", "pkcs11" or "tpm2".'


@pytest.mark.parametrize("keys", ['store = 7\ndevice_certificate = "c"', "store = []"])
def test_a_store_of_another_type_is_said_by_the_model(keys: str) -> None:
    assert "keys.store" in [name for name, _ in told(site(keys))]
