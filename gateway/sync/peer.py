"""Who we are to one consumer, and what has passed between us."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from gateway.keys.device import KeyStore
from gateway.keys.platform import Signers
from gateway.model.ids import Audience, BootId, ConsumerId, GatewayId


@dataclass(frozen=True, slots=True)
class Peer:
    """Who we are and with whom we settle."""

    gateway: GatewayId
    boot: BootId
    key: KeyStore
    version: str
    consumer: ConsumerId
    audiences: frozenset[Audience]
    signers: Signers
    most_unsettled: int


@dataclass(slots=True)
class Traffic:
    """Counters since start; the health room tells them."""

    connected: bool = False
    connects: int = 0
    sent_bytes: Counter[str] = field(default_factory=Counter)
    """Payload bytes by what stands in the topic: the stream, `epoch` or `hello`."""
    sent_batches: int = 0
    repeats: int = 0
    acks: int = 0
    not_acks: int = 0
    """Messages on the acknowledgement topic that were none."""
    unsettled: int = 0
    """Batches that are out without the platform's acknowledgement."""
