"""From bytes to what they say, and back for the acknowledgement. Pure.

Written from `gateway/sync/README.md`; the sections named here are its sections. Whatever comes in,
a parser here returns or raises `WireError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from gateway.model.ids import is_name
from simulators.platform import cose, strict
from simulators.platform.errors import Reason, WireError

VERSION: Final = 1
MAX_MESSAGE: Final = 1 << 20
"""Bytes of one message, §8."""
MAX_PLAIN: Final = 32 << 20
"""Bytes of one plaintext after zstd: what a hostile frame may grow to."""
MAX_SPAN: Final = 1 << 24
MAX_MISSING: Final = 1000
"""Ranges named in one acknowledgement; the rest is named when these are settled."""

STREAMS: Final = ("alarm", "event", "state", "data", "rollup", "log", "media")
"""By code, most urgent first."""

BATCH_CONTEXT: Final = b"mayak/1/batch"
EPOCH_CONTEXT: Final = b"mayak/1/epoch"
HELLO_CONTEXT: Final = b"mayak/1/hello"
ACK_CONTEXT: Final = b"mayak/1/ack"
TIME_CONTEXT: Final = b"mayak/1/time"

REFUSED_SEALED: Final = 2
REFUSED_INSIDE: Final = 3

_HEAD_LABEL: Final = -65537
_HEAD_LENGTH: Final = 11
_TRUSTS: Final = 3
_QUESTION_ITEMS: Final = 64
_WINDOW: Final = 1 << 27


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment as the board saw it: milliseconds since boot, since 1970, trust in the latter."""

    mono: int
    wall: int
    trust: int


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """A batch whose head is read; nothing is authentic before `open_batch`."""

    gateway: str
    audience: str
    stream: int
    epoch: bytes
    count: int
    span: int
    sequence: int
    start: Moment
    """Of the first row."""
    length: int
    """Milliseconds to the last row."""
    nonce: bytes
    body: cose.Encrypt0
    size: int
    """Bytes on the wire."""

    @property
    def first(self) -> int:
        """Return the lowest sequence covered."""
        return self.sequence - self.span + 1


@dataclass(frozen=True, slots=True)
class Wrap:
    """The epoch key for one key of one consumer."""

    consumer: str
    kid: bytes
    suite: tuple[int, int, int]
    sealed: bytes


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What an epoch record says, its signature checked by the caller."""

    gateway: str
    epoch: bytes
    incarnation: bytes
    boot: bytes
    made: Moment
    audience: str
    wraps: Sequence[Wrap]
    catalogue: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """What a gateway says of one channel."""

    stream: int
    audience: str
    oldest: int
    newest: int
    produced: int
    kept: int


@dataclass(frozen=True, slots=True)
class Hello:
    """What a hello says, its signature checked by the caller."""

    gateway: str
    incarnation: bytes
    boot: bytes
    now: Moment
    channels: Sequence[Statement]
    software: str
    why: int


@dataclass(frozen=True, slots=True)
class Question:
    """What a gateway without a clock asks; the answer repeats it."""

    gateway: str
    boot: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True)
class ChannelAck:
    """What is settled of one channel: all up to `contiguous`, and what is missing above."""

    stream: int
    audience: str
    contiguous: int
    missing: Sequence[tuple[int, int]]


@dataclass(slots=True)
class Ack:
    """What one acknowledgement will say; filled while a group of messages is worked through."""

    gateway: str
    incarnation: bytes
    channels: Sequence[ChannelAck] = ()
    epochs: list[bytes] = field(default_factory=list)
    wanted: list[bytes] = field(default_factory=list)
    refused: list[tuple[int, str, int, int]] = field(default_factory=list)


def parse_topic(topic: str) -> tuple[str, str]:
    """Return gateway and what comes last (`hello`, `epoch`, `time` or the name of a stream).

    Raises:
        WireError: TOPIC.
    """
    parts = topic.split("/")
    if len(parts) != 5 or parts[:2] != ["mayak", "1"] or parts[3] != "up" or not is_name(parts[2]):  # noqa: PLR2004 - mayak/1/<gateway>/up/<what>
        raise WireError(Reason.TOPIC, repr(topic[:120]))
    if parts[4] not in {"hello", "epoch", "time", *STREAMS}:
        raise WireError(Reason.TOPIC, repr(topic[:120]))
    return parts[2], parts[4]


def bounded(data: bytes) -> bytes:
    """Return `data` when it is no larger than the contract allows, or raise WireError."""
    if len(data) > MAX_MESSAGE:
        raise WireError(Reason.TOO_LARGE, f"{len(data)} bytes")
    return data


def _version(found: object) -> None:
    if found != VERSION or type(found) is not int:
        raise WireError(Reason.VERSION, repr(found)[:40])


def _moment(item: object, what: str) -> Moment:
    mono, wall, trust = strict.array(item, 3, what)
    return Moment(
        strict.natural(mono, f"{what}, mono", below=1 << 53),
        strict.natural(wall, f"{what}, wall", below=1 << 53),
        strict.natural(trust, f"{what}, trust", below=_TRUSTS),
    )


def stream_code(item: object) -> int:
    """Return `item` as the code of a stream, or raise WireError."""
    return strict.natural(item, "stream", below=len(STREAMS))


def parse_batch(data: bytes) -> SealedBatch:
    """Read the head of a batch, §3, without any key.

    Raises:
        WireError: TOO_LARGE, CBOR, FORM or VERSION.
    """
    body = cose.parse_encrypt0(bounded(data), BATCH_CONTEXT)
    partial = strict.octets(body.header.get(cose.PARTIAL_IV), None, "partial IV")
    if not 1 <= len(partial) <= 8 or not partial[0]:  # noqa: PLR2004 - 64 bits
        strict.refuse("partial IV", partial)
    sequence = strict.natural(int.from_bytes(partial, "big"), "sequence")
    head = strict.entries(body.header.get(_HEAD_LABEL), "head")
    _version(head[0] if head else None)
    head = strict.array(head, _HEAD_LENGTH, "head")
    span = strict.natural(head[6], "span", below=MAX_SPAN + 1)
    if not 1 <= span <= sequence:
        strict.refuse("span", span)
    stream = stream_code(head[3])
    return SealedBatch(
        gateway=strict.name(head[1], "gateway"),
        audience=strict.name(head[2], "audience"),
        stream=stream,
        epoch=strict.octets(head[4], 8, "epoch"),
        count=strict.natural(head[5], "count", below=1 << 32),
        span=span,
        sequence=sequence,
        start=_moment([head[9], head[7], head[10]], "time of the first row"),
        length=strict.natural(head[8], "length", below=1 << 53),
        nonce=bytes([stream]) + (span - 1).to_bytes(3, "big") + sequence.to_bytes(8, "big"),
        body=body,
        size=len(data),
    )


def inflate(data: bytes, limit: int = MAX_PLAIN) -> bytes:
    """Return what one zstd frame holds, at most `limit` bytes.

    Raises:
        WireError: INSIDE, when it is no single frame or holds more.
    """
    try:
        declared = zstandard.frame_content_size(data)
        if declared > limit:
            raise WireError(Reason.INSIDE, f"zstd frame of {declared} bytes")
        return zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompress(
            data, max_output_size=limit, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise WireError(Reason.INSIDE, f"zstd: {error}") from error


def open_batch(batch: SealedBatch, key: bytes) -> bytes:
    """Return the plaintext, still compressed.

    Raises:
        WireError: SEALED, when it does not open under `key`.
    """
    try:
        return ChaCha20Poly1305(key).decrypt(batch.nonce, batch.body.ciphertext, batch.body.aad)
    except InvalidTag as error:
        raise WireError(Reason.SEALED, "does not open") from error


def parse_epoch(payload: bytes) -> EpochRecord:
    """Read the payload of an epoch record, §2.

    Raises:
        WireError: CBOR, FORM or VERSION.
    """
    fields = strict.mapping(strict.decode(payload), "epoch record")
    _version(fields.get(1))
    wraps = [
        Wrap(
            strict.name(consumer, "consumer"),
            strict.octets(kid, 8, "kid"),
            _suite(suite),
            strict.octets(sealed, None, "sealed key"),
        )
        for consumer, kid, suite, sealed in (
            strict.array(wrap, 4, "wrap")
            for wrap in strict.entries(strict.field(fields, 8, "epoch record"), "wraps")
        )
    ]
    return EpochRecord(
        gateway=strict.name(strict.field(fields, 2, "epoch record"), "gateway"),
        epoch=strict.octets(strict.field(fields, 3, "epoch record"), 8, "epoch"),
        incarnation=strict.octets(strict.field(fields, 4, "epoch record"), 8, "incarnation"),
        boot=strict.octets(strict.field(fields, 5, "epoch record"), 16, "boot"),
        made=_moment(strict.field(fields, 6, "epoch record"), "time"),
        audience=strict.name(strict.field(fields, 7, "epoch record"), "audience"),
        wraps=wraps,
        catalogue=strict.octets(strict.field(fields, 9, "epoch record"), None, "catalogue"),
    )


def _suite(item: object) -> tuple[int, int, int]:
    kem, kdf, aead = (
        strict.natural(part, "suite", below=1 << 16) for part in strict.array(item, 3, "suite")
    )
    return kem, kdf, aead


def wrap_info(gateway: str, epoch: bytes, audience: str, consumer: str) -> bytes:
    """Return the `info` of HPKE for one wrap, §2."""
    return EPOCH_CONTEXT + strict.encode([gateway, epoch, audience, consumer])


def parse_hello(payload: bytes) -> Hello:
    """Read the payload of a hello, §5.

    Raises:
        WireError: CBOR, FORM or VERSION.
    """
    fields = strict.mapping(strict.decode(payload), "hello")
    _version(fields.get(1))
    return Hello(
        gateway=strict.name(strict.field(fields, 2, "hello"), "gateway"),
        incarnation=strict.octets(strict.field(fields, 3, "hello"), 8, "incarnation"),
        boot=strict.octets(strict.field(fields, 4, "hello"), 16, "boot"),
        now=_moment(strict.field(fields, 5, "hello"), "time"),
        channels=[
            _statement(item)
            for item in strict.entries(strict.field(fields, 6, "hello"), "channels")
        ],
        software=strict.text(strict.field(fields, 7, "hello"), "software version"),
        why=strict.natural(strict.field(fields, 8, "hello"), "why", below=256),
    )


def _statement(item: object) -> Statement:
    stream, audience, *numbers = strict.array(item, 6, "channel")
    oldest, newest, produced, kept = (strict.natural(n, "channel") for n in numbers)
    if not 1 <= oldest <= newest + 1 or kept > produced:
        strict.refuse("channel", item)
    return Statement(
        stream_code(stream), strict.name(audience, "audience"), oldest, newest, produced, kept
    )


def parse_question(data: bytes) -> Question:
    """Read a question for the time, §7; nobody signed it.

    Raises:
        WireError: CBOR, FORM or VERSION.
    """
    fields = strict.mapping(strict.decode(data, max_items=_QUESTION_ITEMS), "question")
    _version(fields.get(1))
    return Question(
        gateway=strict.name(strict.field(fields, 2, "question"), "gateway"),
        boot=strict.octets(strict.field(fields, 3, "question"), 16, "boot"),
        nonce=strict.octets(strict.field(fields, 4, "question"), 32, "nonce"),
    )


def build_time(
    question: Question, *, consumer: str, wall_ms: int, kid: bytes, key: ec.EllipticCurvePrivateKey
) -> bytes:
    """Return the answer, §7, signed by `key`, whose id is `kid`."""
    payload = {1: VERSION, 2: question.gateway, 3: question.boot, 4: question.nonce}
    payload |= {5: consumer, 6: wall_ms}
    header = {cose.ALG: cose.ES256, cose.KID: kid}
    return cose.sign(header, strict.encode(payload), TIME_CONTEXT, key)


def build_ack(
    ack: Ack, *, consumer: str, wall_ms: int, kid: bytes, key: ec.EllipticCurvePrivateKey
) -> bytes:
    """Return the acknowledgement, §6, signed by `key`, whose id is `kid`."""
    payload = strict.encode(
        {
            1: VERSION,
            2: ack.gateway,
            3: ack.incarnation,
            4: consumer,
            5: wall_ms,
            6: [
                [c.stream, c.audience, c.contiguous, [list(gap) for gap in c.missing[:MAX_MISSING]]]
                for c in ack.channels
            ],
            7: ack.epochs,
            8: ack.wanted,
            9: [list(refused) for refused in ack.refused],
        }
    )
    header = {cose.ALG: cose.ES256, cose.KID: kid}
    return cose.sign(header, payload, ACK_CONTEXT, key)
