from __future__ import annotations

from contextlib import suppress
from typing import Any

import cbor2
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from provisioning.authority import Authority
from simulators.platform import cose, wire
from simulators.platform.catalogue import open_catalogue
from simulators.platform.errors import Reason, WireError
from tests.conftest import GATEWAYS
from tests.unit.simulators.platform.platform_sender import WALL, Epoch, Sender, open_ack

POINTS = [["u", "V", 0, 0.1, 0, None], ["on", "1", 5, 1, 0, {0: "off", 1: "on"}]]


@pytest.fixture(scope="module")
def sender(authority: Authority) -> Sender:
    return Sender.of(authority, GATEWAYS[0])


@pytest.fixture(scope="module")
def epoch(sender: Sender) -> tuple[Epoch, bytes]:
    return sender.epoch(POINTS)


def test_a_head_is_read_without_a_key(sender: Sender, epoch: tuple[Epoch, bytes]) -> None:
    sealed = sender.batch(
        epoch[0], [(0, 0, [1, 1], {})], sequence=259, span=3, stream="alarm", wall=WALL, mono=7
    )
    batch = wire.parse_batch(sealed)
    assert (batch.gateway, batch.audience, batch.stream) == (GATEWAYS[0], "operations", 0)
    assert (batch.epoch, batch.count, batch.span) == (epoch[0].id, 2, 3)
    assert (batch.first, batch.sequence) == (257, 259)
    assert (batch.start, batch.length) == (wire.Moment(7, WALL, 2), 900)
    assert wire.inflate(wire.open_batch(batch, epoch[0].key))


HEADS: dict[str, tuple[dict[str, Any], Reason]] = {
    "of another version": ({"version": 2}, Reason.VERSION),
    "of version true": ({"version": True}, Reason.VERSION),
    "with a span of zero": ({"span": 0, "sequence": 1}, Reason.FORM),
    "with a span above its sequence": ({"span": 3, "sequence": 2}, Reason.FORM),
    "with a trust that is none": ({"trust": 3}, Reason.FORM),
    "with a negative time": ({"mono": -1}, Reason.FORM),
    "with a time beyond reason": ({"wall": 2**60}, Reason.FORM),
    "with a count beyond reason": ({"head_count": 2**40}, Reason.FORM),
    "without an audience": ({"audience": ""}, Reason.FORM),
}


@pytest.mark.parametrize(("changes", "reason"), HEADS.values(), ids=HEADS.keys())
def test_a_batch_is_refused(
    changes: dict[str, Any], reason: Reason, sender: Sender, epoch: tuple[Epoch, bytes]
) -> None:
    changes = {"sequence": 9, **changes}
    nonce_safe = {**changes, "span": max(changes.get("span", 1), 1)}
    sealed = cbor2.loads(sender.contents(epoch[0], {}, 0, **nonce_safe)).value
    header = cbor2.loads(sealed[0])
    header[-65537][6] = changes.get("span", 1)
    again = cbor2.dumps(cbor2.CBORTag(16, [cbor2.dumps(header), {}, sealed[2]]))
    with pytest.raises(WireError) as caught:
        wire.parse_batch(again)
    assert caught.value.reason is reason


@given(st.binary(max_size=300))
def test_any_bytes_are_a_batch_or_raise_wire_error(data: bytes) -> None:
    for prefix in (b"", b"\xd0\x83"):
        with suppress(WireError):
            wire.parse_batch(prefix + data)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_payload_or_raise_wire_error(data: bytes) -> None:
    for parse in (wire.parse_epoch, wire.parse_hello, wire.inflate):
        with suppress(WireError):
            parse(data)
    for context in (wire.EPOCH_CONTEXT, wire.HELLO_CONTEXT):
        with suppress(WireError):
            cose.parse_sign1(data, context)
        with suppress(WireError):
            cose.parse_sign1(b"\xd2\x84" + data, context)


VALUES = st.recursive(
    st.none() | st.integers() | st.binary(max_size=16) | st.text(max_size=5) | st.floats(),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=12,
)


@given(st.dictionaries(st.integers(1, 9), VALUES | st.just(1), max_size=9))
def test_any_map_is_a_payload_or_raises_wire_error(fields: dict[int, Any]) -> None:
    for parse in (wire.parse_epoch, wire.parse_hello):
        with suppress(WireError):
            parse(cbor2.dumps({**fields, 1: 1}))


@given(bit=st.integers(0, 2**16))
def test_a_flipped_bit_anywhere_in_a_batch_is_refused(
    sender: Sender, epoch: tuple[Epoch, bytes], bit: int
) -> None:
    whole = sender.batch(epoch[0], [(0, 0, [1, 1], {})], sequence=300)
    place = bit % (8 * len(whole))
    broken = bytearray(whole)
    broken[place // 8] ^= 1 << place % 8
    with pytest.raises(WireError):
        wire.open_batch(wire.parse_batch(bytes(broken)), epoch[0].key)


@given(bit=st.integers(0, 2**16))
def test_a_flipped_bit_anywhere_in_a_signed_message_is_refused(sender: Sender, bit: int) -> None:
    whole = sender.hello()
    place = bit % (8 * len(whole))
    broken = bytearray(whole)
    broken[place // 8] ^= 1 << place % 8
    with pytest.raises(WireError):
        cose.verify(cose.parse_sign1(bytes(broken), wire.HELLO_CONTEXT), sender.key.public_key())


def test_a_hello_is_no_epoch_record(sender: Sender) -> None:
    message = cose.parse_sign1(sender.hello(), wire.EPOCH_CONTEXT)
    with pytest.raises(WireError, match="does not verify"):
        cose.verify(message, sender.key.public_key())


BOMBS = {
    "declares more than allowed": zstandard.compress(bytes(2000)),
    "declares nothing and grows": zstandard.ZstdCompressor(write_content_size=False).compress(
        bytes(2000)
    ),
    "two frames": zstandard.compress(b"x") * 2,
    "bytes after the frame": zstandard.compress(b"x") + b"x",
    "no frame": b"x",
    "nothing": b"",
}


@pytest.mark.parametrize("frame", BOMBS.values(), ids=BOMBS.keys())
def test_a_frame_that_is_refused(frame: bytes) -> None:
    with pytest.raises(WireError) as caught:
        wire.inflate(frame, limit=1000)
    assert caught.value.reason is Reason.INSIDE


def test_a_frame_of_just_the_limit_is_read() -> None:
    assert wire.inflate(zstandard.compress(bytes(1000)), limit=1000) == bytes(1000)


def test_a_message_above_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(WireError) as caught:
        wire.parse_batch(bytes(wire.MAX_MESSAGE + 1))
    assert caught.value.reason is Reason.TOO_LARGE


TOPICS = {
    "another version": "mayak/2/gw/up/data",
    "another stream": "mayak/1/gw/up/nothing",
    "down": "mayak/1/gw/down/ack",
    "no gateway": "mayak/1//up/data",
    "a gateway that is no name": "mayak/1/GW!/up/data",
    "longer": "mayak/1/gw/up/data/more",
    "empty": "",
}


@pytest.mark.parametrize("topic", TOPICS.values(), ids=TOPICS.keys())
def test_a_topic_that_is_refused(topic: str) -> None:
    with pytest.raises(WireError) as caught:
        wire.parse_topic(topic)
    assert caught.value.reason is Reason.TOPIC


@given(st.text(max_size=40))
def test_any_text_is_a_topic_or_raises_wire_error(topic: str) -> None:
    with suppress(WireError):
        wire.parse_topic(topic)


def test_the_catalogue_opens_only_for_its_epoch(epoch: tuple[Epoch, bytes]) -> None:
    made, record = epoch
    message = cose.parse_sign1(record, wire.EPOCH_CONTEXT)
    sealed = wire.parse_epoch(message.payload).catalogue
    catalogue = open_catalogue(sealed, made.id, made.key)
    assert [(p.name, p.unit, p.kind, p.scale) for p in catalogue.shapes[0]] == [
        ("u", "V", 0, 0.1),
        ("on", "1", 5, 1),
    ]
    assert catalogue.shapes[0][1].states == ((0, "off"), (1, "on"))
    assert catalogue.sources == [("meter-1", 0)]
    with pytest.raises(WireError) as caught:
        open_catalogue(sealed, b"another!", made.key)
    assert caught.value.reason is Reason.WRAP


def test_an_acknowledgement_says_what_it_was_given() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    ack = wire.Ack(
        "gw-1",
        b"incarn-1",
        [wire.ChannelAck(3, "operations", 5, [(6, 7), (9, 9)])],
        [b"epoch--1"],
        [b"epoch--2"],
        [(3, "operations", 6, 2)],
    )
    payload = wire.build_ack(ack, consumer="city", wall_ms=WALL, kid=b"kid-kid!", key=key)
    assert cbor2.loads(cbor2.loads(payload).value[0]) == {1: -7, 4: b"kid-kid!"}
    assert open_ack(payload, key.public_key()) == {
        1: 1,
        2: "gw-1",
        3: b"incarn-1",
        4: "city",
        5: WALL,
        6: [[3, "operations", 5, [[6, 7], [9, 9]]]],
        7: [b"epoch--1"],
        8: [b"epoch--2"],
        9: [[3, "operations", 6, 2]],
    }
