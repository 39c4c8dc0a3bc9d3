"""Batches straight from the commit to a link that is up with all: nobody reads the file for them.

The store's thread puts in, the event loop takes out; what is not taken is still in the file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.model.ids import Audience
from gateway.store.channels import Channel, ChannelKey
from gateway.store.parcels import Parcel

PARCELS_MOST: Final = 32
"""Beyond, the oldest go: whoever takes nothing for so long reads the file."""


class Tray:
    """What was committed for one consumer since it took last."""

    def __init__(self, audiences: frozenset[Audience]) -> None:
        """Take what the consumer is entitled to; closed at first."""
        self._audiences: Final = audiences
        self._parcels: Final[deque[Parcel]] = deque(maxlen=PARCELS_MOST)
        self.open: bool = False
        """Whether the link has all that is in the file, so that what comes next is next."""

    def put(self, parcels: Iterable[Parcel]) -> list[Parcel]:
        """Put in what was committed, if it is open; return what is in now of it."""
        if not self.open:
            return []
        ours = [parcel for parcel in parcels if parcel.audience in self._audiences]
        self._parcels.extend(ours)
        return ours

    def take(self, after: Mapping[ChannelKey, int], channels: Iterable[Channel]) -> list[Parcel]:
        """Take out all that comes next, most urgent first; nothing when there is a hole.

        Args:
            after: the highest sequence that is out, per channel.
            channels: of the file: one that has more than was put in here makes a hole.
        """
        taken: dict[ChannelKey, list[Parcel]] = {}
        while self._parcels:
            parcel = self._parcels.popleft()
            key = parcel.stream, parcel.audience
            if parcel.sequence == after.get(key, 0) + 1 + len(taken.get(key, ())):
                taken.setdefault(key, []).append(parcel)
        for channel in channels:
            out = after.get(channel.key, 0) + len(taken.get(channel.key, ()))
            if channel.audience in self._audiences and channel.newest > out:
                return []
        return [parcel for key in sorted(taken) for parcel in taken[key]]
