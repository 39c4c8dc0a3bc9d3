"""The messages beside batches: topics, hello, acknowledgement. Pure.

Their form is that of the wire reference, this folder's README, §1, §5 and §6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeVar

import cbor2

from gateway.keys.cose import X5CHAIN, CoseError, open1, sign1
from gateway.keys.device import KeyStore
from gateway.keys.platform import Signers
from gateway.model.clock import Instant
from gateway.model.ids import Audience, BootId, ConsumerId, EpochId, GatewayId, Incarnation
from gateway.model.stream import Stream

T = TypeVar("T")

VERSION: Final = 1
HELLO_CONTEXT: Final = b"mayak/1/hello"
ACK_CONTEXT: Final = b"mayak/1/ack"
MESSAGE_MOST: Final = 1 << 20
"""Bytes of a message from the platform; a longer one is refused unread."""

SEQUENCE_MOST: Final = (1 << 40) - 1


class Why(IntEnum):
    """What a hello is said for."""

    CONNECTED = 0
    HEARTBEAT = 1
    STOPPING = 2


class NotAnAckError(ValueError):
    """The bytes are no acknowledgement for us; the text says why."""


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What a hello says of one channel."""

    stream: Stream
    audience: Audience
    oldest: int
    newest: int
    produced: int
    kept: int


@dataclass(frozen=True, slots=True)
class Hello:
    """Who we are, since when, and what we keep."""

    gateway: GatewayId
    incarnation: Incarnation
    boot: BootId
    now: Instant
    channels: Sequence[ChannelState]
    version: str
    why: Why


@dataclass(frozen=True, slots=True)
class AckedChannel:
    """What an acknowledgement says of one channel."""

    stream: Stream
    audience: Audience
    contiguous: int
    missing: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class RefusedBatch:
    """One batch that the platform cannot use."""

    stream: Stream
    audience: Audience
    sequence: int
    reason: int


@dataclass(frozen=True, slots=True)
class Ack:
    """What a consumer holds, lacks and refuses."""

    consumer: ConsumerId
    channels: tuple[AckedChannel, ...] = ()
    epochs: tuple[EpochId, ...] = ()
    wanted: tuple[EpochId, ...] = ()
    refused: tuple[RefusedBatch, ...] = field(default=())


def topic_up(gateway: GatewayId, what: str) -> str:
    """Return the topic of a stream, of `epoch` or of `hello`."""
    return f"mayak/1/{gateway}/up/{what}"


def topic_down(gateway: GatewayId, what: str) -> str:
    """Return a topic on which the platform speaks to this gateway."""
    return f"mayak/1/{gateway}/down/{what}"


def sign_hello(hello: Hello, key: KeyStore) -> bytes:
    """Return the hello as the wire carries it, signed by the device key."""
    now = hello.now
    payload = {
        1: VERSION,
        2: hello.gateway,
        3: hello.incarnation,
        4: hello.boot,
        5: [now.mono_ms, now.wall_ms, int(now.trust)],
        6: [
            [int(c.stream), c.audience, c.oldest, c.newest, c.produced, c.kept]
            for c in hello.channels
        ],
        7: hello.version,
        8: int(hello.why),
    }
    return sign1(cbor2.dumps(payload), {X5CHAIN: key.certificate}, HELLO_CONTEXT, key.sign)


def parse_ack(
    message: bytes, gateway: GatewayId, incarnation: Incarnation, signers: Signers
) -> Ack:
    """Return what an acknowledgement says.

    Args:
        message: any bytes.
        gateway: ours.
        incarnation: of our store.
        signers: whose word counts.

    Raises:
        NotAnAckError: too long, not signed by one of `signers`, not for us, or not of the form.
    """
    if len(message) > MESSAGE_MOST:
        msg = f"{len(message)} bytes, at most {MESSAGE_MOST} are read"
        raise NotAnAckError(msg)
    try:
        payload = cbor2.loads(open1(message, ACK_CONTEXT, signers))
    except CoseError as error:
        raise NotAnAckError(str(error)) from error
    except (cbor2.CBORDecodeError, ValueError, RecursionError, OverflowError) as error:
        msg = "the payload is not CBOR"
        raise NotAnAckError(msg) from error
    if not isinstance(payload, dict) or payload.get(1) != VERSION:
        msg = "not of version 1"
        raise NotAnAckError(msg)
    if payload.get(2) != gateway or payload.get(3) != incarnation:
        msg = "for another gateway or another life of the store"
        raise NotAnAckError(msg)
    return Ack(
        ConsumerId(_of(payload.get(4), str, "consumer")),
        tuple(_each(payload.get(6), _channel)),
        tuple(_each(payload.get(7), _epoch)),
        tuple(_each(payload.get(8), _epoch)),
        tuple(_each(payload.get(9), _refused)),
    )


def _channel(entry: object) -> AckedChannel:
    stream, audience, contiguous, missing = _row(entry, 4)
    ranges = tuple(
        (_sequence(first), _sequence(last))
        for first, last in (_row(each, 2) for each in _of(missing, list, "missing"))
    )
    return AckedChannel(_stream(stream), _audience(audience), _sequence(contiguous), ranges)


def _refused(entry: object) -> RefusedBatch:
    stream, audience, sequence, reason = _row(entry, 4)
    return RefusedBatch(
        _stream(stream), _audience(audience), _sequence(sequence), _of(reason, int, "reason")
    )


def _epoch(entry: object) -> EpochId:
    return EpochId(_of(entry, bytes, "epoch"))


def _each(entries: object, read: Callable[[object], T]) -> list[T]:
    return [read(entry) for entry in _of([] if entries is None else entries, list, "array")]


def _row(entry: object, length: int) -> list[object]:
    row: list[object] = _of(entry, list, "array")
    if len(row) != length:
        msg = f"an array of {len(row)} where {length} belong"
        raise NotAnAckError(msg)
    return row


def _of(value: object, kind: type[T], what: str) -> T:
    if not isinstance(value, kind) or isinstance(value, bool):
        msg = f"{what} is {type(value).__name__}, not {kind.__name__}"
        raise NotAnAckError(msg)
    return value


def _sequence(value: object) -> int:
    number = _of(value, int, "sequence")
    if not 0 <= number <= SEQUENCE_MOST:
        msg = f"sequence {number}"
        raise NotAnAckError(msg)
    return number


def _stream(value: object) -> Stream:
    try:
        return Stream(_of(value, int, "stream"))
    except ValueError as error:
        msg = f"stream {value!r}"
        raise NotAnAckError(msg) from error


def _audience(value: object) -> Audience:
    return Audience(_of(value, str, "audience"))
