"""What consumers say they have, on its way into the file.

Nobody waits for it: it rides on the next commit, which comes within a second when there is anything
to settle. A power cut in between costs a repeat, which the platform drops.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.model.ids import ConsumerId, EpochId
from gateway.store.channels import Change, Channel, Channels
from gateway.store.parcels import Settled
from gateway.store.trimming import Trimming


@dataclass(frozen=True, slots=True)
class Said:
    """What one consumer said at one time."""

    consumer: ConsumerId
    channels: Sequence[Settled]
    """What it holds."""
    epochs: frozenset[EpochId] = frozenset()
    """Records it holds."""
    wanted: frozenset[EpochId] = frozenset()
    """Records it lacks although batches of them came."""


class Hearsay:
    """What was said and is not in the file yet. Noted on any thread, used on the store's."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._said: Final[deque[Said]] = deque()

    def __bool__(self) -> bool:
        """Say whether there is any."""
        return bool(self._said)

    def note(self, said: Said) -> None:
        """Keep it until it is in the file."""
        self._said.append(said)

    def so_far(self) -> list[Said]:
        """Return all of it, in order."""
        return list(self._said)

    def forget(self, count: int) -> None:
        """Let go of the first ones: they are in the file."""
        for _ in range(count):
            self._said.popleft()


def settle(
    db: sqlite3.Connection,
    channels: Channels,
    trimming: Trimming,
    trim: Callable[[Iterable[Channel]], list[Change]],
    all_said: Iterable[Said],
) -> list[Change]:
    """Note, inside the transaction, what consumers have; delete what all have. Nothing moves back.

    Args:
        db: the file.
        channels: of the file.
        trimming: of the file.
        trim: deletes what every entitled consumer has of some channels.
        all_said: in order.

    Returns:
        How the channels change.
    """
    touched: dict[int, Channel] = {}
    for said in all_said:
        for each in said.channels:
            channel = channels.find(each.stream, each.audience)
            if channel is None:
                continue
            if each.contiguous > channel.newest:
                trimming.jump(channel, each.contiguous)
            moved = db.execute(
                "INSERT INTO cursor (consumer, channel, settled) VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET settled = excluded.settled"
                " WHERE excluded.settled > settled",
                (said.consumer, channel.id, min(each.contiguous, channel.newest)),
            )
            if moved.rowcount:
                touched[channel.id] = channel
        db.executemany(
            "INSERT OR IGNORE INTO delivered (consumer, epoch)"
            " SELECT ?, number FROM epoch WHERE id = ?",
            [(said.consumer, epoch) for epoch in said.epochs],
        )
        db.executemany(
            "DELETE FROM delivered WHERE consumer = ?"
            " AND epoch = (SELECT number FROM epoch WHERE id = ?)",
            [(said.consumer, epoch) for epoch in said.wanted],
        )
    return trim(touched.values())
