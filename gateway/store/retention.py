"""What has to go when room runs short. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.model.stream import Stream

GIVEN_UP_FIRST: Final = (
    Stream.MEDIA,
    Stream.LOG,
    Stream.DATA,
    Stream.STATE,
    Stream.ROLLUP,
    Stream.EVENT,
    Stream.ALARM,
)
"""The order in which streams lose their oldest batches."""

FREED_AT_ONCE: Final = 0.05
"""The part of the room that is freed in one go, so that it does not have to be done at each
commit."""


@dataclass(frozen=True, slots=True)
class Held:
    """How many bytes of batches one channel holds."""

    channel: int
    stream: Stream
    size: int


def to_free(held: Sequence[Held], room: int) -> list[tuple[int, int]]:
    """Return which channels give up their oldest batches, how many bytes each.

    Args:
        held: every channel.
        room: bytes that all batches together may take.
    """
    total = sum(channel.size for channel in held)
    if total <= room:
        return []
    excess = total - round(room * (1 - FREED_AT_ONCE))
    plan = []
    for channel in sorted(held, key=lambda one: GIVEN_UP_FIRST.index(one.stream)):
        if excess <= 0:
            break
        if share := min(channel.size, excess):
            plan.append((channel.channel, share))
            excess -= share
    return plan
