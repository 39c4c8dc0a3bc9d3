"""What goes in and out of the file, and how far it was handed out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.model.ids import Audience
from gateway.model.stream import Stream
from gateway.store.channels import Channel, ChannelKey


@dataclass(frozen=True, slots=True)
class Parcel:
    """One sealed batch on its way."""

    stream: Stream
    audience: Audience
    sequence: int
    span: int
    epoch: int
    """Number of its epoch in this file."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Settled:
    """What a consumer says of one channel: all up to `contiguous` is committed there."""

    stream: Stream
    audience: Audience
    contiguous: int


class Added(NamedTuple):
    """One batch that was committed."""

    sequence: int
    size: int
    """Bytes."""


@dataclass(slots=True)
class HandOut:
    """Which batches left the file in this life of the program, and which must wait."""

    _out: dict[ChannelKey, int] = field(default_factory=dict)
    _held: dict[ChannelKey, tuple[int, float]] = field(default_factory=dict)

    def hold_back(self, key: ChannelKey, first: int, until_s: float) -> None:
        """Hand out no batch from `first` on before a moment; an earlier hold is forgotten."""
        self._held[key] = (first, until_s)

    def note(self, key: ChannelKey, sequence: int) -> None:
        """Take note that a batch left."""
        self._out[key] = max(self._out.get(key, 0), sequence)

    def highest(self, key: ChannelKey) -> int:
        """Return the highest sequence that ever left; 0 before the first."""
        return self._out.get(key, 0)

    def last_free(self, channel: Channel, now_s: float) -> int:
        """Return the highest sequence that is not held back."""
        first, until_s = self._held.get(channel.key, (channel.newest + 1, 0.0))
        return first - 1 if now_s < until_s else channel.newest
