"""A key store that went away is left in peace, and told of once."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys.device import plain_signature
from gateway.keys.steady import AGAIN_AFTER_S, SteadyKeyStore
from gateway.keys.tpm2 import TpmKeyStore, TpmPlace, tpm_code
from gateway.model.errors import KeyRefusedError, KeyUnavailableError
from tests.clock import HandClock


@dataclass
class Token:
    """Signs, or fails as it is told."""

    error: KeyUnavailableError | None = None
    asked: int = 0
    certificate: bytes = b"certificate"

    def sign(self, data: bytes) -> bytes:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return data


def steady(
    token: Token, clock: HandClock
) -> tuple[SteadyKeyStore, list[KeyUnavailableError | None]]:
    said: list[KeyUnavailableError | None] = []
    return SteadyKeyStore(token, clock.monotonic_s, said.append), said


def test_a_key_that_signs_is_handed_through(clock: HandClock) -> None:
    store, said = steady(Token(), clock)
    assert store.sign(b"x") == b"x"
    assert store.certificate == b"certificate"
    assert said == []


def test_a_token_that_is_out_is_asked_once_a_minute_and_told_of_once(clock: HandClock) -> None:
    token = Token(KeyUnavailableError("out"))
    store, said = steady(token, clock)
    for _ in range(10):
        with pytest.raises(KeyUnavailableError, match="out"):
            store.sign(b"x")
    assert token.asked == 1

    clock.advance(AGAIN_AFTER_S)
    with pytest.raises(KeyUnavailableError, match="out"):
        store.sign(b"x")
    assert token.asked == 2
    assert said == [token.error]

    token.error = None
    clock.advance(AGAIN_AFTER_S)
    assert store.sign(b"x") == b"x"
    assert said[1:] == [None]


def test_after_a_refusal_nobody_asks_again(clock: HandClock) -> None:
    token = Token(KeyRefusedError("wrong PIN", option="pin_file"))
    store, said = steady(token, clock)
    for _ in range(3):
        clock.advance(1000 * AGAIN_AFTER_S)
        with pytest.raises(KeyUnavailableError, match="wrong PIN"):
            store.sign(b"x")
    assert (token.asked, said) == (1, [token.error])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_signature_of_64_bytes_or_none(der: bytes) -> None:
    with suppress(ValueError):
        assert len(plain_signature(der)) == 64


@given(st.text(max_size=200))
def test_any_words_of_a_tool_have_a_code_of_12_bits_or_none(said: str) -> None:
    assert 0 <= tpm_code(said) < 1 << 12


SAID = {
    "busy": ("ERROR: Esys_Sign(0x922) - tpm:warn(2.0): not started", "is busy"),
    "opened by another": (
        "ERROR:tcti: Failed to open specified TCTI device file /dev/tpm0: Device or resource busy",
        "is busy",
    ),
    "locked": ("ERROR: Eys_Sign(0x921) - tpm:warn(2.0): DA lockout", "locked after wrong PINs"),
    "not allowed": (
        "ERROR:tcti: Failed to open specified TCTI device file /dev/tpmrm0: Permission denied",
        "group tss",
    ),
    "no TPM": ('ERROR: Could not load tcti, got: "device:/dev/tpmrm0"', "there is no TPM"),
    "something else": ("ERROR: Esys_Sign(0x101) - tpm:error: failure", "does not sign: ERROR"),
    "nothing": ("", "says nothing"),
    "of a layer above": ("ERROR: Esys_Sign(0xA000A) - tcti:IO failure", "there is no TPM"),
}


@pytest.mark.parametrize(("said", "sentence"), SAID.values(), ids=SAID)
def test_what_the_tool_says_becomes_a_sentence_with_what_to_do(said: str, sentence: str) -> None:
    store = TpmKeyStore(TpmPlace("0x81010001", "device:/dev/tpmrm0", None), b"")
    with pytest.raises(KeyUnavailableError, match=re.escape(sentence)) as caught:
        store._explain(said)
    assert not isinstance(caught.value, KeyRefusedError)


@pytest.mark.parametrize(
    ("code", "option"),
    [
        ("0x98E", "pin_file"),
        ("0x9a2", "pin_file"),
        ("0x18B", "tpm2_handle"),
        ("0x2D2", "tpm2_handle"),
    ],
)
def test_what_only_a_person_mends_is_refused(code: str, option: str) -> None:
    store = TpmKeyStore(TpmPlace("0x81010001", "device:/dev/tpmrm0", None), b"")
    with pytest.raises(KeyRefusedError) as caught:
        store._explain(f"ERROR: Eys_Sign({code}) - tpm")
    assert caught.value.option == option
