"""Hello and acknowledgement: what the platform signs is read, anything else is refused."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from gateway.keys.cose import KID, X5CHAIN, sign1
from gateway.keys.device import FileKeyStore
from gateway.keys.platform import Signers, signer_kid
from gateway.model.clock import Instant, Trust
from gateway.model.ids import OPERATIONS, BootId, EpochId, GatewayId, Incarnation
from gateway.model.stream import Stream
from gateway.sync.wire import (
    ACK_CONTEXT,
    HELLO_CONTEXT,
    MESSAGE_MOST,
    AckedChannel,
    ChannelState,
    Hello,
    NotAnAckError,
    RefusedBatch,
    Why,
    parse_ack,
    sign_hello,
)
from simulators.platform.wire import parse_hello

GATEWAY = GatewayId("nvr-lenina-12")
INCARNATION = Incarnation(b"life-001")
SIGN1 = 18
"""RFC 9052 §2."""
KEY = ec.generate_private_key(ec.SECP256R1())
PLATFORM = FileKeyStore(KEY, b"certificate")
SIGNERS = Signers([KEY.public_key()])

GOOD: dict[int, Any] = {
    1: 1,
    2: GATEWAY,
    3: INCARNATION,
    4: "city",
    5: 1_764_000_000_000,
    6: [[3, "operations", 17, [[19, 20], [25, 25]]]],
    7: [b"epoch-01"],
    8: [b"epoch-02"],
    9: [[3, "operations", 19, 2]],
}


def signed(payload: object, key: FileKeyStore = PLATFORM, context: bytes = ACK_CONTEXT) -> bytes:
    kid = signer_kid(key.key.public_key())
    return sign1(cbor2.dumps(payload), {KID: kid}, context, key.sign)


def test_an_acknowledgement_is_read_whole() -> None:
    ack = parse_ack(signed(GOOD), GATEWAY, INCARNATION, SIGNERS)

    assert ack.consumer == "city"
    assert ack.channels == (AckedChannel(Stream.DATA, OPERATIONS, 17, ((19, 20), (25, 25))),)
    assert (ack.epochs, ack.wanted) == ((EpochId(b"epoch-01"),), (EpochId(b"epoch-02"),))
    assert ack.refused == (RefusedBatch(Stream.DATA, OPERATIONS, 19, 2),)


WRONG: dict[str, object] = {
    "another version": {**GOOD, 1: 2},
    "another gateway": {**GOOD, 2: "nvr-lenina-14"},
    "another life of the store": {**GOOD, 3: b"life-000"},
    "no consumer": {**GOOD, 4: None},
    "a channel too short": {**GOOD, 6: [[3, "operations", 17]]},
    "an unknown stream": {**GOOD, 6: [[99, "operations", 17, []]]},
    "a negative sequence": {**GOOD, 6: [[3, "operations", -1, []]]},
    "a sequence beyond all": {**GOOD, 6: [[3, "operations", 2**41, []]]},
    "a truth value for a sequence": {**GOOD, 6: [[3, "operations", True, []]]},
    "an epoch that is text": {**GOOD, 7: ["epoch-01"]},
    "not a map": [1, 2, 3],
}


@pytest.mark.parametrize("payload", WRONG.values(), ids=WRONG.keys())
def test_an_acknowledgement_is_refused_for(payload: object) -> None:
    with pytest.raises(NotAnAckError):
        parse_ack(signed(payload), GATEWAY, INCARNATION, SIGNERS)


def test_an_acknowledgement_of_an_unknown_key_is_refused() -> None:
    stranger = FileKeyStore(ec.generate_private_key(ec.SECP256R1()), b"")

    with pytest.raises(NotAnAckError, match="not known here"):
        parse_ack(signed(GOOD, stranger), GATEWAY, INCARNATION, SIGNERS)


def test_a_hello_does_not_pass_for_an_acknowledgement() -> None:
    with pytest.raises(NotAnAckError, match="does not hold"):
        parse_ack(signed(GOOD, context=HELLO_CONTEXT), GATEWAY, INCARNATION, SIGNERS)


def test_too_long_a_message_is_refused_unread() -> None:
    with pytest.raises(NotAnAckError, match="at most"):
        parse_ack(bytes(MESSAGE_MOST + 1), GATEWAY, INCARNATION, SIGNERS)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_acknowledgement_or_refused(message: bytes) -> None:
    with pytest.raises(NotAnAckError):
        parse_ack(message, GATEWAY, INCARNATION, SIGNERS)


@given(st.recursive(st.none() | st.integers() | st.text() | st.binary(), st.lists, max_leaves=20))
def test_any_payload_of_the_platform_is_read_or_refused(payload: object) -> None:
    with pytest.raises(NotAnAckError):
        parse_ack(signed({**GOOD, 6: payload, 1: 1, 4: 4}), GATEWAY, INCARNATION, SIGNERS)


def test_no_flipped_bit_passes() -> None:
    good = signed(GOOD)
    for bit in range(8 * len(good)):
        message = bytearray(good)
        message[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NotAnAckError):
            parse_ack(bytes(message), GATEWAY, INCARNATION, SIGNERS)


def test_the_platform_reads_our_hello() -> None:
    hello = Hello(
        GATEWAY,
        INCARNATION,
        BootId(bytes(16)),
        Instant(93_000, 1_764_000_000_000, Trust.HOLDOVER),
        [ChannelState(Stream.ALARM, OPERATIONS, 3, 5, 70, 30)],
        "0.1.0",
        Why.HEARTBEAT,
    )
    message = cbor2.loads(sign_hello(hello, PLATFORM))
    protected = cbor2.loads(message.value[0])

    read = parse_hello(message.value[2])

    assert message.tag == SIGN1
    assert protected[X5CHAIN] == b"certificate"
    assert (read.gateway, read.incarnation, read.why) == (GATEWAY, INCARNATION, 1)
    (channel,) = read.channels
    assert (channel.oldest, channel.newest, channel.produced, channel.kept) == (3, 5, 70, 30)
