"""Any bytes may come as an answer to a question for the time."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys.cose import KID, sign1
from gateway.keys.device import FileKeyStore
from gateway.keys.platform import Signers, signer_kid
from gateway.model.ids import BootId, ConsumerId, GatewayId
from gateway.sync.platform_time import (
    NONCE_LEN,
    TIME_CONTEXT,
    NotATimeError,
    Question,
    parse_answer,
)
from gateway.sync.wire import ACK_CONTEXT, MESSAGE_MOST

KEY = ec.generate_private_key(ec.SECP256R1())
SIGNERS = Signers([KEY.public_key()])
CITY = ConsumerId("city")
QUESTION = Question(GatewayId("gw-1"), BootId(b"b" * 16), b"n" * NONCE_LEN)
ASKED = cbor2.loads(QUESTION.packed())


def signed(payload: bytes, context: bytes = TIME_CONTEXT) -> bytes:
    kid = signer_kid(KEY.public_key())
    return sign1(payload, {KID: kid}, context, FileKeyStore(KEY, b"").sign)


def parsed(message: bytes) -> int:
    return parse_answer(message, QUESTION, CITY, SIGNERS)


@given(wall_ms=st.integers(0, (1 << 53) - 1), more=st.dictionaries(st.integers(7), st.text()))
def test_an_answer_says_the_time(wall_ms: int, more: dict[int, str]) -> None:
    assert parsed(signed(cbor2.dumps({**ASKED, 5: CITY, 6: wall_ms, **more}))) == wall_ms


@given(message=st.binary(max_size=200))
def test_any_bytes_are_no_answer(message: bytes) -> None:
    with pytest.raises(NotATimeError):
        parsed(message)


@given(payload=st.binary(max_size=100))
def test_any_bytes_under_the_right_key_are_no_answer(payload: bytes) -> None:
    with pytest.raises(NotATimeError):
        parsed(signed(payload))


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary())


@given(key=st.integers(1, 6), value=VALUES)
def test_an_answer_with_one_field_changed_is_none(key: int, value: Any) -> None:
    fields = {**ASKED, 5: CITY, 6: 1}
    if value == fields[key] or (key == 6 and type(value) is int and 0 <= value < 1 << 53):
        return
    with pytest.raises(NotATimeError):
        parsed(signed(cbor2.dumps({**fields, key: value})))


def test_an_acknowledgement_is_no_answer_though_the_same_key_signed_it() -> None:
    with pytest.raises(NotATimeError):
        parsed(signed(cbor2.dumps({**ASKED, 5: CITY, 6: 1}), ACK_CONTEXT))


def test_an_answer_that_is_too_long_is_not_read() -> None:
    with pytest.raises(NotATimeError, match="bytes"):
        parsed(bytes(MESSAGE_MOST + 1))
