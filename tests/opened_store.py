"""A store as a consumer with its private key reads it: with the platform's own code."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2

from gateway.model.stream import Stream
from simulators.platform.catalogue import Catalogue, open_catalogue
from simulators.platform.columns import Contents, parse_contents
from simulators.platform.keys import Opener, load_opening_key
from simulators.platform.wire import EpochRecord, SealedBatch, open_batch, parse_batch, parse_epoch


@dataclass(frozen=True, slots=True)
class Opened:
    """One batch."""

    stream: Stream
    sealed: SealedBatch
    contents: Contents
    catalogue: Catalogue

    @property
    def audience(self) -> str:
        return self.sealed.audience

    def cells(self) -> list[tuple[str, str, int, Any]]:
        """Return device, point, milliseconds and value of each cell that has one."""
        return sorted(
            (
                self.catalogue.sources[block.sources[row]][0],
                self.catalogue.shapes[block.shape][column.point].name,
                block.times[row],
                value,
            )
            for block in self.contents.blocks
            for column in block.columns
            for row, value in zip(column.rows, column.values, strict=True)
        )


def epochs_in(store: Path, lane: str = "TRUE") -> list[EpochRecord]:
    """Return what the epoch records say, the oldest first; `lane` is a condition on the table."""
    query = f"SELECT record FROM epoch WHERE {lane} ORDER BY number"  # noqa: S608 - of tests
    records = _rows(store, query)
    return [parse_epoch(cbor2.loads(record).value[2]) for (record,) in records]


def opened(store: Path, private: Path, consumer: str = "city") -> Iterator[Opened]:
    """Yield every batch whose key was wrapped for the consumer, channel by channel, in order."""
    opener = Opener(consumer, [load_opening_key(private)])
    epochs = {record.epoch: (record, opener.open(record)) for record in epochs_in(store)}
    for (body,) in _rows(store, "SELECT body FROM batch ORDER BY id"):
        sealed = parse_batch(body)
        record, key = epochs[sealed.epoch]
        if key is not None:
            named = open_catalogue(record.catalogue, sealed.epoch, key)
            contents = parse_contents(open_batch(sealed, key), named, sealed)
            yield Opened(Stream(sealed.stream), sealed, contents, named)


def _rows(store: Path, query: str) -> list[tuple[bytes]]:
    with closing(sqlite3.connect(f"{store.as_uri()}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()
