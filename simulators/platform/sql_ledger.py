"""The ledger in an SQL database, whichever: what rows a record, a batch, a hello become.

Values go in column by column, at once for a batch; nothing is done per value here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from simulators.platform.catalogue import Catalogue, Point
from simulators.platform.columns import Block, Contents, Gap, TimePair
from simulators.platform.database import Database, Stretch
from simulators.platform.gap_map import settle, settled
from simulators.platform.ledger import Channel, KnownEpoch, Seen
from simulators.platform.placing import APART_MS, UNSET, Span, best_pair, offset_of, place
from simulators.platform.rows import parts_of
from simulators.platform.wire import (
    ChannelAck,
    EpochRecord,
    Hello,
    Moment,
    SealedBatch,
)

_SERIES_KEPT: Final = 200_000


class SqlLedger:
    """The ledger of one receiver. Used by one thread; others may work on the same database."""

    def __init__(self, database: Database) -> None:
        """Take the database, open."""
        self._db = database
        # Ids never change once they are committed, so they may be kept for as long as this
        # connection has seen nothing fail.
        self._gateways: dict[str, int] = {}
        self._channels: dict[tuple[int, bytes, int, str], int] = {}
        self._boots: dict[tuple[int, bytes], int] = {}
        self._series: dict[tuple[int, int, int], list[int]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def transaction(self, gateways: Iterable[str] = ()) -> Iterator[None]:
        """Commit when the block ends well; else roll back."""
        try:
            with self._db.transaction(gateways):
                yield
                self._write_counts()
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        """Drop what was learned: rows of a transaction that is rolled back have no ids."""
        for cache in (self._gateways, self._channels, self._boots, self._series, self._counts):
            cache.clear()

    def check(self) -> None:
        """Return when the database answers."""
        self._db.check()

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def _id(self, query: str, *arguments: object) -> int | None:
        rows = self._db.rows(query, *arguments)
        return int(rows[0][0]) if rows else None

    def _insert(self, statement: str, *arguments: object) -> int:
        return int(self._db.rows(f"{statement} RETURNING id", *arguments)[0][0])

    def _gateway(self, name: str, now_ms: int) -> int:
        found = self._gateways.get(name) or self._id("SELECT id FROM gateway WHERE name = ?", name)
        if found is None:
            found = self._insert("INSERT INTO gateway (name, first_ms) VALUES (?, ?)", name, now_ms)
        self._gateways[name] = found
        return found

    def _boot(self, gateway: int, boot: bytes) -> int:
        key = (gateway, boot)
        found = self._boots.get(key) or self._id(
            "SELECT id FROM boot WHERE gateway = ? AND boot = ?", *key
        )
        if found is None:
            found = self._insert("INSERT INTO boot (gateway, boot) VALUES (?, ?)", *key)
        self._boots[key] = found
        return found

    def _channel(self, gateway: int, incarnation: bytes, stream: int, audience: str) -> int:
        key = (gateway, incarnation, stream, audience)
        found = self._channels.get(key) or self._id(
            "SELECT id FROM channel"
            " WHERE gateway = ? AND incarnation = ? AND stream = ? AND audience = ?",
            *key,
        )
        if found is None:
            found = self._insert(
                "INSERT INTO channel (gateway, incarnation, stream, audience) VALUES (?, ?, ?, ?)",
                *key,
            )
        self._channels[key] = found
        return found

    def vouched(self, gateway: str, key: bytes, until_ms: int) -> int:
        """Return until when the newest certificate seen of a device key vouches for it."""
        rows = self._db.rows(
            "SELECT until_ms FROM device_key WHERE gateway = ? AND key = ?", gateway, key
        )
        known = int(rows[0][0]) if rows else -1
        if until_ms > known:
            self._db.rows(
                "INSERT INTO device_key VALUES (?, ?, ?) ON CONFLICT (gateway, key)"
                " DO UPDATE SET until_ms = excluded.until_ms",
                *(gateway, key, until_ms),
            )
        return max(known, until_ms)

    def knows(self, gateway: str) -> bool:
        """Say whether the gateway has a row."""
        return self._id("SELECT id FROM gateway WHERE name = ?", gateway) is not None

    def epoch(self, gateway: str, epoch: bytes) -> KnownEpoch | None:
        """Return the epoch, or None when its record has not come."""
        for row in self._db.rows(
            "SELECT epoch.id, incarnation, boot.boot, audience, record FROM epoch"
            " JOIN boot ON boot.id = epoch.boot"
            " WHERE epoch.gateway = (SELECT id FROM gateway WHERE name = ?) AND epoch = ?",
            gateway,
            epoch,
        ):
            number, incarnation, boot, audience, record = row
            return KnownEpoch(number, gateway, epoch, incarnation, boot, audience, record)
        return None

    def add_epoch(self, record: EpochRecord, raw: bytes, arrived_ms: int) -> KnownEpoch:
        """Store a record that is new."""
        gateway = self._gateway(record.gateway, arrived_ms)
        row = self._insert(
            "INSERT INTO epoch (gateway, epoch, incarnation, boot, audience, made_mono_ms,"
            " made_wall_ms, made_trust, record, arrived_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            gateway,
            record.epoch,
            record.incarnation,
            self._boot(gateway, record.boot),
            record.audience,
            record.made.mono,
            record.made.wall,
            record.made.trust,
            raw,
            arrived_ms,
        )
        return KnownEpoch(
            row,
            record.gateway,
            record.epoch,
            record.incarnation,
            record.boot,
            record.audience,
            raw,
        )

    def seen(self, epoch: KnownEpoch, batch: SealedBatch) -> Seen:
        """Say whether sequences of `batch` are there already."""
        gateway = self._gateway(epoch.gateway, 0)
        channel = self._channel(gateway, epoch.incarnation, batch.stream, batch.audience)
        rows = self._db.rows(
            "SELECT sequence - span + 1, sequence, epoch FROM batch"
            " WHERE channel = ? AND sequence >= ? AND sequence - span < ? AND sequence <="
            # no two share a sequence, so only the next one beyond may reach down to us
            " coalesce((SELECT min(sequence) FROM batch WHERE channel = ? AND sequence >= ?), ?)",
            *(channel, batch.first, batch.sequence),
            *(channel, batch.sequence, batch.sequence),
        )
        covered, others = 0, False
        for first, last, of_epoch in rows:
            covered += min(last, batch.sequence) - max(first, batch.first) + 1
            others = others or of_epoch != epoch.id
        if not covered:
            return Seen.NEW
        if covered < batch.span:
            return Seen.OVERLAP
        return Seen.CONFLICT if others else Seen.REPEAT

    def add_batch(
        self,
        epoch: KnownEpoch,
        batch: SealedBatch,
        catalogue: Catalogue,
        contents: Contents,
        arrived_ms: int,
    ) -> None:
        """Store a batch that is new, with all that is inside."""
        gateway = self._gateway(epoch.gateway, arrived_ms)
        channel = self._channel(gateway, epoch.incarnation, batch.stream, batch.audience)
        boot = self._boot(gateway, epoch.boot)
        start = batch.start
        first_row, rows = self._db.next_row(), batch.count - len(contents.events)
        row = self._insert(
            "INSERT INTO batch (channel, sequence, span, epoch, boot, wall_ms, length_ms, mono_ms,"
            " trust, count, bytes, arrived_ms, first_row, rows)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(channel, batch.sequence, batch.span, epoch.id, boot),
            *(start.wall, batch.length, start.mono, start.trust),
            *(batch.count, batch.size, arrived_ms, first_row, rows),
        )
        span = Span(start, batch.length, arrived_ms)
        best = best_pair(self._db, boot) if span.doubtful else None
        wall = start.mono + offset_of(span, best)
        if rows:
            self._db.add_readings(
                Stretch(row, arrived_ms, first_row, rows),
                self._columns(epoch, gateway, batch, catalogue, contents.blocks, row, wall),
            )
        self._db.many(
            "INSERT INTO event (gateway, batch, wall_ms, mono_ms, key, severity, device, args)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    gateway,
                    row,
                    wall + event.time,
                    start.mono + event.time,
                    event.key,
                    event.severity,
                    event.device,
                    json.dumps(event.args, ensure_ascii=False),
                )
                for event in contents.events
            ],
        )
        settle(self._db, channel, batch.first, batch.sequence)
        for gap in contents.gaps:
            self._add_gap(gateway, epoch.incarnation, gap)
        for pair in contents.pairs:
            if not place(self._db, self._boot(gateway, pair.boot), pair, arrived_ms):
                self.count(epoch.gateway, "pairs_from_the_future")

    def _columns(
        self,
        epoch: KnownEpoch,
        gateway: int,
        batch: SealedBatch,
        catalogue: Catalogue,
        blocks: Sequence[Block],
        row: int,
        wall: int,
    ) -> Iterator[Sequence[Iterable[object]]]:
        """Yield the columns of a batch; `row` is its id, `wall` that of its first row."""
        for block in blocks:
            series = self._series_of(epoch, gateway, batch.stream, catalogue, block)
            walls = [wall + t for t in block.times]
            monos = [batch.start.mono + t for t in block.times]
            points = catalogue.shapes[block.shape]
            for column in block.columns:
                point = points[column.point]
                ids = [series[source][column.point] for source in block.sources]
                yield parts_of(column, point, row, ids, walls, monos, exact=self._db.exact)

    def _series_of(
        self, epoch: KnownEpoch, gateway: int, stream: int, catalogue: Catalogue, block: Block
    ) -> dict[int, list[int]]:
        """Return for each source in the block the series of each of its points."""
        found = {}
        points = catalogue.shapes[block.shape]
        for source in set(block.sources):
            key = (epoch.id, stream, source)
            ids = self._series.get(key)
            if ids is None:
                device = catalogue.sources[source][0]
                ids = [self._serie(gateway, stream, epoch.audience, device, p) for p in points]
                if len(self._series) >= _SERIES_KEPT:
                    self._series.clear()
                self._series[key] = ids
            found[source] = ids
        return found

    def _serie(self, gateway: int, stream: int, audience: str, device: str, point: Point) -> int:
        key = (gateway, device, point.name, stream, audience, point.unit, point.kind)
        found = self._id(
            "SELECT id FROM series WHERE gateway = ? AND device = ? AND point = ? AND stream = ?"
            " AND audience = ? AND unit = ? AND kind = ?",
            *key,
        )
        states = json.dumps(dict(point.states), ensure_ascii=False) if point.states else None
        if found is not None:
            self._db.rows(
                "UPDATE series SET states = ? WHERE id = ?"
                " AND coalesce(states, '') <> coalesce(?, '')",
                *(states, found, states),
            )
            return found
        return self._insert(
            "INSERT INTO series (gateway, device, point, stream, audience, unit, kind, states)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            *key,
            states,
        )

    def _add_gap(self, gateway: int, incarnation: bytes, gap: Gap) -> None:
        channel = self._channel(gateway, incarnation, gap.stream, gap.audience)
        self._db.rows(
            "INSERT INTO gap VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (channel, first, last) DO UPDATE SET count = excluded.count"
            " WHERE excluded.count > gap.count",
            *(channel, gap.first, gap.last),
            *(gap.first_wall, gap.last_wall, gap.count, gap.reason),
        )
        settle(self._db, channel, gap.first, gap.last)

    def add_hello(self, hello: Hello, arrived_ms: int) -> None:
        """Store what a gateway says of itself."""
        gateway = self._gateway(hello.gateway, arrived_ms)
        self._db.rows(
            "UPDATE gateway SET incarnation = ?, software = ? WHERE id = ?",
            *(hello.incarnation, hello.software, gateway),
        )
        now = hello.now
        self._db.rows(
            "INSERT INTO hello VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
            " ON CONFLICT (gateway, incarnation, boot) DO UPDATE"
            " SET count = hello.count + 1, last_ms = excluded.last_ms,"
            " mono_ms = excluded.mono_ms, wall_ms = excluded.wall_ms, trust = excluded.trust,"
            " software = excluded.software, why = excluded.why"
            " WHERE excluded.mono_ms >= hello.mono_ms",
            *(gateway, hello.incarnation, hello.boot, now.mono, now.wall, now.trust),
            *(hello.software, hello.why, arrived_ms, arrived_ms),
        )
        if not now.trust or now.wall > arrived_ms + APART_MS:
            heard = TimePair(hello.boot, Moment(now.mono, arrived_ms, UNSET))
            place(self._db, self._boot(gateway, hello.boot), heard, arrived_ms)
        for said in hello.channels:
            channel = self._channel(gateway, hello.incarnation, said.stream, said.audience)
            # Within an incarnation neither number ever goes back, and at equal numbers what is
            # kept only shrinks: so this is the newer one, whatever came first.
            self._db.rows(
                "UPDATE channel SET oldest = ?, newest = ?, produced = ?, kept = ?"
                " WHERE id = ? AND (newest IS NULL OR (newest, oldest, -kept) <= (?, ?, ?))",
                *(said.oldest, said.newest, said.produced, said.kept, channel),
                *(said.newest, said.oldest, -said.kept),
            )

    def incarnation(self, gateway: str) -> bytes | None:
        """Return the incarnation that the last hello named."""
        rows = self._db.rows("SELECT incarnation FROM gateway WHERE name = ?", gateway)
        return rows[0][0] if rows else None

    def channels(self, gateway: str, incarnation: bytes) -> list[Channel]:
        """Return every channel known of one incarnation."""
        rows = self._db.rows(
            "SELECT stream, audience FROM channel"
            " WHERE gateway = (SELECT id FROM gateway WHERE name = ?) AND incarnation = ?",
            gateway,
            incarnation,
        )
        return sorted((stream, audience) for stream, audience in rows)

    def settled(self, gateway: str, incarnation: bytes, channel: Channel) -> ChannelAck:
        """Return what is settled; what lies below the oldest sequence still kept cannot come."""
        row = self._channel(self._gateway(gateway, 0), incarnation, *channel)
        return ChannelAck(*channel, *settled(self._db, row))

    def epochs(self, gateway: str, incarnation: bytes, limit: int) -> list[bytes]:
        """Return the `limit` newest epochs of one incarnation whose records are here."""
        rows = self._db.rows(
            "SELECT epoch FROM epoch WHERE gateway = (SELECT id FROM gateway WHERE name = ?)"
            " AND incarnation = ? ORDER BY id DESC LIMIT ?",
            *(gateway, incarnation, limit),
        )
        return [row[0] for row in rows]

    def count(self, gateway: str, name: str) -> None:
        """Add one to a counter."""
        self._counts[gateway, name] += 1

    def _write_counts(self) -> None:
        """Write the counters last and in one order: two receivers never wait for each other."""
        self._db.many(
            "INSERT INTO counter VALUES (?, ?, ?)"
            " ON CONFLICT (gateway, name) DO UPDATE SET count = counter.count + excluded.count",
            [(*key, count) for key, count in sorted(self._counts.items())],
        )
        self._counts.clear()
