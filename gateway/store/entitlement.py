"""Who must have what before it is deleted, from one start of the agent to the next.

Who is entitled stands in the site file. One who is new there begins with what is sealed from then
on: earlier epochs were not wrapped for it. One who is no longer there holds nothing back.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.model.ids import Audience, ConsumerId
from gateway.store.channels import Channel, ChannelKey
from gateway.store.trimming import Entitled

PREFIX: Final = "entitled/"
"""Of the facts that are kept here, `entitled/<audience>/<consumer>`."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a channel stood when a consumer joined."""

    sequence: int = 0
    produced: int = 0


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What became of those who are entitled."""

    beginnings: Mapping[ConsumerId, Mapping[ChannelKey, Beginning]]
    """Of each consumer that joined after the first start."""
    somebody_left: bool
    """Whether there may be something that was kept for nobody else."""


def enrol(db: sqlite3.Connection, entitled: Entitled, channels: Iterable[Channel]) -> Enrolled:
    """Take over who is entitled now, inside the caller's transaction.

    Args:
        db: the file.
        entitled: who must have what.
        channels: all there are.
    """
    channels = list(channels)
    known = _known(db)
    wanted = {(audience, consumer) for audience, ids in entitled.items() for consumer in ids}
    gone = known.keys() - wanted
    for audience, consumer in gone:
        _let_go(db, audience, consumer)
    beginnings: dict[ConsumerId, dict[ChannelKey, Beginning]] = {}
    for audience, consumer in sorted(wanted):
        began = known.get((audience, consumer))
        if began is None:
            began = _joined(db, audience, consumer, channels if known else [])
        own = beginnings.setdefault(consumer, {})
        for channel in channels:
            if channel.audience == audience and channel.id in began:
                own[channel.key] = began[channel.id]
    return Enrolled(beginnings, bool(gone))


def _known(db: sqlite3.Connection) -> dict[tuple[Audience, ConsumerId], dict[int, Beginning]]:
    known = {}
    for key, value in db.execute(
        "SELECT key, value FROM fact WHERE substr(key, 1, ?) = ?", (len(PREFIX), PREFIX)
    ).fetchall():
        audience, consumer = key.removeprefix(PREFIX).split("/")
        began = {int(channel): Beginning(*at) for channel, at in json.loads(value).items()}
        known[Audience(audience), ConsumerId(consumer)] = began
    return known


def _joined(
    db: sqlite3.Connection, audience: Audience, consumer: ConsumerId, channels: Iterable[Channel]
) -> dict[int, Beginning]:
    began = {
        channel.id: Beginning(channel.newest, channel.produced)
        for channel in channels
        if channel.audience == audience
    }
    db.executemany(
        "INSERT INTO cursor (consumer, channel, settled) VALUES (?, ?, ?)"
        " ON CONFLICT DO UPDATE SET settled = max(settled, excluded.settled)",
        [(consumer, channel, at.sequence) for channel, at in began.items()],
    )
    content = {channel: [at.sequence, at.produced] for channel, at in began.items()}
    db.execute(
        "INSERT INTO fact (key, value) VALUES (?, ?)",
        (f"{PREFIX}{audience}/{consumer}", json.dumps(content).encode()),
    )
    return began


def _let_go(db: sqlite3.Connection, audience: Audience, consumer: ConsumerId) -> None:
    db.execute(
        "DELETE FROM cursor WHERE consumer = ?"
        " AND channel IN (SELECT id FROM channel WHERE audience = ?)",
        (consumer, audience),
    )
    db.execute(
        "DELETE FROM delivered WHERE consumer = ?"
        " AND epoch IN (SELECT number FROM epoch WHERE audience = ?)",
        (consumer, audience),
    )
    db.execute("DELETE FROM fact WHERE key = ?", (f"{PREFIX}{audience}/{consumer}",))
