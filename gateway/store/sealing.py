"""Epoch keys: batches sealed at capture, so that only the platform opens what lies here. Pure.

The form is that of the wire reference, `gateway/sync/README.md` §2 and §3. The key of an epoch
lives in memory only.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import cbor2
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from gateway.keys.cose import (
    ALG,
    CHACHA20_POLY1305,
    PARTIAL_IV,
    TAG_ENCRYPT0,
    X5CHAIN,
    encrypt0,
    sign1,
)
from gateway.keys.device import KeyStore
from gateway.keys.platform import Recipient
from gateway.model.clock import Instant
from gateway.model.ids import Audience, BootId, EpochId, GatewayId, Incarnation
from gateway.model.stream import Stream
from gateway.store.batches import ZSTD_LEVEL, Body
from gateway.store.catalogue import Catalogue, References

VERSION: Final = 1
HEAD: Final = -65537
"""COSE header label of the batch's head (private use, RFC 9052 §16.2)."""
EPOCH_CONTEXT: Final = b"mayak/1/epoch"
BATCH_CONTEXT: Final = b"mayak/1/batch"
HEAD_LEN: Final = 11
KEY_LEN: Final = 32
EPOCH_ID_LEN: Final = 8
CATALOGUE_NONCE: Final = b"\xff" * 12

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who seals: stands in every epoch record."""

    gateway: GatewayId
    incarnation: Incarnation
    boot: BootId
    key: KeyStore


@dataclass(frozen=True, slots=True)
class Epoch:
    """The life of one key of one audience."""

    id: EpochId
    gateway: GatewayId
    audience: Audience
    record: bytes
    """The signed record with the wrapped key, as it is stored and sent."""
    sources: int
    """How many sources the sealed catalogue names."""
    references: References
    """Where the differences of its batches start."""
    cipher: ChaCha20Poly1305

    def seal(self, body: Body, stream: Stream, sequence: int, span: int = 1) -> bytes:
        """Return the batch: COSE_Encrypt0 over the body.

        Args:
            body: what is inside.
            stream: its stream.
            sequence: of this batch within its channel, from 1.
            span: how many sequences it stands for.
        """
        head = [
            VERSION,
            self.gateway,
            self.audience,
            int(stream),
            self.id,
            body.count,
            span,
            body.first.wall_ms,
            body.length_ms,
            body.first.mono_ms,
            int(body.first.trust),
        ]
        partial_iv = sequence.to_bytes((sequence.bit_length() + 7) // 8, "big")
        headers = {PARTIAL_IV: partial_iv, HEAD: head}
        return encrypt0(
            body.packed, headers, BATCH_CONTEXT, self.cipher, nonce(stream, sequence, span)
        )


def open_epoch(
    identity: Identity,
    catalogue: Catalogue,
    recipients: Sequence[Recipient],
    now: Instant,
    references: References = MappingProxyType({}),
    random: Random = secrets.token_bytes,
) -> Epoch:
    """Begin an epoch: a new key, wrapped to each recipient, in a record signed by the device.

    Args:
        identity: who seals.
        catalogue: what batches will refer to; what it names now is sealed into the record.
        recipients: the consumer keys entitled to the catalogue's audience.
        now: goes into the record.
        references: where the differences of its batches start; the last values are a good choice.
        random: gives n random bytes.
    """
    key, epoch = random(KEY_LEN), EpochId(random(EPOCH_ID_LEN))
    cipher = ChaCha20Poly1305(key)
    audience = catalogue.audience
    named = zstandard.compress(cbor2.dumps(catalogue.packed(references)), ZSTD_LEVEL)
    payload = {
        1: VERSION,
        2: identity.gateway,
        3: epoch,
        4: identity.incarnation,
        5: identity.boot,
        6: [now.mono_ms, now.wall_ms, int(now.trust)],
        7: audience,
        8: [
            [
                to.consumer,
                to.kid,
                to.suite,
                to.wrap(key, _info(identity.gateway, epoch, audience, to)),
            ]
            for to in recipients
        ],
        9: cipher.encrypt(CATALOGUE_NONCE, named, epoch),
    }
    record = sign1(
        cbor2.dumps(payload),
        {X5CHAIN: identity.key.certificate},
        EPOCH_CONTEXT,
        identity.key.sign,
    )
    return Epoch(
        epoch, identity.gateway, audience, record, len(catalogue.sources), references, cipher
    )


def wrong_head(
    body: bytes, stream: int, audience: str, sequence: int, epoch: bytes | None
) -> str | None:
    """Return what in a stored batch is not that of its row, as far as its open head says; or None.

    Args:
        body: of the row.
        stream: of its channel.
        audience: of its channel.
        sequence: of the row.
        epoch: id of the epoch that the row names; None when that is not here.
    """
    try:
        message = cbor2.loads(body)
        protected = cbor2.loads(message.value[0])
        head = protected[HEAD]
    except (
        cbor2.CBORDecodeError,
        ValueError,
        AttributeError,
        TypeError,
        LookupError,
        OverflowError,
        RecursionError,
    ):
        return "is not a sealed batch"
    if message.tag != TAG_ENCRYPT0 or protected[ALG] != CHACHA20_POLY1305 or head[0] != VERSION:
        return "is not a sealed batch of this version"
    if int.from_bytes(protected[PARTIAL_IV], "big") != sequence or len(head) != HEAD_LEN:
        return "says another sequence"
    if (head[2], head[3]) != (audience, stream):
        return "says another channel"
    if epoch is None or head[4] != epoch:
        return "its epoch record is not here"
    return None


def nonce(stream: Stream, sequence: int, span: int) -> bytes:
    """Return the 12 bytes that no other batch of the epoch has."""
    return bytes((stream,)) + (span - 1).to_bytes(3, "big") + sequence.to_bytes(8, "big")


def _info(gateway: GatewayId, epoch: EpochId, audience: Audience, to: Recipient) -> bytes:
    return EPOCH_CONTEXT + cbor2.dumps([gateway, epoch, audience, to.consumer])
